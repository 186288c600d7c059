"""Divides the shards in two while they are used, or puts them together again as long as nothing was removed.

    moving     every process knows of the new domains; item by item goes to where it belongs from now on, and is
               compared there; new accounts are made there
    sweeping   every process looks only there; what is left in the old place is removed
    steady     done

Between two of them is a wait in which the map before runs out everywhere (shardmap.py). Killed anywhere, the next run
goes on from what it finds. While users move, a run for the old number of shards turns round and brings them back.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

from webapp.users import shardmap
from webapp.users.account import moment
from webapp.users.errors import NoDomain, StoreError
from webapp.users.leading import Leading
from webapp.users.mover import Lost, Mover
from webapp.users.pace import Pace
from webapp.users.shardmap import MOVING, STEADY, SWEEPING, ShardMap
from webapp.users.shards import MOST, domain_of
from webapp.users.slots import COPY, LIVE, MOVED
from webapp.users.store import AccountStore
from webapp.users.walk import PAGE, WORDS, page, selected

AT_ONCE = 8  # shards
READY = 120.0  # seconds that AWS may take until a new domain answers


class Impossible(StoreError):
    """The shards cannot become so many; the message says why."""


def silent(what: str, done: float, total: float) -> None:
    """Tells nobody."""


class Division:
    """Brings the shards of one store to another number."""

    def __init__(
        self,
        store: AccountStore,
        pace: Pace,
        tell: Callable[[str, float, float], None] = silent,
        settling: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ):
        """`store` is the operator's own; `pace` holds back before each write.

        `tell(what, done, total)` hears of progress, in items or in seconds waited for; `settling` is for how many
        seconds to wait between two phases, by default what the map says.
        """
        self.store, self.tell = store, tell
        self.records, self.prefix = store.records, store.records.prefix
        self._pace, self._settling, self._sleep = pace, settling, sleep
        self._leading: Leading | None = None

    def now(self) -> ShardMap:
        """The map as SimpleDB has it."""
        return shardmap.fetch(self.records.calls, self.prefix, self.store.maps.first)

    def check(self, target: int) -> ShardMap:
        """The map, if it can be brought to `target` shards. Raises Impossible."""
        found = self.now()
        low, high = sorted((found.before, found.after))
        if found.phase == SWEEPING:
            low = high = found.after
        if target < low:
            back = f"; from {high} they can go back to {low} until the old copies go" if low < high else ""
            raise Impossible(f"there are {high} shards, and shards cannot become fewer{back}")
        doubled = low
        while doubled < target:
            doubled *= 2
        if doubled != target:
            less = f"{doubled // 2} or " if doubled // 2 > high else ""
            raise Impossible(f"{high} shards can only be doubled: ask for {less}{doubled}")
        if target > MOST:
            raise Impossible(f"{target} domains are more than AWS gives one account beside others: at most {MOST}")
        return found

    def run(self, target: int) -> ShardMap:
        """Divide until there are `target` shards; returns the map. Raises Impossible, Busy, Lost, Unavailable."""
        found = self.check(target)
        if found.phase == STEADY and found.count == target:
            return found
        self._make(shardmap.domain(self.prefix))
        with Leading(self.records.calls, self.prefix) as self._leading:
            while (found := self.now()).phase != STEADY or found.count != target:
                upwards = target >= max(found.before, found.after)
                if found.phase == STEADY:
                    self._begin(found)
                elif found.phase == SWEEPING:
                    self._sweep(found)
                elif upwards != (found.after > found.before):
                    self._enter(found, replace(found, before=found.after, after=found.before))
                else:
                    self._move(found)
        return found

    # -- the phases ------------------------------------------------------------------------------------------------

    def _begin(self, steady: ShardMap) -> None:
        """Make the new domains, and tell everybody."""
        count = 2 * steady.count
        for number in range(steady.count, count):
            name = domain_of(number, self.prefix)
            self._make(name)
            if page(self.records, name, most=1):
                raise Impossible(
                    f"the domain {name} is not empty: look at what it holds, and delete it if nobody needs it"
                )
            self.tell("make the domains", number - steady.count + 1, steady.count)
        self._enter(steady, replace(steady, after=count, phase=MOVING, division=steady.generation + 1))

    def _move(self, moving: ShardMap) -> None:
        """Hand over everything, compare it, and let everybody look only there."""
        self._settle(moving)
        while self._all(moving, "move", self._move_shard):
            pass  # what was made or changed in a page that had been read
        unmoved = self._all(moving, "compare", self._check_shard)
        self._all(moving, "compare", self._check_target, there=True)
        if not unmoved:
            self._enter(moving, replace(moving, phase=SWEEPING))

    def _sweep(self, sweeping: ShardMap) -> None:
        """Remove what is left, and the domains that nobody needs any more."""
        self._settle(sweeping)
        moving = replace(sweeping, phase=MOVING)
        twice = self._all(moving, "sweep", self._sweep_shard)
        if twice:
            raise Lost(f"{twice} names have an account in the old shard and in the new one: compare them, delete one")
        self._all(moving, "sweep", self._sweep_target, there=True)
        for number in range(sweeping.after, sweeping.before):
            name = domain_of(number, self.prefix)
            if page(self.records, name, most=1):
                raise Lost(f"the domain {name} is not empty, though nothing belongs there: look at what it holds")
            self.records.calls("delete_domain", name)
        self._enter(sweeping, replace(sweeping, before=sweeping.after, phase=STEADY))

    def _enter(self, old: ShardMap, new: ShardMap) -> None:
        new = replace(new, generation=old.generation + 1)
        shardmap.store(self.records.calls, self.prefix, old, new)

    def _settle(self, since: ShardMap) -> None:
        """Wait until every process knows this map, or has forgotten the one before."""
        total = since.settling if self._settling is None else self._settling
        began = moment(since.since)
        while began and (left := total - (self.store.now() - began).total_seconds()) > 0:
            self.tell("wait until every process knows", total - min(left, total), total)
            self._sleep(min(left, 1.0))

    # -- one shard -------------------------------------------------------------------------------------------------

    def _move_shard(self, mover: Mover) -> Iterator[tuple[int, int]]:
        for items in self._pages(mover.here):
            going = [(item, slot) for item, slot in items if slot.kind in (LIVE, COPY) and mover.goes(item)]
            yield len(items), sum(mover.move(dict(some)) for some in chunks(going))

    def _check_shard(self, mover: Mover) -> Iterator[tuple[int, int]]:
        for items in self._pages(mover.here):
            gone = [(item, slot) for item, slot in items if mover.goes(item)]
            yield len(items), sum(mover.check(dict(some)) for some in chunks(gone))

    def _check_target(self, mover: Mover) -> Iterator[tuple[int, int]]:
        for items in self._pages(mover.there):
            come = [item for item, slot in items if slot.kind in (COPY, MOVED) and mover.goes(item)]
            for some in chunks(come):
                mover.check_there(some)
            yield len(items), 0

    def _sweep_shard(self, mover: Mover) -> Iterator[tuple[int, int]]:
        for items in self._pages(mover.here):
            yield len(items), len(mover.sweep_here([each for each in items if mover.goes(each[0])]))

    def _sweep_target(self, mover: Mover) -> Iterator[tuple[int, int]]:
        for items in self._pages(mover.there):
            mover.sweep_there([each for each in items if mover.goes(each[0])])
            yield len(items), 0

    def _all(self, moving: ShardMap, what: str, act: Callable, there: bool = False) -> int:
        """Do `act` in every shard, several at once; the sum of what it counts. The first failure ends all."""
        movers = [self._mover(moving, number) for number in range(moving.before)]
        movers = [mover for mover in movers if mover.here != mover.there]
        total = sum(self._size(mover.there if there else mover.here) for mover in movers)
        seen, counted, lock, stop = 0, 0, threading.Lock(), threading.Event()

        def work(mover):
            nonlocal seen, counted
            for looked_at, count in act(mover):
                with lock:
                    seen, counted = seen + looked_at, counted + count
                    self.tell(what, min(seen, total), total)
                if stop.is_set():
                    return

        self.tell(what, 0, total)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            futures = [pool.submit(work, mover) for mover in movers]
            try:
                for future in as_completed(futures):
                    future.result()
            finally:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
        return counted

    def _mover(self, moving: ShardMap, number: int) -> Mover:
        target = number % moving.after if moving.after < moving.before else number + moving.before
        names = (domain_of(each, self.prefix) for each in (number, target))
        return Mover(self.records, moving, *names, pace=self._paced)

    def _pages(self, home: str) -> Iterator[list]:
        last = ""
        while items := page(self.records, home, last, PAGE):
            yield items
            last = items[-1][0]

    def _size(self, home: str) -> int:
        return self.records.calls("domain_metadata", home)["ItemCount"]

    # -- domains ---------------------------------------------------------------------------------------------------

    def _make(self, name: str) -> None:
        """Create a domain, and wait until it answers."""
        self.records.calls("create_domain", name)
        for _ in range(int(READY)):
            try:
                for _ in selected(self.records, name, f"select count(*) from `{name}`"):
                    return
            except NoDomain:
                self._sleep(1.0)
        raise Impossible(f"the domain {name} was created and does not answer: run this again in a few minutes")

    def _paced(self, domain: str) -> None:
        if self._leading.lost:
            raise Lost(self._leading.lost)
        self._pace(domain)


def chunks(items: list) -> Iterator[list]:
    """The items in pieces that fit one question."""
    return (items[start : start + WORDS] for start in range(0, len(items), WORDS))
