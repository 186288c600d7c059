"""A local cloud of its own for tests: a real daemon on a free port, its home in a temporary folder, gone afterwards."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.config import Config

from fabfile.localcloud import daemon
from fabfile.localcloud.place import Place

ROOT = Path(__file__).resolve().parent.parent.parent
REGION = "us-west-2"
PREFIX = "hydra-test-"
PATIENCE = 60  # seconds until it answers, on a machine that is busy with other tests


class Running:
    """One running daemon: `url`, `access_key`, `secret_key`, `home`, and clients made for it."""

    def __init__(self, home, drivers):
        self.home, self.drivers = Path(home), drivers
        self.place = Place("test", self.home, self.home / "cache", 0)
        self.process = self.found = None
        self.session, self.clients = boto3.Session(), {}  # each session and each client costs 50 ms or more

    def start(self):
        """Start the daemon, and return when it answers."""
        environ = {**os.environ, "HYDRA_CLOUD": "test", "HYDRA_HOME": str(self.home)}
        environ |= {"HYDRA_CACHE": str(self.place.cache), "HYDRA_PORT": "0"}
        with open(self.home / "daemon.out", "wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "fabfile/localcloud"), "--drivers", self.drivers, "--port", "0"],
                stdout=out,
                stderr=out,
                env=environ,
            )
        end = time.monotonic() + PATIENCE
        while not (found := daemon.running(self.place)) or found.pid != self.process.pid:
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the daemon did not start: {(self.home / 'daemon.out').read_text()}")
            time.sleep(0.05)
        self.found = found
        return self

    @property
    def url(self):
        return self.found.url

    @property
    def access_key(self):
        return self.found.access_key

    @property
    def secret_key(self):
        return self.found.secret_key

    def client(self, service, key=None, secret=None, token=None, region=REGION):
        """A boto3 client of the endpoint; by default with the operator's key, and without retries."""
        asked = (service, key, secret, token, region, self.url)
        if asked not in self.clients:
            self.clients[asked] = self._client(service, key, secret, token, region)
        return self.clients[asked]

    def _client(self, service, key, secret, token, region):
        return self.session.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=key or self.access_key,
            aws_secret_access_key=secret or self.secret_key,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, inject_host_prefix=False),
        )

    def kill(self):
        """As a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """As `cloud.stop` does. Returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def log(self):
        return (self.home / "cloud.log").read_text()


@contextmanager
def endpoint(drivers="memory"):
    """A Running local cloud. Killed and removed at the end, whatever happened."""
    clear_up()
    home = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
    running = Running(home, drivers)
    try:
        yield running.start()
    finally:
        if running.process and running.process.poll() is None:
            running.kill()
        shutil.rmtree(home, ignore_errors=True)


def clear_up():
    """Take away what test runs left that were killed: the folders' names tell whose they are."""
    for home in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        maker = home.name.removeprefix(PREFIX).partition("-")[0]
        if maker.isdigit() and not Path(f"/proc/{maker}").exists():
            daemon.kill(Place("test", home, home / "cache", 0))
            shutil.rmtree(home, ignore_errors=True)
