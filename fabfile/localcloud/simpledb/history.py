"""The store as it was a moment ago, for reads that do not ask to be consistent.

SimpleDB promises them only that they catch up, usually within a second. A program that forgets ConsistentRead where
it needs it should fail here and not first on AWS.
"""

import random
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

_PER_LAG = 10  # states kept at most; a busy writer must not open one for each write


@dataclass
class _State:
    """One older state: a connection inside a transaction that began at `since`."""

    since: float
    connection: object
    users: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)


class History:
    """Keeps states for up to `lag` seconds (0: none, and every read is consistent)."""

    def __init__(self, connect, lag=0.0, seed=0, clock=time.monotonic):
        """`connect()` opens a connection to the store; `seed` decides each domain's share of the lag."""
        self._connect, self._lag, self._seed, self._clock = connect, lag, seed, clock
        self._states = []  # oldest first
        self._lock = threading.Lock()

    def __len__(self):
        """How many states are kept."""
        return len(self._states)

    def keep(self):
        """Keep the present state; to be called before each write, by one thread at a time."""
        if not self._lag:
            return
        now = self._clock()
        with self._lock:
            self._forget(now)
            if self._states and now - self._states[-1].since < self._lag / _PER_LAG:
                return
        connection = self._connect()
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM domains").fetchone()  # only the first look fixes what a transaction sees
        with self._lock:
            self._states.append(_State(now, connection))

    @contextmanager
    def state(self, region, domain):
        """A connection that sees the state to show for the domain, or None if that is the present one."""
        if not self._lag:
            yield None
            return
        with self._lock:
            oldest = self._clock() - self.lag_of(region, domain)
            state = next((state for state in self._states if state.since >= oldest), None)
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

    def lag_of(self, region, domain):
        """How many seconds the domain's reads may be behind; the same for the same seed."""
        return self._lag * random.Random(f"{self._seed} {region} {domain}").uniform(0.5, 1)

    def close(self):
        """Let go of every state."""
        with self._lock:
            self._forget(float("inf"))

    def _forget(self, now):
        gone = [state for state in self._states if now - state.since > self._lag and not state.users]
        self._states = [state for state in self._states if state not in gone]
        for state in gone:
            state.connection.close()
