"""The application as it is deployed: migrated, under gunicorn, asked over HTTP."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.web.servers import ROOT, Port, die_with_parent, greets_http

PYTHON = Path(sys.executable)


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


def test_a_deployed_application_signs_up_and_in_and_stops_when_told(gunicorn, servers, new_name, password):
    manage(servers, "migrate", "-v0")
    port = Port()
    url = f"http://127.0.0.1:{port.give()}"
    process = gunicorn(PUBLIC_URL="http://127.0.0.1", ALLOW_HTTP="true", BIND=url.removeprefix("http://"))
    servers.wait("gunicorn", lambda: greets_http(f"{url}/healthz"))

    assert requests.get(f"{url}/readyz", timeout=10).json()["ready"]
    browser, name = requests.Session(), new_name()

    def send(path, **form):
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(url + path, timeout=10).text)[1]
        return browser.post(url + path, {"csrfmiddlewaretoken": token, **form}, timeout=10)

    page = send("/sign-up/", username=name, password1=password, password2=password)
    assert f"Hello, {name}" in page.text
    page = send("/password/", old_password=password, new_password1="staple battery", new_password2="staple battery")
    assert "Your password is changed" in page.text
    browser.cookies.clear()
    assert "Please enter a correct" in send("/sign-in/", username=name, password=password).text
    assert f"Hello, {name}" in send("/sign-in/", username=name, password="staple battery").text

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert "Traceback" not in (servers.folder / "gunicorn.log").read_text()


def test_behind_nginx_the_scheme_is_the_one_the_browser_used(gunicorn, servers):
    where = str(servers.folder / "gunicorn.sock")
    gunicorn(BIND=f"unix:{where}")
    servers.wait("gunicorn", lambda: Path(where).exists())

    def ask(scheme):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(where)
            head = f"GET /sign-in/ HTTP/1.0\r\nHost: testserver\r\nX-Forwarded-Proto: {scheme}\r\n\r\n"
            connection.sendall(head.encode())
            return connection.makefile("rb").readline()

    assert b" 301 " in ask("http")
    assert b" 200 " in ask("https")
