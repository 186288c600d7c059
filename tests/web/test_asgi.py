"""The application under an ASGI server, asked over HTTP; and by itself, for what costs it a thread."""

import asyncio
import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unittest import mock

import pytest
import requests
from django import conf

from tests.web.servers import ROOT, Port, die_with_parent, greets_http
from tests.web.test_gunicorn import manage, send
from webapp.links import counter
from webapp.links.models import Link
from webapp.sessions.connection import connection
from webapp.users.models import User

TARGET = "https://example.org/a/page?with=a&query"
SLUG = "bbbbbbbbbb"
OWN = "trace-0123456789"
PATIENCE = 10  # seconds; ours is far shorter
OPEN = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = 'hydra'"


class Site:
    """The application under one uvicorn."""

    def __init__(self, servers, name):
        self.servers, self.name, self.port = servers, name, Port().give()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = servers.folder / f"{name}.log"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            **servers.environment,
            **servers.aws,
            "PUBLIC_URL": "http://127.0.0.1",
            "ALLOW_HTTP": "true",
        }
        command = [sys.executable, "-m", "uvicorn", "webapp.asgi:application", "--port", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, preexec_fn=die_with_parent
            )
        servers.processes[name] = self.process
        self.wait(lambda: greets_http(f"{self.url}/healthz"))

    def wait(self, answers):
        """As Servers.wait."""
        self.servers.wait(self.name, answers)

    def get(self, path, **how):
        """A page for a stranger, no redirect followed."""
        return requests.get(f"{self.url}{path}", **{"timeout": PATIENCE, "allow_redirects": False, **how})

    def told(self):
        """The lines of its log, each of which is an object."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def sign_up(self, name, password):
        """A browser in which a new user is signed in."""
        browser = requests.Session()
        page = send(browser, f"{self.url}/sign-up/", username=name, password1=password, password2=password)
        assert f"Hello, {name}" in page.text
        return browser

    def hang_up(self, path, browser):
        """Ask as this browser, and give back a function that closes the connection without reading an answer."""
        asking = socket.create_connection(("127.0.0.1", self.port))
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        asking.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n\r\n".encode())
        return asking.close


@pytest.fixture(scope="module")
def site(servers):
    """The application, running for all tests of this file."""
    manage(servers, "migrate", "-v0")
    site = Site(servers, "uvicorn")
    yield site
    site.process.send_signal(signal.SIGTERM)
    site.process.wait(timeout=30)
    assert not [line for line in site.told() if "traceback" in line]


@pytest.fixture
def visitor(site, new_name, password):
    """A browser in which a user is signed in."""
    return site.sign_up(new_name(), password)


@pytest.fixture
def link(site, visitor):
    """The path of a link of his."""
    page = send(visitor, f"{site.url}/links/new/", target=TARGET)
    return re.search(r"/l/\w+", page.text)[0]


@pytest.fixture
def mysql(servers):
    """Asks the database server, as its own user, for one value."""

    def ask(statement):
        with servers.connect_mysql() as server:
            cursor = server.cursor()
            cursor.execute(statement)
            row = cursor.fetchone()
        return row and int(row[-1])

    return ask


@contextmanager
def stopped(process):
    """Within, a server gives no answer."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def test_a_user_signs_up_and_out_and_in_again(site, new_name, password):
    name = new_name()
    browser = site.sign_up(name, password)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(site.url, timeout=PATIENCE).text)[1]
    page = browser.post(f"{site.url}/sign-out/", {"csrfmiddlewaretoken": token}, timeout=PATIENCE)
    assert page.status_code == 200 and name not in page.text
    assert "Please enter a correct" in send(browser, f"{site.url}/sign-in/", username=name, password="wrong").text
    assert f"Hello, {name}" in send(browser, f"{site.url}/sign-in/", username=name, password=password).text


def test_a_link_leads_on_and_its_clicks_are_in_the_chart_at_once(site, visitor, link):
    answers = [site.get(link), site.get(link), requests.head(f"{site.url}{link}", timeout=PATIENCE)]
    for answer in answers:
        assert (answer.status_code, answer.headers["Location"]) == (302, TARGET)
        assert (answer.headers["Cache-Control"], answer.headers["Content-Length"]) == ("no-store", "0")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    figures = visitor.get(f"{site.url}{link.replace('/l/', '/links/')}/?part", timeout=PATIENCE).text
    assert "2 clicks from" in figures
    assert site.get("/l/bbbbbbbbbb").status_code == 404
    assert requests.post(f"{site.url}{link}", timeout=PATIENCE).status_code == 405


def test_links_lead_on_while_redis_is_away_and_the_clicks_wait_in_mysql(site, servers, link, mysql):
    before = mysql("SELECT COUNT(*) FROM hydra.links_lateclick")
    with stopped(servers.processes["redis"]):
        answers = [site.get(link) for _ in range(3)]
    assert {(answer.status_code, answer.headers["Location"]) for answer in answers} == {(302, TARGET)}
    # The first may have been counted before Redis fell silent; nobody asked it about the others.
    assert mysql("SELECT COUNT(*) FROM hydra.links_lateclick") - before == 2
    site.wait(lambda: mysql(OPEN) == 0)


def test_a_download_is_sent_while_it_is_read(site, visitor, link):
    assert visitor.head(f"{site.url}/links/links.csv", timeout=PATIENCE).status_code == 200
    page = visitor.get(f"{site.url}/links/links.csv", timeout=PATIENCE)
    assert page.headers["Transfer-Encoding"] == "chunked"
    assert [row[1] for row in csv.reader(page.text.splitlines())] == ["target", TARGET]
    assert "StreamingHttpResponse" not in site.log.read_text()


def test_a_client_of_the_api_gets_a_token_and_its_account(site, new_name, password):
    name = new_name()
    site.sign_up(name, password)
    form = {"name": name, "password": password, "device": "a phone"}
    token = requests.post(f"{site.url}/api/v1/tokens", json=form, timeout=PATIENCE).json()["token"]
    answer = site.get("/api/v1/account", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["name"]) == (200, name)
    wrong = site.get("/api/v1/account", headers={"Authorization": "Bearer hydra_wrong"})
    assert (wrong.status_code, wrong.headers["Content-Type"]) == (401, "application/problem+json")
    assert not [line for line in site.told() if token in str(line) or password in str(line)]


def test_an_outage_of_redis_is_503_for_who_has_a_session_and_signs_nobody_out(site, servers, visitor):
    connection().save()  # as its log on disk would
    servers.processes["redis"].kill()
    servers.processes["redis"].wait()
    try:
        page = visitor.get(site.url, timeout=PATIENCE)
        strangers = [site.get(path).status_code for path in ("/", "/sign-in/", "/sign-up/", "/healthz")]
        ready = site.get("/readyz")
    finally:
        servers.start_redis()
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert "Set-Cookie" not in page.headers
    assert strangers == [200] * 4
    assert (ready.status_code, ready.json()["down"]) == (503, ["redis"])
    # Told within a thread, and yet under the request's id.
    about = [line["message"] for line in site.told() if line.get("request_id") == page.headers["X-Request-ID"]]
    outage, request = about
    assert outage.startswith("Redis is out of reach") and request.startswith("GET / 503 in ")
    assert "Hello" in visitor.get(site.url, timeout=PATIENCE).text


def test_machines_are_answered_whatever_host_they_ask_for(site):
    answers = {path: site.get(path, headers={"Host": "10.0.0.1"}) for path in ("/healthz", "/readyz", "/version")}
    assert {answer.status_code for answer in answers.values()} == {200}
    assert answers["/readyz"].json()["stores"].keys() == {"mysql", "redis", "simpledb"}
    assert site.get("/metrics", headers={"X-Forwarded-For": "93.184.216.34"}).status_code == 404
    assert 'hydra_requests_total{method="GET",status="200",view="readyz"}' in site.get("/metrics").text


def test_fifty_requests_at_once_have_each_its_own_id_in_answer_and_log(site, visitor):
    ids = {f"{OWN}-{number}": f"/no-page-{number}" for number in range(50)}

    def ask(given):
        page = visitor.get(f"{site.url}{ids[given]}", headers={"X-Request-ID": given}, timeout=PATIENCE)
        return page.status_code, page.headers["X-Request-ID"], re.search("<code>(.*)</code>", page.text)[1]

    with ThreadPoolExecutor(25) as visitors:
        assert list(visitors.map(ask, ids)) == [(404, given, given) for given in ids]
    lines = [line for line in site.told() if line.get("request_id", "").startswith(OWN)]
    assert {line["request_id"]: line["path"] for line in lines} == ids and len(lines) == 50


def test_the_token_in_an_address_is_in_no_line(site):
    site.get("/password/new/MQ/c0ffee-0123456789abcdef/")
    assert "c0ffee" not in site.log.read_text()


def test_200_requests_10_at_a_time_open_no_more_than_10_connections_to_redis(site, visitor, link):
    redis = connection()
    site.get("/readyz")  # Redis's connection for whatever is no session
    before = redis.info("stats")["total_connections_received"]
    chart = link.replace("/l/", "/links/") + "/?part"

    def visit(number):
        return visitor.get(
            f"{site.url}{('/', link, chart, '/sign-in/')[number % 4]}", allow_redirects=False
        ).status_code

    with ThreadPoolExecutor(10) as visitors:
        assert set(visitors.map(visit, range(200))) == {200, 302}
    assert redis.info("stats")["total_connections_received"] - before <= 10


def test_connections_to_mysql_are_as_many_as_may_ask_at_once_and_none_stays(site, visitor, mysql):
    site.wait(lambda: mysql(OPEN) == 0)
    mysql("FLUSH STATUS")
    others = mysql("SHOW STATUS LIKE 'Threads_connected'")
    with ThreadPoolExecutor(40) as visitors:
        pages = visitors.map(lambda _: visitor.get(site.url, timeout=30).status_code, range(200))
        assert set(pages) == {200}
    assert mysql("SHOW STATUS LIKE 'Max_used_connections'") - others <= 16 + 2  # the askers themselves
    site.wait(lambda: mysql(OPEN) == 0)


def test_pages_that_hang_take_turns_and_leave_links_and_probes_alone(site, servers, visitor, link, mysql):
    with ThreadPoolExecutor(20) as visitors:
        with stopped(servers.processes["simpledb"]):
            pages = [visitors.submit(visitor.get, site.url, timeout=60) for _ in range(20)]
            site.wait(lambda: mysql(OPEN) == 16)
            assert (site.get(link).status_code, site.get("/healthz").status_code) == (302, 200)
            assert mysql(OPEN) == 16
        assert {page.result().status_code for page in pages} == {200}


def test_who_hangs_up_leaves_nothing_behind(site, servers, visitor, mysql):
    told = len(site.told())
    with stopped(servers.processes["simpledb"]):
        leaving = [site.hang_up("/password/", visitor) for _ in range(30)]
        site.wait(lambda: mysql(OPEN) == 16)
        for leave in leaving:
            leave()
    with ThreadPoolExecutor(10) as visitors:
        pages = visitors.map(lambda _: visitor.get(site.url, timeout=30).status_code, range(20))
        assert set(pages) == {200}
    site.wait(lambda: mysql(OPEN) == 0)
    assert [line["status"] for line in site.told()[told:] if line.get("path") == "/password/"].count(499) >= 16


def test_requests_under_way_are_answered_before_it_stops(site, servers, new_name):
    own = Site(servers, "uvicorn-to-stop")
    names = [new_name() for _ in range(6)]
    before = len(servers.gate.operations)
    with ThreadPoolExecutor(len(names)) as visitors:
        with stopped(servers.processes["simpledb"]):
            pages = [
                visitors.submit(send, requests.Session(), f"{own.url}/sign-in/", username=name, password="no password")
                for name in names
            ]
            own.wait(lambda: len(servers.gate.operations) - before >= len(names))
            own.process.send_signal(signal.SIGTERM)
            own.wait(lambda: "Shutting down" in own.log.read_text())
        answers = [page.result() for page in pages]
    assert [answer.status_code for answer in answers] == [200] * len(names)
    assert all("Please enter a correct" in answer.text for answer in answers)
    assert own.process.wait(timeout=30) in (0, -signal.SIGTERM)
    assert not [line for line in own.told() if "traceback" in line]


@pytest.fixture(scope="module")
def application(servers):
    """The application in this process; what it writes into the environment is taken back."""
    with mock.patch.dict(os.environ):
        from webapp.asgi import application
    return application


async def ask(application, path):
    """The status of the answer, and how many times the event loop was asked for a thread."""
    loop, hops, sent = asyncio.get_running_loop(), [], []
    in_a_thread = loop.run_in_executor
    loop.run_in_executor = lambda *what: hops.append(what) or in_a_thread(*what)
    received = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive():
        return next(received, None) or await asyncio.Event().wait()

    async def answer(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "client": ["127.0.0.1", 5],
        "scheme": "https",
    }
    await application({**scope, "headers": [(b"host", b"testserver")]}, receive, answer)
    return sent[0]["status"], len(hops)


@pytest.mark.parametrize("path", [f"/l/{SLUG}", "/healthz", "/version"])
def test_neither_a_warm_link_nor_the_question_whether_it_lives_costs_a_thread(application, path):
    connection().set(counter.link_key(SLUG), Link(pk=7, owner=User(pk=7), slug=SLUG, target=TARGET).entry)
    before = threading.active_count()
    status, hops = asyncio.run(ask(application, path))
    assert (status, hops, threading.active_count()) == (302 if SLUG in path else 200, 0, before)


def test_what_only_looks_like_a_short_link_goes_the_way_of_all_pages(application):
    assert asyncio.run(ask(application, "/l/short")) == asyncio.run(ask(application, "/no-page"))


@pytest.mark.parametrize("ours", [each for each in conf.settings.MIDDLEWARE if each.startswith("webapp.")])
def test_our_middleware_costs_a_page_no_thread(application, settings, ours):
    def hops(*middleware):
        settings.MIDDLEWARE = middleware
        return asyncio.run(ask(type(application)(), "/api/v1/openapi.json"))

    assert hops(ours) == hops()
    assert hops() < hops("django.middleware.common.CommonMiddleware")
