"""Links as they are deployed: real clicks over HTTP, while the worker and Redis are killed."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests
from django.core.management import call_command
from django.db import connection as mysql
from redis import Redis

from tests.web.durable import PASSWORD, DurableRedis
from tests.web.servers import ROOT, Port, die_with_parent, greets_http

PYTHON = Path(sys.executable)
CLIENTS = 4
PAUSE = 0.005  # seconds between two rounds of one visitor
TARGET = "https://example.org/deployed"
MAKE = f"""
from webapp.users.models import User
from webapp.links.models import Link
for number in range(3):
    print(Link.objects.make(User.objects.create_user(f"deployed-{{number}}", "", None), {TARGET!r}).slug)
"""
COUNT = """
from webapp.links.models import LateClick, Link, Total
for link in Link.objects.filter(owner__username__startswith="deployed-").order_by("pk"):
    total = Total.objects.filter(link=link).first()
    print(total.clicks if total else 0)
assert not LateClick.objects.exists()
"""


class Stage:
    """gunicorn and the worker, on a Redis that keeps its files."""

    def __init__(self, servers):
        self.servers, self.redis = servers, DurableRedis(servers.folder / "deployed-redis")
        self.redis.start()
        self.client = Redis(port=self.redis.port, password=PASSWORD)
        self.url = f"http://127.0.0.1:{Port().give()}"
        self.environment = {
            "PATH": os.environ["PATH"],
            **servers.environment,
            **servers.aws,
            "PUBLIC_URL": "http://127.0.0.1",
            "ALLOW_HTTP": "true",
            "BIND": self.url.removeprefix("http://"),
            "REDIS_URL": self.redis.url,
            "REDIS_PASSWORD": PASSWORD,
        }
        self.started = []

    def manage(self, *words):
        """What manage.py prints."""
        done = subprocess.run(
            [PYTHON, ROOT / "webapp/manage.py", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def start(self, name, *command):
        """A process that ends with the test."""
        with (self.servers.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=self.environment, cwd="/", stdout=log, stderr=log, preexec_fn=die_with_parent
            )
        self.started.append(process)
        return process

    def serve(self):
        """gunicorn, answering."""
        gunicorn = PYTHON.with_name("gunicorn"), "-c", ROOT / "webapp/gunicorn.conf.py"
        self.servers.processes["deployed-web"] = self.start("deployed-web", *gunicorn)
        self.servers.wait("deployed-web", lambda: greets_http(f"{self.url}/healthz"))

    def worker(self):
        """The command of the unit, in a hurry, at work."""
        name = f"deployed-worker-{len(self.started)}"
        log = self.servers.folder / f"{name}.log"
        worker = self.start(name, PYTHON, "-u", ROOT / "webapp/manage.py", "rolluplinks", "--every", "1")
        self.servers.processes[name] = worker
        self.servers.wait(name, lambda: "Rolling up" in log.read_text())
        return worker

    def end_the_minute(self):
        """What the clock does to the open batch."""
        self.client.delete("clicks:open")


@pytest.fixture
def stage(servers):
    """The stage, ended afterwards."""
    stage = Stage(servers)
    yield stage
    for process in stage.started:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    stage.redis.kill()


class Visitors:
    """People who click without a pause until told to stop; each click has to be answered, whatever is killed."""

    def __init__(self, url, slugs):
        self.url, self.slugs, self.answered, self.stop = url, slugs, [], threading.Event()
        self.threads = [threading.Thread(target=self.click) for _ in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def click(self):
        browser = requests.Session()
        while not self.stop.wait(PAUSE):
            for slug in self.slugs:
                answer = browser.get(f"{self.url}/l/{slug}", allow_redirects=False, timeout=30)
                self.answered.append((answer.status_code, answer.headers.get("Location")))

    def wait_for(self, more):
        """Return when so many more clicks are answered."""
        wanted = len(self.answered) + more
        while len(self.answered) < wanted and all(thread.is_alive() for thread in self.threads):
            self.stop.wait(0.02)


def test_every_click_is_answered_and_counted_once_though_worker_and_redis_are_killed(stage):
    stage.manage("migrate", "-v0")
    slugs = stage.manage("shell", "-v0", "-c", MAKE).split()
    stage.serve()
    with Visitors(stage.url, slugs) as visitors:
        for _ in range(2):
            worker = stage.worker()
            stage.end_the_minute()
            visitors.wait_for(100)
            worker.kill()
            stage.end_the_minute()
            visitors.wait_for(100)
            stage.redis.kill()
            visitors.wait_for(30)
            stage.redis.start()
            visitors.wait_for(100)
        worker = stage.worker()
        visitors.wait_for(100)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=60) == 0

    stage.end_the_minute()
    stage.manage("rolluplinks")
    counted = sum(map(int, stage.manage("shell", "-v0", "-c", COUNT).split()))
    sent = len(visitors.answered)
    assert set(visitors.answered) == {(302, TARGET)}
    # Whether a click that was under way when Redis was killed is counted, nobody knows; it is never counted twice.
    assert sent - 2 * CLIENTS <= counted <= sent
    assert "Traceback" not in (stage.servers.folder / "deployed-web.log").read_text()


@pytest.mark.django_db(transaction=True)
def test_the_tables_can_be_taken_back_and_fit_the_models():
    call_command("migrate", "links", "zero", verbosity=0)
    assert not [name for name in mysql.introspection.table_names() if name.startswith("links_")]
    call_command("migrate", "links", verbosity=0)
    call_command("makemigrations", "links", check_changes=True, dry_run=True, verbosity=0)
