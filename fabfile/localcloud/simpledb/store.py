"""Domains, items and their pairs in one SQLite file: what a write has returned from survives a kill -9."""

import queue
import sqlite3
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import Refused
from .history import History
from .like import matches

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

    def __init__(self, folder, limits=Limits(), lag=0.0, seed=0, clock=time.monotonic):
        """Open the store in `folder` (a path; made if it is not there).

        `lag` is for how many seconds a read that is not consistent may be behind; `seed` and `clock` as in History.
        """
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.limits = limits
        self._path = Path(folder) / "simpledb.sqlite"
        self._idle = queue.LifoQueue()
        self._turn = threading.Lock()
        self._writer = self._connect()
        self._writer.executescript(_SCHEMA)
        self.history = History(self._connect, lag, seed, clock)

    def close(self):
        """Close every connection that is not in use."""
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
        """Remove the domain and all that is in it, if it is there."""
        with self._writing() as connection:
            if domain := _domain(connection, region, name):
                connection.execute("DELETE FROM pairs WHERE item IN (SELECT id FROM items WHERE domain = ?)", domain)
                connection.execute("DELETE FROM items WHERE domain = ?", domain)
                connection.execute("DELETE FROM several WHERE domain = ?", domain)
                connection.execute("DELETE FROM domains WHERE id = ?", domain)

    def change(self, region, domain, changes):
        """Apply every change (see changes.py) to its item, or none of them. Raises Refused."""
        with self._writing() as connection:
            row = _found(_domain(connection, region, domain))
            tally = [0, 0, 0, 0]
            for change in changes:
                for place, amount in enumerate(_rewrite(connection, row[0], change)):
                    tally[place] += amount
            if any(tally):
                self._add(connection, row[0], tally)

    def overview(self):
        """Every domain of every region with its size, as plain dicts for a status."""
        with self.read() as snapshot:
            rows = snapshot.connection.execute("SELECT region, name, items, pairs FROM domains ORDER BY region, name")
            return [dict(zip(("region", "domain", "items", "pairs"), row, strict=True)) for row in rows]

    @contextmanager
    def read(self):
        """A Snapshot of all data, unchanged while it is held; it shows every write that has returned."""
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

    @contextmanager
    def _writing(self):
        with self._turn:
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
        connection.execute("PRAGMA journal_size_limit = 8388608")  # bytes: its size tells History when it began anew
        # The system keeps what a killed process has written; only a power cut could take the last moments back.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.create_function("matches", 2, matches, deterministic=True)
        return connection

    def _add(self, connection, domain, tally):
        pairs, size = connection.execute(
            "UPDATE domains SET items = items + ?, item_bytes = item_bytes + ?, pairs = pairs + ?,"
            " value_bytes = value_bytes + ? WHERE id = ? RETURNING pairs, item_bytes + value_bytes",
            (*tally, domain),
        ).fetchone()
        if tally[2] > 0 and pairs > self.limits.domain_pairs:
            raise Refused("NumberDomainAttributesExceeded")
        if tally[1] + tally[3] > 0 and size > self.limits.domain_bytes:
            raise Refused("NumberDomainBytesExceeded")


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
        found = {id: [] for id in ids}
        marks = ",".join("?" * len(found))
        sql = f"SELECT item, name, value FROM pairs WHERE item IN ({marks}) ORDER BY item, name, value"
        for id, name, value in self.connection.execute(sql, tuple(found)):
            found[id].append((name, value))
        return found


def _domain(connection, region, name):
    return connection.execute("SELECT id FROM domains WHERE region = ? AND name = ?", (region, name)).fetchone()


def _found(row):
    if row is None:
        raise Refused("NoSuchDomain")
    return row


def _rewrite(connection, domain, change):
    """Bring one item into its new state; return what that adds to the domain's items, their bytes, pairs, bytes."""
    row = connection.execute("SELECT id FROM items WHERE domain = ? AND name = ?", (domain, change.item)).fetchone()
    before = frozenset()
    if row:
        before = frozenset(connection.execute("SELECT name, value FROM pairs WHERE item = ?", row))
    after = change.apply(before)
    gone, new = before - after, after - before
    if not gone and not new:
        return 0, 0, 0, 0
    id = row[0] if row else _insert(connection, domain, change.item)
    if gone:
        condition = "item = ? AND name = ? AND value = ?"
        connection.executemany(f"DELETE FROM pairs WHERE {condition}", [(id, *pair) for pair in gone])
    connection.executemany("INSERT INTO pairs VALUES (?, ?, ?, ?)", [(id, *pair, domain) for pair in new])
    if len(names := Counter(name for name, _ in after)) < len(after):
        marks = [(domain, name) for name, count in names.items() if count > 1]
        connection.executemany("INSERT OR IGNORE INTO several VALUES (?, ?)", marks)
    if not after:
        connection.execute("DELETE FROM items WHERE id = ?", (id,))
    items = bool(after) - bool(before)
    return items, items * len(change.item.encode()), len(new) - len(gone), _value_bytes(new) - _value_bytes(gone)


def _insert(connection, domain, name):
    return connection.execute("INSERT INTO items (domain, name) VALUES (?, ?)", (domain, name)).lastrowid


def _value_bytes(pairs):
    return sum(len(value.encode()) for _, value in pairs)
