"""An account as it is kept in SimpleDB: one item, text only, every attribute single-valued."""

import secrets
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Self

from webapp.users.slots import Slot, plain


def timestamp(moment: datetime) -> str:
    """A moment as SimpleDB keeps it: UTC, always of the same length, so that order of text is order of time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime | None:
    """What `timestamp` wrote, or None for an empty text."""
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True)
class Account:
    """What is known about one username. Texts as stored; `password` is one of Django's encoded hashes.

    id          random, for ever; tells a name registered anew from the account that had it before
    name        as typed at sign-up; the item's own name is its canonical form
    active      False locks the account out everywhere at once
    stamp       random, new with each change of password: sessions that carry an older one have ended
    created, updated, last_login    by `timestamp`; last_login is empty before the first sign-in
    version     a number and a random part, new with each change
    home, text  the domain it was read from, and its version as it stands there (slots.py); no part of what it is
    """

    id: str
    name: str
    password: str = field(repr=False)
    email: str
    active: bool
    stamp: str = field(repr=False)
    created: str
    updated: str
    last_login: str
    version: str
    home: str = field(default="", compare=False, repr=False)
    text: str = field(default="", compare=False, repr=False)

    @classmethod
    def new(cls, name: str, password: str, email: str, active: bool, now: datetime) -> Self:
        """An account that nobody has stored yet."""
        at = timestamp(now)
        return cls(
            id=secrets.token_hex(16),
            name=name,
            password=password,
            email=email,
            active=active,
            stamp=secrets.token_hex(16),
            created=at,
            updated=at,
            last_login="",
            version=following(""),
        )

    @classmethod
    def read(cls, slot: Slot) -> Self:
        """The account in the slot that is one. Attributes this code does not know are left alone."""
        values = dict(slot.pairs) | {"version": plain(slot.text), "home": slot.home, "text": slot.text}
        texts = {each.name: values.get(each.name, "") for each in fields(cls)}
        return cls(**{**texts, "active": texts["active"] == "yes"})

    def values(self) -> dict[str, str]:
        """All that is stored, as texts by attribute."""
        return {each.name: as_text(getattr(self, each.name)) for each in fields(self) if each.compare}


def as_text(value: str | bool) -> str:
    """A field's value as SimpleDB keeps it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


def following(version: str) -> str:
    """The version after this one. Its random part tells our own write from another's when an answer was lost."""
    number = int(version.partition(".")[0] or 0)
    return f"{number + 1:010d}.{secrets.token_hex(8)}"
