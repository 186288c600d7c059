"""Whose an e-mail address is: an item of its own for each address, in the shard that the address points to.

SimpleDB writes one item at a time, so a claim is made before the account that has the address, and removed after it
let go of it. What a client leaves behind that ends in between is an orphan: a claim whose account does not exist or has
another address. It keeps nobody from the address for longer than the grace.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from webapp.users.account import Account, following, moment, timestamp
from webapp.users.errors import Changed, EmailTaken, StoreError, Unavailable
from webapp.users.records import ROUNDS, Records, Taken
from webapp.users.shards import canonical, claim
from webapp.users.slots import Slot

GRACE = timedelta(minutes=2)  # in which whoever made a claim has made the account too, or given up


@dataclass(frozen=True)
class Claims:
    """The claims beside the accounts of one set of shards. `holder` finds the account of a canonical name."""

    records: Records
    holder: Callable[[str], Account | None]
    now: Callable[[], datetime]

    def find(self, email: str) -> Account | None:
        """The account that has this address, or None. Raises InvalidName, Unavailable."""
        item = claim(email)
        slot = self.records.get(item)
        return self._owner(item, slot) if slot else None

    def take(self, account: Account, email: str) -> None:
        """Claim the address for the account. Raises EmailTaken, InvalidName, Unavailable."""
        item = claim(email)
        values = {
            "account": canonical(account.name),
            "id": account.id,
            "at": timestamp(self.now()),
            "version": following(""),
        }
        for _ in range(ROUNDS):
            try:
                self.records.create(item, values)
                return
            except Taken as taken:
                slot = taken.slot
            found = dict(slot.pairs)
            if found.get("id") == account.id:
                return
            if not self.is_orphan(item, slot):
                raise EmailTaken(f"the e-mail address {email} is taken")
            try:
                self.records.replace(item, slot.home, slot.text, values)
                return
            except Changed:
                continue
        raise Unavailable(f"the claim to {email} would not stay as it is")

    def release(self, account: Account, email: str) -> None:
        """Give the address free if it is this account's. What cannot be done now is an orphan, which harms nobody."""
        try:
            item = claim(email)
            slot = self.records.get(item)
            if slot and dict(slot.pairs).get("id") == account.id:
                self.records.delete(item, slot.home, slot.text)
        except (StoreError, ValueError):
            pass

    def is_orphan(self, item: str, slot: Slot) -> bool:
        """Whether a claim, as it was read, has been left behind for longer than the grace."""
        made = moment(dict(slot.pairs).get("at", ""))
        if made and self.now() - made < GRACE:
            return False
        return self._owner(item, slot) is None

    def _owner(self, item: str, slot: Slot) -> Account | None:
        values = dict(slot.pairs)
        account = self.holder(values.get("account", ""))
        if account and account.id == values.get("id") and account.email and claim(account.email) == item:
            return account
        return None
