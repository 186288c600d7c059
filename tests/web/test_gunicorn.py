"""The application as it is deployed: migrated, under gunicorn, asked over HTTP."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from django.db import connections
from django.urls import get_resolver

from fabfile.nginx import SECRET_PATHS
from tests.web.servers import ROOT, Port, die_with_parent, greets_http
from webapp.requests import SECRET_PARTS

PYTHON = Path(sys.executable)
OWN = "trace-0123456789"


@pytest.fixture
def gunicorn(servers):
    """Starts gunicorn with the unit's command and these changes to the environment; ends it afterwards."""
    processes = []

    def start(**changes):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            **servers.environment,
            **servers.aws,
            **changes,
        }
        with (servers.folder / "gunicorn.log").open("wb") as log:
            process = subprocess.Popen(
                [PYTHON.with_name("gunicorn"), "-c", ROOT / "webapp" / "gunicorn.conf.py"],
                env=environment,
                cwd="/",
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        servers.processes["gunicorn"] = process
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def manage(servers, *words):
    environment = {"PATH": os.environ["PATH"], **servers.environment}
    subprocess.run([PYTHON, ROOT / "webapp" / "manage.py", *words], env=environment, check=True, timeout=120)


@pytest.fixture
def deployed(gunicorn, servers):
    """Starts gunicorn on a port, with these changes to the environment; gives its URL and its process."""

    def start(**changes):
        manage(servers, "migrate", "-v0")
        port = Port()
        url = f"http://127.0.0.1:{port.give()}"
        bind = url.removeprefix("http://")
        process = gunicorn(PUBLIC_URL="http://127.0.0.1", ALLOW_HTTP="true", BIND=bind, **changes)
        servers.wait("gunicorn", lambda: greets_http(f"{url}/healthz"))
        return url, process

    return start


def send(browser, url, **form):
    """Open the page with a form, and send that with its token."""
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(url, timeout=10).text)[1]
    return browser.post(url, {"csrfmiddlewaretoken": token, **form}, timeout=30)


def told(servers):
    """The lines of gunicorn's log, each of which is an object."""
    return [json.loads(line) for line in (servers.folder / "gunicorn.log").read_text().splitlines()]


def said(servers, words):
    """How many lines of the log begin so."""
    return sum(line["message"].startswith(words) for line in told(servers))


def counted(url, view="sign-in"):
    """How many requests to this page the metrics know."""
    found = re.findall(
        rf'hydra_requests_total{{[^}}]*view="{view}"}} (\S+)', requests.get(f"{url}/metrics", timeout=10).text
    )
    return sum(float(number) for number in found)


def test_a_deployed_application_signs_up_and_in_and_stops_when_told(deployed, servers, new_name, password):
    url, process = deployed()
    assert requests.get(f"{url}/readyz", timeout=10).json()["ready"]
    browser, name = requests.Session(), new_name()
    page = send(browser, f"{url}/sign-up/", username=name, password1=password, password2=password)
    assert f"Hello, {name}" in page.text
    new = "staple battery"
    page = send(browser, f"{url}/password/", old_password=password, new_password1=new, new_password2=new)
    assert "Your password is changed" in page.text
    browser.cookies.clear()
    assert "Please enter a correct" in send(browser, f"{url}/sign-in/", username=name, password=password).text
    assert f"Hello, {name}" in send(browser, f"{url}/sign-in/", username=name, password=new).text

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert not [line for line in told(servers) if "traceback" in line]


def test_requests_under_way_are_answered_before_it_stops(deployed, servers, new_name):
    url, process = deployed()
    names = [new_name() for _ in range(6)]
    before = len(servers.gate.operations)
    servers.processes["simpledb"].send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(len(names)) as visitors:
            pages = [
                visitors.submit(send, requests.Session(), f"{url}/sign-in/", username=name, password="no password")
                for name in names
            ]
            servers.wait("gunicorn", lambda: len(servers.gate.operations) - before >= len(names))
            process.send_signal(signal.SIGTERM)
            servers.wait("gunicorn", lambda: said(servers, "Handling signal: term"))
            servers.processes["simpledb"].send_signal(signal.SIGCONT)
            answers = [page.result() for page in pages]
    finally:
        servers.processes["simpledb"].send_signal(signal.SIGCONT)
    assert [answer.status_code for answer in answers] == [200] * len(names)
    assert all("Please enter a correct" in answer.text for answer in answers)
    assert process.wait(timeout=30) == 0


def test_a_reload_cuts_nobody_off(deployed, servers):
    url, process = deployed()
    done, statuses = threading.Event(), []

    def visit():
        while not done.is_set():
            statuses.append(requests.get(f"{url}/sign-in/", timeout=30).status_code)

    with ThreadPoolExecutor(3) as visitors:
        visits = [visitors.submit(visit) for _ in range(3)]
        try:
            for again in (1, 2):
                asked = len(statuses)
                process.send_signal(signal.SIGHUP)
                servers.wait("gunicorn", lambda again=again: said(servers, "Booting worker") == 2 + 2 * again)
                servers.wait("gunicorn", lambda again=again: said(servers, "Worker exiting") == 2 * again)
                servers.wait("gunicorn", lambda asked=asked: len(statuses) > asked + 20)
        finally:
            done.set()
    for each in visits:
        each.result()
    assert set(statuses) == {200}


def test_workers_that_have_answered_enough_are_replaced_and_nobody_is_cut_off(deployed, servers):
    url, _ = deployed(GUNICORN_CMD_ARGS="--max-requests 30 --max-requests-jitter 10")
    with ThreadPoolExecutor(3) as visitors:
        visits = [visitors.submit(requests.get, f"{url}/sign-in/", timeout=30) for _ in range(200)]
    assert {visit.result().status_code for visit in visits} == {200}
    servers.wait("gunicorn", lambda: said(servers, "Booting worker") > 4)


def test_numbers_are_those_of_all_workers_and_outlive_them(deployed, servers):
    url, process = deployed()
    folder = Path(f"/dev/shm/hydra-metrics-{os.geteuid()}-{process.pid}")
    for _ in range(20):
        requests.get(f"{url}/sign-in/", timeout=10)
    assert counted(url) == 20
    first = alive(folder)
    process.send_signal(signal.SIGHUP)
    servers.wait("gunicorn", lambda: said(servers, "Worker exiting") == 2)
    servers.wait("gunicorn", lambda: first.isdisjoint(alive(folder)))
    assert (folder / "counter_0.db").exists()
    assert counted(url) == 20
    requests.get(f"{url}/sign-in/", timeout=10)
    killed = alive(folder)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    servers.wait("gunicorn", lambda: said(servers, "Booting worker") == 4 + len(killed))
    servers.wait("gunicorn", lambda: greets_http(f"{url}/healthz"))
    servers.wait("gunicorn", lambda: counted(url) == 21)
    assert folder.stat().st_mode & 0o077 == 0
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert not folder.exists()


def alive(folder):
    """The pids of the workers that have files of their own."""
    return {int(path.stem.partition("_")[2]) for path in folder.glob("counter_*.db")} - {0}


def test_what_a_killed_server_left_is_removed_by_the_next(deployed, servers):
    left = Path(f"/dev/shm/hydra-metrics-{os.geteuid()}-{2**22 + os.getpid()}")  # no process has so high a number
    left.mkdir(exist_ok=True)
    deployed()
    assert not left.exists()


def test_gunicorns_own_access_log_has_the_same_id_and_no_token(deployed, servers):
    url, process = deployed(GUNICORN_CMD_ARGS="--access-logfile -")
    requests.get(
        f"{url}/password/new/MQ/c0ffee-0123456789abcdef/?more=secret", headers={"X-Request-ID": OWN}, timeout=10
    )
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    (line,) = [line for line in told(servers) if line["logger"] == "gunicorn.access" and OWN in line["message"]]
    assert re.fullmatch(rf"GET /password/new/MQ/\[hidden\]/ \d+, \d+ bytes in \d+ ms, request {OWN}", line["message"])
    assert not [line for line in told(servers) if "c0ffee" in str(line) or "secret" in str(line)]


@pytest.mark.parametrize("how", ["killed", "restarted"])
def test_after_the_database_was_away_the_next_page_is_there(deployed, servers, new_name, password, how):
    url, _ = deployed()
    browser, name = requests.Session(), new_name()
    send(browser, f"{url}/sign-up/", username=name, password1=password, password2=password)
    pages = [browser.get(url, timeout=10) for _ in range(8)]  # so that each thread of each worker has its connection
    assert all(name in page.text for page in pages)
    if how == "killed":
        assert kill_connections(servers) > 0
    else:
        restart_mysql(servers, lambda: browser.get(url, timeout=10).status_code == 503)
    pages = [browser.get(url, timeout=10) for _ in range(8)]
    assert [page.status_code for page in pages] == [200] * 8
    assert all(name in page.text for page in pages)


def kill_connections(servers):
    """End every connection of the application's, as a failover does; returns how many."""
    database = servers.environment["MYSQL_DATABASE"]
    with servers.connect_mysql() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", [database])
        found = cursor.fetchall()
        for (number,) in found:
            cursor.execute("KILL %s", [number])
    return len(found)


def restart_mysql(servers, meanwhile):
    """Stop the server, see what happens then, and start it again on the same port."""
    connections.close_all()  # the other tests' too
    process = servers.processes[servers.engine]
    process.terminate()
    process.wait(timeout=60)
    try:
        assert meanwhile()
    finally:
        servers.start_again(servers.engine)


def test_behind_nginx_the_scheme_and_the_address_are_the_browsers(gunicorn, servers):
    where = str(servers.folder / "gunicorn.sock")
    gunicorn(BIND=f"unix:{where}")
    servers.wait("gunicorn", lambda: Path(where).exists())

    def ask(path, headers):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(where)
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: testserver\r\n{headers}\r\n\r\n".encode())
            return connection.makefile("rb").readline()

    assert b" 301 " in ask("/sign-in/", "X-Forwarded-Proto: http")
    assert b" 200 " in ask("/sign-in/", "X-Forwarded-Proto: https")
    assert b" 200 " in ask(f"/sign-in/?next={'a' * 8000}", "X-Forwarded-Proto: https")  # nginx lets it through
    # nginx says who asks it; without that, somebody on this machine asks the socket.
    assert b" 404 " in ask("/metrics", "X-Forwarded-For: 93.184.216.34")
    assert b" 200 " in ask("/metrics", "X-Forwarded-For: 10.0.0.9")
    assert b" 200 " in ask("/metrics", "Accept: text/plain")


def test_nginx_hides_each_address_that_opens_something():
    """Its log is its own; which addresses those are is the application's word."""
    found = [where for where, named in addresses(get_resolver()) if SECRET_PARTS & named]
    assert found and all(f"/{where}".startswith(SECRET_PATHS) for where in found)


def addresses(resolver, before="", named=frozenset()):
    """The pattern of each address, and the names of its parts."""
    for each in resolver.url_patterns:
        where, names = before + str(each.pattern), named | set(each.pattern.regex.groupindex)
        yield from addresses(each, where, names) if hasattr(each, "url_patterns") else [(where, names)]
