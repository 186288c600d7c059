"""Who divides the shards: one at a time, known to others by an item beside the shard map that is kept fresh.

Two at once would do no harm (mover.py), but they would wait for each other's phases in vain.
"""

import contextlib
import os
import secrets
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from webapp.users.account import moment, timestamp
from webapp.users.calls import Calls
from webapp.users.errors import Changed, StoreError
from webapp.users.shardmap import domain

ITEM = "driver"
FRESH = 30.0  # seconds for which a sign of life counts
BEAT = 5.0


class Busy(StoreError):
    """Somebody else divides these shards."""


class Leading:
    """A context in which nobody else divides the shards of `prefix`. Raises Busy."""

    def __init__(
        self, calls: Calls, prefix: str, now: Callable[[], datetime] = lambda: datetime.now(UTC), beat: float = BEAT
    ):
        self._calls, self._where, self._now, self._beat = calls, domain(prefix), now, beat
        self._token = secrets.token_hex(8)
        self._ended = threading.Event()
        self.lost = ""

    def __enter__(self):
        found = self._read()
        if found and self._alive(found):
            raise Busy(f"{found['who']} is at it, and gave a sign of life at {found['seen']}: wait for it, or end it")
        self._write(found.get("token", ""))
        threading.Thread(target=self._keep, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._ended.set()
        expected = {"Name": "token", "Value": self._token, "Exists": True}
        with contextlib.suppress(StoreError):  # it is old soon
            self._calls("delete_attributes", self._where, ItemName=ITEM, Expected=expected)

    def _keep(self):
        while not self._ended.wait(self._beat):
            try:
                self._write(self._token)
            except Changed:
                self.lost = "somebody else has begun to divide these shards: run this again"
                return
            except StoreError:
                continue

    def _read(self) -> dict[str, str]:
        answer = self._calls("get_attributes", self._where, ItemName=ITEM, ConsistentRead=True)
        return {each["Name"]: each["Value"] for each in answer.get("Attributes", [])}

    def _write(self, token: str) -> None:
        expected = {"Name": "token", "Value": token, "Exists": True} if token else {"Name": "token", "Exists": False}
        values = {"token": self._token, "who": _who(), "seen": timestamp(self._now())}
        attributes = [{"Name": name, "Value": value, "Replace": True} for name, value in values.items()]
        try:
            self._calls("put_attributes", self._where, ItemName=ITEM, Attributes=attributes, Expected=expected)
        except Changed:
            if self._read().get("token") != self._token:
                raise

    def _alive(self, found: dict[str, str]) -> bool:
        seen = moment(found.get("seen", ""))
        if seen is None or (self._now() - seen).total_seconds() > FRESH:
            return False
        host, _, process = found.get("who", "").rpartition(" process ")
        return host != socket.gethostname() or Path("/proc", process).exists()


def _who() -> str:
    return f"{socket.gethostname()} process {os.getpid()}"
