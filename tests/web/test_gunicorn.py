"""The application as it is deployed: migrated, under gunicorn, asked over HTTP."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.web.servers import ROOT, Port, die_with_parent, greets_http

PYTHON = Path(sys.executable)


@pytest.fixture
def environment(servers):
    """What the unit's environment would say on a stage without TLS of its own."""
    port = Port()
    yield (
        {
            "PATH": os.environ["PATH"],
            **servers.environment,
            **servers.aws,
            "PUBLIC_URL": "http://127.0.0.1",
            "ALLOW_HTTP": "true",
            "BIND": f"127.0.0.1:{port.number}",
        },
        port,
    )
    port.give()


def test_a_deployed_application_signs_up_and_in_and_stops_when_told(environment, servers, new_name, password):
    environment, port = environment
    subprocess.run([PYTHON, ROOT / "webapp" / "manage.py", "migrate", "-v0"], env=environment, check=True, timeout=120)
    url = f"http://127.0.0.1:{port.give()}"
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
