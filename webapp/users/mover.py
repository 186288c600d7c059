"""Moves items from one domain to another by the rules of slots.py: copied, compared, handed over.

Every write has a condition on the version of the slot it changes, so that any number of movers, late and killed ones
too, do no harm beside each other and beside those who use the accounts.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from webapp.users.account import following
from webapp.users.errors import Changed, StoreError
from webapp.users.records import Records
from webapp.users.shardmap import ShardMap
from webapp.users.slots import ABSENT, COPY, GONE, LIVE, MOVED, Slot, authority, new_copy, new_moved, unchanged
from webapp.users.walk import those

ROUNDS = 50  # how often a chunk is looked at again because its items change under us


class Lost(StoreError):
    """An item is in neither domain as it should be; nothing was removed."""


@dataclass(frozen=True)
class Mover:
    """Moves what goes from the domain `here` to `there`, by one generation of the map.

    `pace` is called with the domain before each write, and may take its time.
    """

    records: Records
    shard_map: ShardMap
    here: str
    there: str
    pace: Callable[[str], None] = lambda domain: None

    def goes(self, item: str) -> bool:
        """Whether the item is one of those that go from `here` to `there`."""
        return self.shard_map.places(item, self.records.prefix) == (self.here, self.there)

    def move(self, here: dict[str, Slot]) -> int:
        """Hand over those of the items that are still here, which were just read as these slots; returns how many.

        Raises Lost, Unavailable.
        """
        handed = 0
        for item, slot in here.items():  # mostly there is nothing in the new place, and no need to ask
            with contextlib.suppress(Changed):
                self._step(item, slot, Slot(self.there))
        for _ in range(ROUNDS):
            there = those(self.records, self.there, list(here))
            left = []
            for item, slot in here.items():
                try:
                    done = self._step(item, slot, there[item])
                except Changed:
                    done = None
                handed += done is True
                if done is None:
                    left.append(item)
            if not left:
                return handed
            here = those(self.records, self.here, left)
        raise Lost(f"{len(here)} items of {self.here} change all the time, {left[0]} for one: run this again")

    def _step(self, item: str, here: Slot, there: Slot) -> bool | None:
        """The next write for one item: True when it handed the item over, None when more is to be done."""
        if authority(here, there, self.shard_map.division) is not here:
            return False
        if here.text == "":  # whoever wrote it knows of no versions; without one nobody could tell what a copy is of
            self._put(here, item, {"version": following("")})
            return None
        if here.kind == COPY and here.generation == self.shard_map.division:
            # It came here by this division and goes back: it lives by what the other slot says, which is written next.
            self._put(here, item, {"version": here.of})
            return None
        if there.kind == COPY and there.of == here.of and alike(here, there):
            self._put(here, item, {"version": new_moved(self.shard_map.generation, here.text)})
            return True
        self._copy(item, here, there)
        return None

    def _copy(self, item: str, here: Slot, there: Slot) -> None:
        """Write the copy over what may stand in its place; read again where the account itself seems to be there."""
        if there.generation > self.shard_map.generation:
            raise Lost("somebody divides these shards by a newer map: run this again")
        barred = there.barred and there.generation < self.shard_map.generation
        unused = there.kind == COPY and there.generation == self.shard_map.division
        if not (there.kind == ABSENT or barred or unused):
            return  # another mover was here between our two readings: it lives there by now, or was deleted there
        if unused and self.records.slot(self.here, item).text != here.text:
            return  # the copy may be of what is newer than what we read, and another mover about to rely on it
        attributes = [{"Name": name, "Value": value, "Replace": True} for name, value in here.pairs]
        names = {name for name, _ in here.pairs}
        old = {name for name, _ in there.pairs} - names
        attributes += [{"Name": name, "Value": "", "Replace": True} for name in sorted(old)]
        version = new_copy(self.shard_map.division, here.of)
        attributes.append({"Name": "version", "Value": version, "Replace": True})
        self._write(there, item, attributes)

    def check(self, here: dict[str, Slot]) -> int:
        """Compare each item that was handed over with its copy, before the old one goes; returns how many still have to
        be moved.

        `here` are the slots as they were just read. What was noted in one after it had been copied is noted there too.
        Raises Lost, Unavailable.
        """
        there = those(self.records, self.there, list(here))
        unmoved = 0
        for item, one in here.items():
            other = there[item]
            if authority(one, other, self.shard_map.division) is one:
                unmoved += 1
            elif one.kind == MOVED and other.kind == ABSENT:
                # A deleted account would say so: this one never arrived, or somebody removed it by hand.
                raise Lost(f"{item} was moved from {self.here} and is not in {self.there}: it is kept where it was")
            elif one.kind == MOVED and other.kind == COPY and other.of == one.of and not alike(one, other):
                self._copy_again(item, one, other)
        return unmoved

    def check_there(self, items: list[str]) -> None:
        """Remove the copies of what was deleted before it could be handed over. Raises Lost, Unavailable."""
        here, there = (those(self.records, home, items) for home in (self.here, self.there))
        for item in items:
            if there[item].kind == MOVED and here[item].kind == ABSENT:
                raise Lost(f"{item} was moved from {self.there} and is not in {self.here}: it is kept where it was")
            if there[item].kind == COPY and authority(here[item], there[item], self.shard_map.division) is None:
                self.remove(there[item], item)

    def _copy_again(self, item: str, here: Slot, there: Slot) -> None:
        attributes = [{"Name": name, "Value": value, "Replace": True} for name, value in here.pairs]
        try:
            self._write(there, item, attributes)
        except Changed:
            return  # it has been written to since, and is no copy any more

    # -- what is left of a division --------------------------------------------------------------------------------

    def sweep_here(self, items: list[tuple[str, Slot]]) -> list[str]:
        """Remove what those that went left behind; returns those that are in both domains, which stay so.

        Raises Unavailable.
        """
        gone = [item for item, slot in items if slot.kind not in (LIVE, COPY)]
        twice = [item for item, slot in items if slot.kind in (LIVE, COPY) and not self._rescue(item, slot)]
        for start in range(0, len(gone), 25):
            self.pace(self.here)
            some = [{"Name": item} for item in gone[start : start + 25]]
            self.records.calls("batch_delete_attributes", self.here, Items=some)
        return twice

    def sweep_there(self, items: list[tuple[str, Slot]]) -> None:
        """Remove what deleted accounts left where the others went. Raises Unavailable."""
        for item, slot in items:
            if slot.kind == GONE or slot.barred:
                self.remove(slot, item)

    def remove(self, slot: Slot, item: str) -> None:
        """Remove a slot if it is as it was read."""
        self.pace(slot.home)
        with contextlib.suppress(Changed):
            self.records.calls("delete_attributes", slot.home, ItemName=item, Expected=unchanged(slot.text))

    def _rescue(self, item: str, slot: Slot) -> bool:
        """Bring over what somebody made here who slept through two changes of the map; False if it is there too."""
        there = self.records.slot(self.there, item)
        if slot.kind == LIVE and there.kind in (LIVE, COPY):
            return False
        if slot.kind == LIVE:
            attributes = [{"Name": name, "Value": value, "Replace": True} for name, value in slot.pairs]
            attributes.append({"Name": "version", "Value": slot.text or following(""), "Replace": True})
            self._write(there, item, attributes)
        self.remove(slot, item)
        return True

    # -- writing ---------------------------------------------------------------------------------------------------

    def _put(self, slot: Slot, item: str, values: dict[str, str]) -> None:
        self._write(slot, item, [{"Name": name, "Value": value, "Replace": True} for name, value in values.items()])

    def _write(self, slot: Slot, item: str, attributes: list[dict]) -> None:
        self.pace(slot.home)
        expected = unchanged(slot.text)
        self.records.calls("put_attributes", slot.home, ItemName=item, Attributes=attributes, Expected=expected)


def alike(one: Slot, copy: Slot) -> bool:
    """Whether a copy has what the other slot has; what it had before and was emptied counts as nothing."""
    return set(one.pairs) == {pair for pair in copy.pairs if pair[1] or pair in one.pairs}
