"""What an item says of itself while users move from one domain to another. No I/O.

A name that moves has two slots: the item of that name in the domain it leaves, and in the one it goes to. The
attribute `version` of a slot says what it is:

    0000000003.5f0c…        live: this is the account
    copy D VERSION          a copy of what the other slot had at VERSION, made by division D
    moved G VERSION RANDOM  was live at VERSION; generation G of the shard map moved it to the other slot
    closed G RANDOM         there is nothing here, and since generation G nothing may be made here
    gone RANDOM             the account was deleted here

What a client wrote that knows of no versions has none: it is live, and a division gives it one before it moves it.

A slot is the account if it is live, or if it is a copy of VERSION and the other slot has moved at VERSION: one write,
to `moved`, hands the account over, and whoever still writes to the old slot fails at his condition. Of two slots at
most one is the account. A copy is live once its division has ended: what it was copied from is gone then, and so are
the copies of what was deleted on the way.
"""

import secrets
from dataclasses import dataclass
from typing import Self

LIVE, COPY, MOVED, CLOSED, GONE, ABSENT = "live", "copy", "moved", "closed", "gone", "absent"
MIXED = "mixed"  # two versions: an import met a sign-up here, and takes its values out again in a moment


def new_copy(division: int, version: str) -> str:
    """The version of a copy of what is live, or a copy, at `version`."""
    return f"{COPY} {division} {plain(version)}"


def new_moved(generation: int, version: str) -> str:
    """What the slot that was live at `version` says once it has been handed over."""
    return f"{MOVED} {generation} {plain(version)} {secrets.token_hex(8)}"


def new_closed(generation: int) -> str:
    """What keeps others from making the account in this slot."""
    return f"{CLOSED} {generation} {secrets.token_hex(8)}"


def new_gone() -> str:
    """What a deleted account leaves while its domain is being divided."""
    return f"{GONE} {secrets.token_hex(8)}"


def plain(version: str) -> str:
    """The account's own version, whether its slot is live or a copy."""
    return version.rpartition(" ")[2]


def unchanged(version: str) -> dict:
    """SimpleDB's condition that an item still has this version, or still has none where that is empty."""
    if version == "":
        return {"Name": "version", "Exists": False}
    return {"Name": "version", "Value": version, "Exists": True}


@dataclass(frozen=True)
class Slot:
    """One item as read from one domain.

    `text` is its version as stored (a condition's value), `of` the account's version that a live, copied or moved slot
    names, `generation` what barred it or the division that copied it, `pairs` all (name, value) pairs but the version.
    """

    home: str
    kind: str = ABSENT
    text: str = ""
    of: str = ""
    generation: int = 0
    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, home: str, attributes: list[dict]) -> Self:
        """From the attributes in an answer of GetAttributes or Select; none means that there is no item."""
        pairs = tuple((each["Name"], each["Value"]) for each in attributes)
        versions = [value for name, value in pairs if name == "version"]
        if not pairs:
            return cls(home)
        if len(versions) > 1:
            return cls(home, MIXED)
        text = versions[0] if versions else ""
        rest = tuple(pair for pair in pairs if pair[0] != "version")
        word, *more = text.split(" ")
        match word, more:
            case "copy", [division, version]:
                return cls(home, COPY, text, version, int(division), rest)
            case "moved", [generation, version, _]:
                return cls(home, MOVED, text, version, int(generation), rest)
            case "closed", [generation, _]:
                return cls(home, CLOSED, text, "", int(generation), rest)
            case "gone", [_]:
                return cls(home, GONE, text, pairs=rest)
        return cls(home, LIVE, text, text, pairs=rest)

    @property
    def barred(self) -> bool:
        """Whether a generation has bolted this slot."""
        return self.kind in (MOVED, CLOSED)


def authority(first: Slot, second: Slot, division: int) -> Slot | None:
    """The slot of the two that is the account, or None; `division` is the one that is under way."""
    for one, other in ((first, second), (second, first)):
        if one.kind == LIVE or (one.kind == COPY and one.generation < division):
            return one
        if one.kind == COPY and other.kind == MOVED and other.of == one.of:
            return one
    return None


def unsettled(first: Slot, second: Slot) -> bool:
    """Whether two slots, read one after the other and none of them the account, may belong to different moments.

    Read in this order, an account that went from the second to the first in between shows in neither.
    """
    return second.kind == MOVED or (first.kind == COPY and second.kind == COPY)
