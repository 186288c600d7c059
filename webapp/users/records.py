"""Items found by name among the shards, each version of one replaced only by who has seen it.

While users are moved (shardmap.py), a name has two slots (slots.py). These rules keep every name one account, for
processes that hold this generation of the map or the one before or after it:

- Reading asks both slots, always, the one being left first: what is asked for does not tell whether the name exists.
- Writing goes to the slot that was read, on condition that it is still as it was read.
- An account is made where users go to, after the slot that they leave has been closed.
- An account that is deleted leaves `gone`: an absent item could not be told from one that was never copied.
- Who meets a slot that a later generation barred asks for the map again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from webapp.users.calls import Calls
from webapp.users.errors import Changed, NoDomain, StoreError, Unavailable
from webapp.users.shardmap import MOVING, Maps, ShardMap
from webapp.users.shards import LIMIT
from webapp.users.slots import ABSENT, COPY, LIVE, MIXED, Slot, authority, new_closed, new_gone, plain, unchanged
from webapp.users.slots import unsettled as unclear

ROUNDS = 20  # how often an item may change under an operation that must find it unchanged
PARTING = 0.2  # seconds at most until an item is read again that an import and a sign-up have written at once


class Taken(StoreError):
    """There is such an item; `slot` is what was found."""

    def __init__(self, slot: Slot):
        super().__init__("the item exists")
        self.slot = slot


class _Stale(Exception):
    """Somebody works by a newer map."""


@dataclass(frozen=True)
class Records:
    """The items of one set of shards."""

    calls: Calls
    maps: Maps
    prefix: str

    def get(self, item: str, attempts: int | None = None) -> Slot | None:
        """The slot that is the item now, or None. Raises Unavailable."""
        return self._by_map(self._find, item, attempts)

    def create(self, item: str, values: dict[str, str]) -> str:
        """Make the item with these values, `version` among them; returns its domain. Raises Taken, Unavailable."""
        return self._by_map(self._create, item, values)

    def replace(self, item: str, home: str, version: str, values: dict[str, str]) -> str:
        """Write all `values`, another `version` among them, if the item still has this version; returns its domain.

        `home` and `version` are those of the slot that was read. Raises Changed, Unavailable.
        """
        for _ in range(ROUNDS):
            try:
                self._put(home, item, values, version)
            except (Changed, NoDomain):  # the domain it was read from may be gone by now
                seen = self.get(item)
                if seen and plain(seen.text) == values["version"]:
                    return seen.home  # the first try's answer was lost
                if not _same(seen, home, version):
                    raise
                home, version = seen.home, seen.text  # it was moved, nothing else
                continue
            return home
        raise Unavailable(f"{item} would not stay where it is")

    def note(self, item: str, home: str, version: str, values: dict[str, str]) -> None:
        """Write these values alone if the item still has this version, which stays. Asked for once. Raises Changed."""
        self._put(home, item, values, version, attempts=1)

    def delete(self, item: str, home: str, version: str) -> None:
        """Remove the item if it still has this version. Raises Changed, Unavailable."""
        for _ in range(ROUNDS):
            try:
                return self._by_map(self._delete, item, home, version)
            except (Changed, NoDomain) as changed:
                seen = self.get(item)
                if seen is None and getattr(changed, "tries", 1) > 1:
                    return None  # the first try's answer was lost
                if not _same(seen, home, version):
                    raise
                home, version = seen.home, seen.text
        raise Unavailable(f"{item} would not stay where it is")

    # -- by one map ------------------------------------------------------------------------------------------------

    def _by_map(self, act: Callable, *arguments):
        shard_map = self.maps.now()
        for _ in range(ROUNDS):
            try:
                return act(shard_map, *arguments)
            except _Stale:
                shard_map = self.maps.newer(shard_map.generation)
        raise Unavailable("the shard map says something else than the items do")

    def _find(self, shard_map: ShardMap, item: str, attempts: int | None = None) -> Slot | None:
        places = shard_map.places(item, self.prefix)
        if len(places) == 1:
            slot = self.slot(places[0], item, attempts)
            self._check(shard_map, slot)
            return slot if slot.kind in (LIVE, COPY) else None
        before = None
        for _ in range(ROUNDS):
            pair = tuple(self.slot(place, item, attempts) for place in places)
            self._check(shard_map, *pair)
            found = authority(*pair, shard_map.division)
            if found or not unclear(*pair) or pair == before:
                return found
            before = pair
        raise Unavailable(f"{item} would not stay where it is")

    def _create(self, shard_map: ShardMap, item: str, values: dict[str, str]) -> str:
        places = shard_map.places(item, self.prefix)
        for _ in range(ROUNDS):
            pair = [self.slot(place, item) for place in places] if len(places) > 1 else [Slot(places[0])]
            try:
                return self._make(shard_map, item, values, pair)
            except Changed:
                pass
            if len(places) > 1:
                continue
            try:
                return self._make(shard_map, item, values, [self.slot(places[0], item)])
            except Changed:
                continue
        raise Unavailable(f"{item} would not stay as it is")

    def _make(self, shard_map: ShardMap, item: str, values: dict[str, str], pair: list[Slot]) -> str:
        """Make it in the last slot of `pair`, as it was read; the first is closed before. Raises Taken, Changed."""
        self._check(shard_map, *pair)
        if len(pair) > 1:
            found = authority(*pair, shard_map.division)
        else:
            found = pair[0] if pair[0].kind in (LIVE, COPY) else None
        if found:
            if plain(found.text) == values["version"]:
                return found.home  # the first try's answer was lost
            raise Taken(found)
        *leaving, there = pair
        for slot in leaving:
            self._close(shard_map, item, slot)
        if there.barred and there.generation == shard_map.generation and shard_map.phase == MOVING:
            raise _Stale  # users leave this slot, so the map in our hands is not the one by which it was closed
        blank = {name: "" for name, _ in there.pairs if name not in values}
        self._put(there.home, item, blank | values, there.text)
        return there.home

    def _close(self, shard_map: ShardMap, item: str, slot: Slot) -> None:
        """Bar the slot in the name of this generation, so that nobody makes the account there. Raises Changed."""
        if slot.barred and slot.generation == shard_map.generation:
            return
        self._put(slot.home, item, {"version": new_closed(shard_map.generation)}, slot.text)

    def _delete(self, shard_map: ShardMap, item: str, home: str, version: str) -> None:
        if len(shard_map.places(item, self.prefix)) == 1:
            self.calls("delete_attributes", home, ItemName=item, Expected=unchanged(version))
            return
        slot = self.slot(home, item)
        blank = {name: "" for name, _ in slot.pairs}
        self._put(home, item, blank | {"version": new_gone()}, version)

    @staticmethod
    def _check(shard_map: ShardMap, *slots: Slot) -> None:
        if any(slot.generation > shard_map.generation for slot in slots):
            raise _Stale

    # -- one slot --------------------------------------------------------------------------------------------------

    def slot(self, home: str, item: str, attempts: int | None = None) -> Slot:
        """The item in this one domain, as it is now."""
        for _ in range(ROUNDS):
            answer = self.calls("get_attributes", home, attempts, ItemName=item, ConsistentRead=True)
            slot = Slot.read(home, answer.get("Attributes", []))
            if slot.kind != MIXED:
                return slot
            self.calls.sleep(self.calls.chance(0, PARTING))
        raise Unavailable(
            f"{item} has two versions: an import was cut off there, and puts it right when it is run again"
        )

    def _put(self, home: str, item: str, values: dict[str, str], version: str, attempts: int | None = None) -> None:
        """Replace these values if the slot has this version, or none if that is empty. Raises Changed."""
        check(values)
        attributes = [{"Name": name, "Value": value, "Replace": True} for name, value in values.items()]
        self.calls("put_attributes", home, attempts, ItemName=item, Attributes=attributes, Expected=unchanged(version))


def check(values: dict[str, str]) -> None:
    """Raises ValueError for a value that SimpleDB would not take."""
    for name, value in values.items():
        if len(value.encode()) > LIMIT:
            raise ValueError(f"{name} must not be longer than {LIMIT} bytes in UTF-8")


def _same(seen: Slot | None, home: str, version: str) -> bool:
    """Whether what is seen is the same version of the item in another slot."""
    if seen is None or seen.kind == ABSENT or (seen.home, seen.text) == (home, version):
        return False
    return plain(seen.text) == plain(version)
