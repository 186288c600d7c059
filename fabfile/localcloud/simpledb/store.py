"""Domains, items and their pairs in one SQLite file: what a write has returned from survives a kill -9."""

import queue
import sqlite3
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import removal
from .errors import Refused
from .history import History
from .like import matches
from .upkeep import Upkeep
from .writes import Job, pairs_of, write

MOST_AT_ONCE = 64  # calls written in one transaction
PATIENCE = 0.02  # seconds that a read waits for those before it
CACHE = 16 * 1024  # KiB of pages that a connection keeps
LOG_PAGES = 8000  # after which SQLite's log is brought into the file
_PAGE = 4096  # bytes, SQLite's usual size

# `several` names the attributes that have, or once had, two values in one item: for all others a walk along the values
# meets each item just once.
#
# Items come back in the order of their ids, and a page ends at an id: AUTOINCREMENT never hands one out twice.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS domains (
    id INTEGER PRIMARY KEY AUTOINCREMENT, region TEXT NOT NULL, name TEXT NOT NULL,
    items INTEGER NOT NULL DEFAULT 0, item_bytes INTEGER NOT NULL DEFAULT 0,
    pairs INTEGER NOT NULL DEFAULT 0, value_bytes INTEGER NOT NULL DEFAULT 0, UNIQUE (region, name));
CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY AUTOINCREMENT, domain INTEGER NOT NULL, name TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS items_by_name ON items (domain, name);
CREATE INDEX IF NOT EXISTS items_by_age ON items (domain);
CREATE TABLE IF NOT EXISTS pairs (
    item INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, domain INTEGER NOT NULL,
    PRIMARY KEY (item, name, value)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS several (
    domain INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (domain, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pairs_by_value ON pairs (domain, name, value, item);
"""

# Jumps from one name to the next in the index, so it costs as much as there are names, not pairs.
_NAMES = """
WITH RECURSIVE names (name) AS (
    SELECT min(name) FROM pairs WHERE domain = :domain UNION ALL
    SELECT (SELECT min(name) FROM pairs WHERE domain = :domain AND name > names.name)
    FROM names WHERE names.name IS NOT NULL)
SELECT count(name), coalesce(sum(length(CAST(name AS BLOB))), 0) FROM names
"""


@dataclass(frozen=True)
class Limits:
    """AWS's limits on what an account and a domain may hold."""

    domains: int = 250  # of one region
    domain_bytes: int = 10 * 1024**3
    domain_pairs: int = 10**9


@dataclass(frozen=True)
class Metadata:
    """How much a domain holds; sizes in bytes of UTF-8."""

    items: int
    item_bytes: int
    names: int  # different attribute names in the whole domain
    name_bytes: int  # each of them once
    pairs: int
    value_bytes: int


class Store:
    """The data of one local cloud, all regions. Safe to use from many threads; writes take turns."""

    def __init__(self, folder, limits=Limits(), lag=0.0, seed=0, clock=time.monotonic, log_pages=LOG_PAGES):
        """Open the store in `folder` (a path; made if it is not there).

        `lag` is for how many seconds a read that is not consistent may be behind; `seed` and `clock` as in History.
        `log_pages` bounds SQLite's log, about.
        """
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.limits = limits
        self._path = Path(folder) / "simpledb.sqlite"
        self._log_pages = log_pages
        self._idle = queue.LifoQueue()
        self._turn = threading.Lock()
        self._jobs = deque()
        self._reading = threading.Lock()
        self._writer = self._connect()
        self._writer.executescript(_SCHEMA)
        self.history = History(self._connect, lag, seed, clock, largest_log=log_pages * _PAGE * 3 // 2)
        self.upkeep = Upkeep(self._remove_some)
        self.upkeep.wake()  # a process before us may have been killed in the middle of it

    def close(self):
        """Close every connection that is not in use."""
        self.upkeep.close()
        with self._turn:
            self.history.close()
            self._writer.close()
        while not self._idle.empty():
            self._idle.get_nowait().close()

    def create_domain(self, region, name):
        """Make the domain; one that is there keeps its data."""
        with self._writing() as connection:
            if _domain(connection, region, name):
                return
            (count,) = connection.execute("SELECT count(*) FROM domains WHERE region = ?", (region,)).fetchone()
            if count >= self.limits.domains:
                raise Refused("NumberDomainsExceeded")
            connection.execute("INSERT INTO domains (region, name) VALUES (?, ?)", (region, name))
        with self._turn:
            self.history.keep(new_domain=True)

    def delete_domain(self, region, name):
        """Remove the domain and all that is in it, if it is there; its room on the disk is free a while later."""
        with self._writing() as connection:
            if domain := _domain(connection, region, name):
                removal.hide(connection, *domain)
        self.upkeep.wake()

    def change(self, region, domain, changes):
        """Apply every change (see changes.py), each of another item, or none of them. Raises Refused.

        Calls that wait for their turn are written in one transaction, in the order in which they came.
        """
        job = Job(region, domain, changes)
        self._jobs.append(job)
        while not job.done:
            with self._turn:
                if not job.done:
                    self._write([self._jobs.popleft() for _ in range(min(len(self._jobs), MOST_AT_ONCE))])
        if job.error:
            raise job.error

    def overview(self):
        """Every domain of every region with its size, as plain dicts for a status."""
        with self.read() as snapshot:
            rows = snapshot.connection.execute(
                "SELECT region, name, items, pairs FROM domains WHERE region <> ? ORDER BY region, name",
                (removal.NOWHERE,),
            )
            return [dict(zip(("region", "domain", "items", "pairs"), row, strict=True)) for row in rows]

    @contextmanager
    def read(self):
        """A Snapshot of all data, unchanged while it is held; it shows every write that has returned."""
        # One after the other, if they are quick: Python gives the processor away at each row that SQLite finds, and
        # sixteen readers that pass it round among two cores need up to six times the time.
        turn = self._reading
        if not turn.acquire(timeout=PATIENCE):  # whoever has it is slow, and those after us wait for us instead
            turn = threading.Lock()
            turn.acquire()
            self._reading = turn
        try:
            with self._snapshot() as snapshot:
                yield snapshot
        finally:
            turn.release()

    @contextmanager
    def _snapshot(self):
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._connect()
        connection.execute("BEGIN")
        try:
            yield Snapshot(connection)
        finally:
            connection.execute("ROLLBACK")
            self._idle.put(connection)

    @contextmanager
    def read_domain(self, region, name, consistent):
        """(Snapshot, the domain's id). Raises NoSuchDomain.

        A read that need not be `consistent` may see the domain as it was up to the lag ago; never from before it
        was made.
        """
        with self.read() as present:
            domain = present.domain(region, name)
            if consistent:
                yield present, domain
                return
            with self.history.state(region, name, domain) as connection:
                yield (Snapshot(connection) if connection else present), domain

    def _write(self, jobs):
        """Make the changes of each job, or set its error."""
        try:
            with self._transaction() as connection:
                for job in jobs:
                    try:
                        write(connection, job, self.limits)
                    except Refused as refused:
                        job.error = refused
        except BaseException as error:
            for job in jobs:
                job.error = error
            if not isinstance(error, Exception):
                raise
            if len(jobs) > 1:  # nothing is written, and what one of them has met is not for the others
                for job in jobs:
                    job.error = None
                    self._write([job])
        finally:
            for job in jobs:
                job.done = True

    def _remove_some(self):
        with self.read() as snapshot:
            if not removal.is_any_left(snapshot.connection):
                return False
        with self._writing() as connection:
            return removal.remove_some(connection)

    @contextmanager
    def _writing(self):
        with self._turn, self._transaction() as connection:
            yield connection

    @contextmanager
    def _transaction(self):
        self.history.keep()
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield self._writer
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:  # SQLite itself ends one that met a full disk
                self._writer.execute("ROLLBACK")
            raise

    def _connect(self):
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        # The system keeps what a killed process has written; only a power cut could take the last moments back.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = {-CACHE}")
        # Seldom enough that pages written again and again go to the file once. A log that a reader of an older state
        # has let grow becomes short again: by its length History tells whether it stands in the way.
        connection.execute(f"PRAGMA wal_autocheckpoint = {self._log_pages}")
        connection.execute(f"PRAGMA journal_size_limit = {self._log_pages * _PAGE}")
        connection.create_function("matches", 2, matches, deterministic=True)
        return connection


class Snapshot:
    """All data as it was at one moment."""

    def __init__(self, connection):
        self.connection = connection

    def domains(self, region, after, most):
        """At most `most` names of domains that sort behind `after`, ascending."""
        rows = self.connection.execute(
            "SELECT name FROM domains WHERE region = ? AND name > ? ORDER BY name LIMIT ?", (region, after, most)
        )
        return [name for (name,) in rows]

    def domain(self, region, name):
        """The domain's id. Raises NoSuchDomain."""
        return _found(_domain(self.connection, region, name))[0]

    def is_single(self, domain, name):
        """Whether no item of the domain has two values of the attribute."""
        found = self.connection.execute("SELECT 1 FROM several WHERE domain = ? AND name = ?", (domain, name))
        return found.fetchone() is None

    def size(self, domain):
        """The number of items in the domain of this id."""
        return self.connection.execute("SELECT items FROM domains WHERE id = ?", (domain,)).fetchone()[0]

    def newest_item(self, domain):
        """The id of the item of the domain that was made last; 0 if there is none."""
        row = self.connection.execute("SELECT coalesce(max(id), 0) FROM items WHERE domain = ?", (domain,))
        return row.fetchone()[0]

    def items_after(self, domain, after, newest, most):
        """(id, name) of at most `most` items of the domain with ids above `after` and up to `newest`, ascending."""
        return self.connection.execute(
            "SELECT id, name FROM items WHERE domain = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?",
            (domain, after, newest, most),
        ).fetchall()

    def metadata(self, domain):
        """The Metadata of the domain of this id, as of now."""
        row = self.connection.execute(
            "SELECT items, item_bytes, pairs, value_bytes FROM domains WHERE id = ?", (domain,)
        )
        items, item_bytes, pairs, value_bytes = row.fetchone()
        names, name_bytes = self.connection.execute(_NAMES, {"domain": domain}).fetchone()
        return Metadata(items, item_bytes, names, name_bytes, pairs, value_bytes)

    def pairs(self, domain, item):
        """The item's pairs, sorted; an empty list if there is no such item."""
        return self.connection.execute(
            "SELECT pairs.name, value FROM items JOIN pairs ON item = id"
            " WHERE items.domain = ? AND items.name = ? ORDER BY pairs.name, value",
            (domain, item),
        ).fetchall()

    def pairs_of(self, ids):
        """The sorted pairs of each of these items, by id."""
        return pairs_of(self.connection, ids)


def _domain(connection, region, name):
    return connection.execute("SELECT id FROM domains WHERE region = ? AND name = ?", (region, name)).fetchone()


def _found(row):
    if row is None:
        raise Refused("NoSuchDomain")
    return row
