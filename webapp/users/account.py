"""An account as it is kept in SimpleDB: one item, text only, every attribute single-valued."""

import secrets
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Self


def timestamp(moment: datetime) -> str:
    """A moment as SimpleDB keeps it: UTC, always of the same length, so that order of text is order of time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime | None:
    """What `timestamp` wrote, or None for an empty text."""
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True)
class Account:
    """What is known about one user name. Texts as stored; `password` is one of Django's encoded hashes.

    id          random, for ever; tells a name registered anew from the account that had it before
    name        as typed at sign-up; the item's own name is its canonical form
    active      False locks the account out everywhere at once
    stamp       random, new with each change of password: sessions that carry an older one have ended
    created, updated, last_login    by `timestamp`; last_login is empty before the first sign-in
    version     a number and a random part, new with each change
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
    def read(cls, attributes: list[dict]) -> Self:
        """The account in the answer of GetAttributes or Select. Attributes this code does not know are left alone."""
        values = {attribute["Name"]: attribute["Value"] for attribute in attributes}
        texts = {each.name: values.get(each.name, "") for each in fields(cls)}
        return cls(**{**texts, "active": texts["active"] == "yes"})

    def attributes(self) -> list[dict]:
        """All of it for PutAttributes, each attribute replacing what was there."""
        return [
            {"Name": each.name, "Value": as_text(getattr(self, each.name)), "Replace": True} for each in fields(self)
        ]


def as_text(value: str | bool) -> str:
    """A field's value as SimpleDB keeps it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


def following(version: str) -> str:
    """The version after this one. Its random part tells our own write from another's when an answer was lost."""
    number = int(version.partition(".")[0] or 0)
    return f"{number + 1:010d}.{secrets.token_hex(8)}"
