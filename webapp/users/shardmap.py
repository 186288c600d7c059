"""How many shards there are, and whether users are being moved: the shard map, kept in SimpleDB itself.

It is the item `map` of the domain PREFIX-map, which is made when the shards are divided for the first time; until then
the number of shards is what the application was told. Its attributes:

    generation  a number, one higher with each change of the map
    phase       `steady`; `moving` while users go from one set of shards to another; `sweeping` while what is left of
                them in the old one is removed
    before, after   how many shards there were and will be; the same number when steady
    division    the generation that began to move users, the same when they are moved back again
    lease       for how many seconds a map may be used after it was read
    since       when this generation began, in UTC

A process that holds a map forgets it after the lease, and asks for a new one well before that. Whoever changes the map
waits for the lease and for what was under way, before he counts on its being known; so at any time at most two
generations that follow one another are in use, and the rules of records.py hold between those.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from webapp.users.calls import PATIENCE, TIMEOUT, Calls
from webapp.users.errors import Changed, NoDomain, StoreError, Unavailable
from webapp.users.shards import domain_of, item_hash

STEADY, MOVING, SWEEPING = "steady", "moving", "sweeping"
ITEM = "map"
LEASE = 30.0  # seconds; an outage of the map's domain that is shorter by a third is not noticed
LONGEST = 4  # calls that one operation makes by the same map, each with all its retries
RENEWED = 1 / 3  # of the lease, after which a map is asked for again
BETWEEN = 1.0  # seconds between attempts to renew


@dataclass(frozen=True)
class ShardMap:
    """One generation of the map."""

    before: int
    after: int
    generation: int = 0
    division: int = 0
    phase: str = STEADY
    lease: float = LEASE
    since: str = ""

    @classmethod
    def read(cls, attributes: list[dict]) -> Self:
        """From the attributes of the item."""
        values = {each["Name"]: each["Value"] for each in attributes}
        numbers = {name: int(values[name]) for name in ("before", "after", "generation", "division")}
        return cls(**numbers, phase=values["phase"], lease=float(values["lease"]), since=values["since"])

    def values(self) -> dict[str, str]:
        """As texts by attribute."""
        return {name: str(value) for name, value in vars(self).items()}

    @property
    def count(self) -> int:
        """The number of shards in which names are looked for; while users move, that of the shards they go to."""
        return self.after

    @property
    def settling(self) -> float:
        """After how many seconds nobody works by an older map: the lease, and an operation begun at its very end."""
        return self.lease + LONGEST * (PATIENCE + TIMEOUT)

    def places(self, item: str, prefix: str) -> tuple[str, ...]:
        """The domain of an item; for one that moves just now, the domain it leaves and the one it goes to."""
        number = item_hash(item)
        there = domain_of(number % self.after, prefix)
        here = domain_of(number % self.before, prefix)
        return (here, there) if self.phase == MOVING and here != there else (there,)


def domain(prefix: str) -> str:
    """The domain that holds the map."""
    return f"{prefix}-{ITEM}"


def fetch(calls: Calls, prefix: str, first: ShardMap, attempts: int | None = None) -> ShardMap:
    """The map as it is now; `first` where none was ever written. Raises Unavailable."""
    try:
        answer = calls("get_attributes", domain(prefix), attempts, ItemName=ITEM, ConsistentRead=True)
    except NoDomain:
        return first
    attributes = answer.get("Attributes")
    return ShardMap.read(attributes) if attributes else first


def store(calls: Calls, prefix: str, old: ShardMap, new: ShardMap) -> ShardMap:
    """Put `new` in place of `old`; returns it with the time it began. Raises Changed when somebody else was first."""
    new = ShardMap(**{**vars(new), "since": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")})
    expected = {"Name": "generation", "Exists": False}
    if old.generation:
        expected = {"Name": "generation", "Value": str(old.generation), "Exists": True}
    attributes = [{"Name": name, "Value": value, "Replace": True} for name, value in new.values().items()]
    try:
        calls("put_attributes", domain(prefix), ItemName=ITEM, Attributes=attributes, Expected=expected)
    except Changed as changed:
        if changed.tries == 1 or fetch(calls, prefix, old) != new:  # or our own first try, its answer lost
            raise
    return new


class Maps:
    """The map as this process knows it, never older than its lease. Safe to use from many threads."""

    def __init__(
        self,
        calls: Calls,
        prefix: str,
        count: int,
        lease: float = LEASE,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`count` shards, and a `lease` in seconds, hold as long as no map was ever written."""
        self._calls, self._prefix, self._clock = calls, prefix, clock
        self.first = ShardMap(count, count, lease=lease)
        self._known: tuple[ShardMap, float] | None = None
        self._tried = 0.0
        self._vain = -math.inf  # when somebody last waited for the map in vain
        self._turn = threading.Lock()

    def now(self) -> ShardMap:
        """The map to work by. Raises Unavailable when it has run out and SimpleDB does not tell a new one."""
        known = self._known
        if known is None:
            return self._renew(known)
        age = self._clock() - known[1]
        if age < known[0].lease * RENEWED:
            return known[0]
        if age >= known[0].lease:
            return self._renew(known)
        # One asks; the others, and he too if he gets no answer, go on with what is known.
        if self._clock() - self._tried >= BETWEEN and self._turn.acquire(blocking=False):
            try:
                self._tried = self._clock()
                return self._ask(attempts=1)
            except StoreError:
                return known[0]
            finally:
                self._turn.release()
        return known[0]

    def newer(self, generation: int) -> ShardMap:
        """A map read just now, or by another thread since it had this generation. Raises Unavailable."""
        known = self._known
        if known and known[0].generation > generation:
            return known[0]
        return self._renew(known)

    def _renew(self, known):
        began = self._clock()
        with self._turn:
            if self._known is not known:
                return self._known[0]
            if (
                self._vain >= began
            ):  # while this request waited for its turn: one after another, a crowd would wait long
                raise Unavailable("SimpleDB did not tell the shard map a moment ago")
            try:
                return self._ask()
            except StoreError:
                self._vain = self._clock()
                raise

    def _ask(self, attempts=None):
        asked = self._clock()
        found = fetch(self._calls, self._prefix, self.first, attempts)
        self._known = found, asked
        return found
