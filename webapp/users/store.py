"""Accounts in SimpleDB, each in the domain its name points to. No Django; the client is passed in.

The errors are those of errors.py: NameTaken, EmailTaken, Changed, Unavailable.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from webapp.users import walk
from webapp.users.account import Account, following, timestamp
from webapp.users.calls import ATTEMPTS, Calls, connect
from webapp.users.claims import Claims
from webapp.users.errors import Changed, EmailTaken, NameTaken, StoreError, Unavailable
from webapp.users.records import ROUNDS, Records, Taken, check
from webapp.users.shardmap import LEASE, Maps
from webapp.users.shards import SHARDS, canonical, claim

__all__ = [
    "ATTEMPTS",
    "AccountStore",
    "Changed",
    "EmailTaken",
    "NameTaken",
    "StoreError",
    "Unavailable",
    "connect",
]


class AccountStore:
    """The accounts of one stage. Safe to use from many threads."""

    def __init__(
        self,
        client,
        prefix: str,
        count: int = SHARDS,
        lease: float = LEASE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        **calls,
    ):
        """The domains are called by `prefix`; `count` is how many there are until the shard map says otherwise.

        `lease` is as in the map; `calls` are the arguments of Calls: how often, how long and with what pauses a call is
        tried again.
        """
        self.now = now
        self.calls = Calls(client, **calls)
        self.maps = Maps(self.calls, prefix, count, lease, self.calls.clock)
        self.records = Records(self.calls, self.maps, prefix)
        self.claims = Claims(self.records, self._of_item, now)

    def create(self, name: str, password: str, email: str = "", active: bool = True) -> Account:
        """Take `name` for a new account; of any number of clients at the same moment one succeeds.

        `password` is an encoded hash. Raises NameTaken, EmailTaken, InvalidName, Unavailable.
        """
        item = canonical(name)
        account = Account.new(name, password, email, active, self.now())
        check(account.values())
        if email:
            self.claims.take(account, email)
        try:
            return replace(account, home=self.records.create(item, account.values()), text=account.version)
        except Taken:
            if email:
                self.claims.release(account, email)
            raise NameTaken(f"the name {name} is taken") from None

    def get(self, name: str, attempts: int | None = None) -> Account | None:
        """The account whose name folds to the same form as `name`, as it is now, or None."""
        return self._of_item(canonical(name), attempts)

    def by_email(self, email: str) -> Account | None:
        """The account that has this e-mail address, in any capitals, or None. Raises InvalidName, Unavailable."""
        return self.claims.find(email)

    def change(self, account: Account, **changes: str | bool) -> Account:
        """Replace the named fields if the account is still as it was read; returns it as it now is.

        For a new password use `change_password`, which also ends sessions. Raises Changed, EmailTaken, Unavailable.
        """
        changed = replace(account, **changes, updated=timestamp(self.now()), version=following(account.version))
        check(changed.values())
        moves = bool(changed.email) and (not account.email or claim(changed.email) != claim(account.email))
        if moves:
            self.claims.take(account, changed.email)
        try:
            changed = self._replace(account, changed)
        except Changed:
            if moves:
                self.claims.release(account, changed.email)
            raise
        if account.email and (moves or not changed.email):
            self.claims.release(account, account.email)
        return changed

    def change_password(self, account: Account, password: str) -> Account:
        """Store another encoded hash and a new stamp, which ends every session made before."""
        return self.change(account, password=password, stamp=secrets.token_hex(16))

    def rehash(self, account: Account, password: str) -> Account:
        """Store a stronger hash of the same password: no session ends and `updated` stays."""
        return self._replace(account, replace(account, password=password, version=following(account.version)))

    def touch(self, account: Account) -> Account:
        """Note a sign-in. Asked for only once and without a new version, since nobody's change depends on it."""
        touched = replace(account, last_login=timestamp(self.now()))
        self.records.note(canonical(account.name), account.home, account.text, {"last_login": touched.last_login})
        return touched

    def lock(self, name: str) -> Account | None:
        """Keep whoever has this name from signing in, and end his sessions; the account as it now is, or None.

        Whatever others change meanwhile stays changed. Raises InvalidName, Unavailable.
        """
        return self._insist(name, active=False)

    def unlock(self, name: str) -> Account | None:
        """Let him sign in again."""
        return self._insist(name, active=True)

    def delete(self, account: Account) -> None:
        """Remove the account if it is still as it was read. Raises Changed, Unavailable."""
        self.records.delete(canonical(account.name), account.home, account.text)
        if account.email:
            self.claims.release(account, account.email)

    def __iter__(self) -> Iterator[Account]:
        """Every account, in no order, from all shards at once and with a few pages in memory. Raises Unavailable."""
        return (Account.read(slot) for item, slot in walk.slots(self.records) if walk.is_account(item))

    def count(self) -> int:
        """How many accounts there are; counted by SimpleDB, so each shard is read there and not here."""
        return walk.count(self.records)

    def _of_item(self, item: str, attempts: int | None = None) -> Account | None:
        slot = self.records.get(item, attempts)
        return Account.read(slot) if slot else None

    def _insist(self, name: str, **changes) -> Account | None:
        for _ in range(ROUNDS):
            account = self.get(name)
            if account is None or all(getattr(account, key) == value for key, value in changes.items()):
                return account
            try:
                return self.change(account, **changes)
            except Changed:
                continue
        raise Unavailable(f"the account {name} changes all the time")

    def _replace(self, old: Account, new: Account) -> Account:
        try:
            home = self.records.replace(canonical(old.name), old.home, old.text, new.values())
        except Changed:
            raise Changed(f"the account {old.name} was changed by another client") from None
        return replace(new, home=home, text=new.version)
