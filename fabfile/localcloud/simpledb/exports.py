"""The exports of domains on record: who asked for what, how far it got, how it ended; in an SQLite file of its own.

What was recorded survives a kill -9, so that an export cut off in the middle goes on at the next start from the last
data file it finished.
"""

import json
import sqlite3
import threading
import uuid
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

PENDING, IN_PROGRESS, SUCCEEDED, FAILED = "PENDING", "IN_PROGRESS", "SUCCEEDED", "FAILED"
KEPT = 92 * 24 * 3600  # seconds an export stays on record: three months

_SCHEMA = """
CREATE TABLE IF NOT EXISTS exports (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, region TEXT NOT NULL, domain TEXT NOT NULL,
    token TEXT NOT NULL, target TEXT NOT NULL, requested REAL NOT NULL, status TEXT NOT NULL DEFAULT 'PENDING',
    cutoff REAL, newest INTEGER, items INTEGER, failure_code TEXT, failure_message TEXT);
CREATE INDEX IF NOT EXISTS exports_by_domain ON exports (region, domain, requested);
CREATE TABLE IF NOT EXISTS files (
    export INTEGER NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL, md5 TEXT NOT NULL, items INTEGER NOT NULL,
    last INTEGER NOT NULL, PRIMARY KEY (export, number)) WITHOUT ROWID;
"""
_ACTIVE = "status IN ('PENDING', 'IN_PROGRESS')"


@dataclass(frozen=True)
class Target:
    """Where an export goes, as its caller asked: a bucket, and how its objects are encrypted."""

    bucket: str
    prefix: str | None = None
    owner: str | None = None  # the bucket's account
    algorithm: str | None = None  # "AES256" or "KMS"
    kms_key: str | None = None


@dataclass(frozen=True)
class Export:
    """One export. Times are in seconds since 1970."""

    number: int  # ascending with the time of the request
    id: str
    region: str
    domain: str
    token: str
    target: Target
    requested: float
    status: str
    cutoff: float | None  # all that was written before is in it
    newest: int | None  # the id of the newest item that belongs to it
    items: int | None  # known once it has succeeded
    failure_code: str | None
    failure_message: str | None

    @property
    def folder(self):
        """What the keys of all its objects begin with; a slash at the end of the prefix is not doubled."""
        prefix = f"{self.target.prefix.removesuffix('/')}/" if self.target.prefix else ""
        return f"{prefix}AWSSimpleDB/{self.id}/{self.domain}"


@dataclass(frozen=True)
class DataFile:
    """One data file that is written: `last` is the id of its last item."""

    number: int
    key: str
    md5: str  # base64
    items: int
    last: int


class Exports:
    """The record of one SimpleDB, all regions. Safe to use from many threads."""

    def __init__(self, folder):
        """Open the record in `folder` (a path; made if it is not there)."""
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._turn = threading.Lock()
        path = Path(folder) / "exports.sqlite"
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self):
        """Close the file."""
        with self._turn:
            self._connection.close()

    def add(self, region, domain, token, target, now):
        """A new PENDING Export."""
        row = (str(uuid.uuid4()), region, domain, token, json.dumps(asdict(target)), now)
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO exports (id, region, domain, token, target, requested) VALUES (?, ?, ?, ?, ?, ?)", row
            )
        return self.find(row[0])

    def find(self, id):
        """The Export of this id, or None."""
        return next(iter(self._all("id = ?", id)), None)

    def with_token(self, region, token, since):
        """The newest Export of this client token requested at or after `since`, or None."""
        condition = "region = ? AND token = ? AND requested >= ? ORDER BY number DESC LIMIT 1"
        return next(iter(self._all(condition, region, token, since)), None)

    def count(self, region, since, domain=None):
        """How many exports were requested after `since`, of one domain or of all."""
        sql = "SELECT count(*) FROM exports WHERE region = ? AND requested > ? AND coalesce(domain = ?, true)"
        with self._turn:
            return self._connection.execute(sql, (region, since, domain)).fetchone()[0]

    def page(self, region, domain, after, most):
        """At most `most` exports of a domain (None: of all) whose numbers follow `after`, oldest first."""
        whose = "region = ? AND coalesce(domain = ?, true)"
        return self._all(f"{whose} AND number > ? ORDER BY number LIMIT ?", region, domain, after, most)

    def active(self, region, domain):
        """Whether an export of the domain is PENDING or IN_PROGRESS."""
        return bool(self._all(f"{_ACTIVE} AND region = ? AND domain = ? LIMIT 1", region, domain))

    def next(self):
        """The oldest Export that is not done, or None; one that was begun comes first."""
        return next(iter(self._all(f"{_ACTIVE} ORDER BY status, number LIMIT 1")), None)

    def begin(self, export, cutoff, newest):
        """Make it IN_PROGRESS; `cutoff` and `newest` are as in Export. Returns it anew."""
        sql = "UPDATE exports SET status = 'IN_PROGRESS', cutoff = ?, newest = ? WHERE number = ?"
        self._write(sql, cutoff, newest, export.number)
        return self.find(export.id)

    def add_file(self, export, file):
        """Record a DataFile that is written."""
        self._write("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", export.number, *asdict(file).values())

    def files(self, export):
        """Its DataFiles so far, in order."""
        sql = "SELECT number, key, md5, items, last FROM files WHERE export = ? ORDER BY number"
        with self._turn:
            return [DataFile(*row) for row in self._connection.execute(sql, (export.number,))]

    def succeed(self, export, items):
        """Make it SUCCEEDED with so many items."""
        self._write("UPDATE exports SET status = 'SUCCEEDED', items = ? WHERE number = ?", items, export.number)

    def fail(self, export, code, message):
        """Make it FAILED."""
        sql = "UPDATE exports SET status = 'FAILED', failure_code = ?, failure_message = ? WHERE number = ?"
        self._write(sql, code, message, export.number)

    def forget(self, before):
        """Take what was requested before off the record, as AWS does after three months."""
        with self._writing() as connection:
            old = f"requested < ? AND NOT {_ACTIVE}"
            connection.execute(f"DELETE FROM files WHERE export IN (SELECT number FROM exports WHERE {old})", (before,))
            connection.execute(f"DELETE FROM exports WHERE {old}", (before,))

    def _all(self, condition, *values):
        with self._turn:
            cursor = self._connection.execute(f"SELECT * FROM exports WHERE {condition}", values)
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
        return [Export(**{**row, "target": Target(**json.loads(row["target"]))}) for row in rows]

    def _write(self, sql, *values):
        with self._writing() as connection:
            connection.execute(sql, values)

    @contextmanager
    def _writing(self):
        with self._turn:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
