"""A Redis of a test's own that keeps its files as the deployed one does: append-only, synced every second."""

import shutil
import subprocess
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.web.servers import Port, die_with_parent, succeeds

PASSWORD = "password-of-the-durable-redis"


class DurableRedis:
    """Starts, can be killed and started again, and can be put back to what its files held before."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = Port().give()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = None
        folder.mkdir()
        (folder / "redis.conf").write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {folder}\nsave ''\nrequirepass {PASSWORD}\n"
            "appendonly yes\nappendfsync everysec\n"
        )

    def start(self) -> None:
        """Start and wait until it has read its files; RuntimeError tells why it did not."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", self.folder / "redis.conf"], stdout=log, stderr=log, preexec_fn=die_with_parent
            )
        client = Redis.from_url(self.url, password=PASSWORD)
        deadline = time.monotonic() + 30
        while not succeeds(client.ping, RedisError):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.02)
        client.close()

    def kill(self) -> None:
        """As kill -9 does."""
        self.process.kill()
        self.process.wait()

    def remember(self) -> None:
        """Copy the files as they are now; what a machine that loses its power comes back with is such a copy."""
        shutil.copytree(self.folder / "appendonlydir", self.folder / "copy")

    def put_back(self) -> None:
        """Replace the files by the copy; only while it does not run."""
        shutil.rmtree(self.folder / "appendonlydir")
        shutil.move(self.folder / "copy", self.folder / "appendonlydir")
