"""The store as it was a moment ago, for reads that do not ask to be consistent.

SimpleDB promises them only that they catch up, usually within a second. A program that forgets ConsistentRead where
it needs it should fail here and not first on AWS.

One older state is kept at a time. A write that finds none young enough opens a new one, so that what it writes is not
seen at once; the state grows old and is let go. Several states, each opened before the last is gone, would be an
unbroken chain of readers, and behind those SQLite never begins its log anew: it grew by 180 MB a second of writing.
"""

import os
import random
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

LAG = 1.0  # seconds, the usual one


def seconds(text):
    """The lag that a text names. Raises ValueError if it is none."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(f"{text} is no number of seconds")
    return value


@dataclass(eq=False)
class _State:
    """One older state: a connection inside a transaction that began at `since`, and the newest domain's id in it."""

    since: float
    connection: object
    newest: int
    users: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)


class History:
    """Keeps a state for up to `lag` seconds (0: none, and every read is consistent)."""

    def __init__(self, connect, lag=0.0, seed=0, clock=time.monotonic, largest_log=float("inf")):
        """`connect()` opens a connection to the store; `seed` decides each domain's share of the lag.

        `largest_log` is how many bytes SQLite's log may have before a state is let go ahead of its time.
        """
        self._connect, self._lag, self._seed, self._clock = connect, lag, seed, clock
        self._largest_log, self._log = largest_log, None
        self._opened = float("-inf")  # when the newest state was
        self._states = []  # oldest first; more than one only while an old one is being read
        self._lock = threading.Lock()

    def __len__(self):
        """How many states are kept."""
        return len(self._states)

    def keep(self, new_domain=False):
        """Keep the present state; to be called before each write and after a `new_domain`, by one thread at a time."""
        if not self._lag:
            return
        now = self._clock()
        with self._lock:
            full = self._log_is_full()
            if full or new_domain:  # a state that does not know the domain is of no use to it
                self._drop(self._states)
            elif now - self._opened < self._lag:
                return
            else:
                self._drop(self._states)
        if full:
            return  # the next write begins the log anew, if nobody reads the old one
        connection = self._connect()
        connection.execute("BEGIN")
        # Only the first look fixes what a transaction sees.
        (newest,) = connection.execute("SELECT coalesce(max(id), 0) FROM domains").fetchone()
        if self._log is None:
            self._log = f"{connection.execute('PRAGMA database_list').fetchone()[2]}-wal"
        with self._lock:
            self._opened = now
            self._states.append(_State(now, connection, newest))

    def _log_is_full(self):
        try:
            return self._log is not None and os.stat(self._log).st_size > self._largest_log
        except FileNotFoundError:
            return False

    @contextmanager
    def state(self, region, name, domain):
        """A connection that sees the state to show for the domain (its id), or None if that is the present one."""
        if not self._lag:
            yield None
            return
        with self._lock:
            oldest = self._clock() - self.lag_of(region, name)
            fitting = (state for state in self._states if state.since >= oldest and state.newest >= domain)
            state = next(fitting, None)
            if state:
                state.users += 1
        if state is None:
            yield None
            return
        try:
            with state.turn:
                yield state.connection
        finally:
            with self._lock:
                state.users -= 1

    def lag_of(self, region, name):
        """How many seconds the domain's reads may be behind; the same for the same seed."""
        return self._lag * random.Random(f"{self._seed} {region} {name}").uniform(0.5, 1)

    def close(self):
        """Let go of every state."""
        with self._lock:
            self._drop(self._states)

    def _drop(self, states):
        gone = [state for state in states if not state.users]
        self._states = [state for state in self._states if state not in gone]
        for state in gone:
            state.connection.close()
