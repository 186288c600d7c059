"""Brings the claims to e-mail addresses in line with the accounts again. No Django.

A claim is made before the account that has the address and removed after it (claims.py), and some accounts were made
before there were claims at all. So there may be orphans, and accounts without their claim. Both are looked for in one
reading of all shards; whatever is found is looked at once more by itself before anything is written, and what is
younger than the grace is left alone: whoever made it may still be at work. Killed anywhere, the next run does the rest.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

from webapp.users.account import Account, moment
from webapp.users.claims import GRACE
from webapp.users.errors import Changed, EmailTaken
from webapp.users.shards import InvalidName, canonical, claim
from webapp.users.slots import Slot
from webapp.users.store import AccountStore
from webapp.users.walk import is_account, slots, those

BATCH = 500  # items looked at together
AT_ONCE = 8  # batches
KINDS = ("orphan", "unclaimed", "shared", "invalid")


@dataclass(frozen=True)
class Finding:
    """One thing that was not in line.

    kind        `orphan`, a claim whose account is gone or has another address; `unclaimed`, an account without its
                claim; `shared`, an account whose address is another's; `invalid`, one whose address can be no claim
    address     the e-mail address; for an orphan as folded in its claim
    account     the name of the account, or for an orphan of the one that it was made for
    holder      for `shared` the name of the account that has the claim
    """

    kind: str
    address: str
    account: str
    holder: str = ""


@dataclass
class Report:
    """How many accounts and claims were looked at, and what was found, each kind counted."""

    accounts: int = 0
    claims: int = 0
    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))


class Repair:
    """One run over a store. `tell` hears each Finding once it is mended, `progress` how many items were looked at."""

    def __init__(
        self,
        store: AccountStore,
        tell: Callable[[Finding], None] = lambda finding: None,
        progress: Callable[[int], None] = lambda looked_at: None,
        change: bool = True,
    ):
        """With `change` false nothing is written: `tell` hears what would be mended."""
        self.store, self.change, self.report = store, change, Report()
        self._tell, self._progress = tell, progress
        self._lock = Lock()
        self._planned: dict[str, str] = {}  # claim: account, where nothing is written

    def run(self) -> Report:
        """Look at everything, a few batches at once. Raises Unavailable; what was mended by then stays so."""
        batches = in_batches(slots(self.store.records), BATCH)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            waiting = set()
            try:
                for batch in batches:
                    waiting.add(pool.submit(self._batch, batch))
                    if len(waiting) >= 2 * AT_ONCE:
                        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                        for future in done:
                            future.result()
                for future in waiting:
                    future.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
                batches.close()
        return self.report

    def _batch(self, batch: list[tuple[str, Slot]]) -> None:
        accounts = [Account.read(slot) for item, slot in batch if is_account(item)]
        claims = [(item, slot) for item, slot in batch if not is_account(item)]
        addressed = [account for account in accounts if account.email and self._can_be_claimed(account)]
        for account in self._unlike(addressed, lambda it: claim(it.email), fits_account):
            self._look_at_account(account)
        for item, slot in self._unlike(claims, lambda it: dict(it[1].pairs).get("account", ""), fits_claim):
            self._look_at_claim(item, slot)
        with self._lock:
            self.report.accounts += len(accounts)
            self.report.claims += len(claims)
            self._progress(self.report.accounts + self.report.claims)

    def _unlike(self, things: list, other: Callable, fits: Callable) -> Iterator:
        """Those of the things whose counterpart, of the name `other` gives, does not fit at first sight."""
        records = self.store.records
        shard_map = records.maps.now()
        homes: dict[str, list[str]] = {}
        for thing in things:
            homes.setdefault(shard_map.places(other(thing), records.prefix)[-1], []).append(other(thing))
        seen = {}
        for home, items in homes.items():
            seen |= those(records, home, sorted({item for item in items if item}))
        return (thing for thing in things if not fits(thing, seen.get(other(thing))))

    def _can_be_claimed(self, account: Account) -> bool:
        try:
            claim(account.email)
        except InvalidName:
            self._note(Finding("invalid", account.email, account.name))
            return False
        return True

    def _look_at_account(self, read: Account) -> None:
        """The account's address may be unclaimed, or another's."""
        item = claim(read.email)
        holder = self.store.claims.find(read.email)
        # Read after the claim: a claim goes only once the account has let go of the address.
        account = self.store.get(read.name)
        if not account or account.id != read.id or not account.email or claim(account.email) != item:
            return
        if holder and holder.id == account.id:
            return
        if holder:
            return self._note(Finding("shared", account.email, account.name, holder.name))
        if self._is_young(account.updated):
            return None
        return self._claim(account, item)

    def _claim(self, account: Account, item: str) -> None:
        if not self.change:
            with self._lock:
                holder = self._planned.setdefault(item, account.name)
        else:
            try:
                self.store.claims.take(account, account.email)
                holder = account.name
            except EmailTaken:
                found = self.store.claims.find(account.email)
                if not found or found.id == account.id:
                    return None  # somebody is at work on it
                holder = found.name
        if holder == account.name:
            return self._note(Finding("unclaimed", account.email, account.name))
        return self._note(Finding("shared", account.email, account.name, holder))

    def _look_at_claim(self, item: str, read: Slot) -> None:
        """The claim may be an orphan."""
        slot = self.store.records.get(item)
        if not slot or not self.store.claims.is_orphan(item, slot):
            return
        if self.change:
            try:
                self.store.records.delete(item, slot.home, slot.text)
            except Changed:
                return  # somebody took the address just now
        values = dict(slot.pairs)
        self._note(Finding("orphan", address_of(item), values.get("account", "")))

    def _is_young(self, at: str) -> bool:
        made = moment(at)
        return bool(made) and self.store.now() - made < GRACE

    def _note(self, finding: Finding) -> None:
        with self._lock:
            self.report.found[finding.kind] += 1
            self._tell(finding)


def fits_account(account: Account, slot: Slot | None) -> bool:
    """Whether what was read under the name of the account's claim is its claim."""
    values = dict(slot.pairs) if slot else {}
    return (values.get("id"), values.get("account")) == (account.id, canonical(account.name)) and not slot.barred


def fits_claim(claim_read: tuple[str, Slot], slot: Slot | None) -> bool:
    """Whether what was read under the name that the claim gives is its account."""
    item, own = claim_read
    values = dict(slot.pairs) if slot else {}
    try:
        same = bool(values.get("email")) and claim(values["email"]) == item
    except InvalidName:
        return False
    return same and values.get("id") == dict(own.pairs).get("id") and not slot.barred


def address_of(item: str) -> str:
    """The address, as folded, of a claim."""
    return item.partition(" ")[2]


def in_batches(items: Iterator, most: int) -> Iterator[list]:
    """Lists of at most `most`."""
    try:
        while batch := list(islice(items, most)):
            yield batch
    finally:
        items.close()
