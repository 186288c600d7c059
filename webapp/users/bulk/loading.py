"""Loads rows into the accounts of a stage: every shard by itself, all at once.

An e-mail address is claimed before the account that has it is made, as claims.py tells; the claim is renewed if that
takes long. Where accounts must not be made this way, since users are being moved between shards, the import ends.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from webapp.users.account import following, moment, timestamp
from webapp.users.bulk.conflicts import explain
from webapp.users.bulk.lane import LOST, MADE, PATIENCE, TAKEN, THERE, Entry, Lane
from webapp.users.bulk.progress import COUNTS, Progress, Rejection
from webapp.users.bulk.rows import Row, Unfit, row_of
from webapp.users.bulk.turns import Turns
from webapp.users.bulk.window import FAILED, Window
from webapp.users.bulk.wire import hasten
from webapp.users.claims import GRACE
from webapp.users.errors import Changed, EmailTaken, StoreError, Unavailable
from webapp.users.shardmap import STEADY
from webapp.users.shards import claim, domains, item_hash
from webapp.users.slots import plain
from webapp.users.store import AccountStore

AHEAD = 250  # rows under way for each shard
TICK = 0.25  # seconds between two words on how far it is
NAME_TAKEN = "the name {name} is taken"
EMAIL_TAKEN = "the e-mail address {email} is taken"
SAVED = 1.0  # seconds between two notes of the progress
AGE = GRACE - timedelta(seconds=60)  # of a claim, beyond which it is renewed before its account is made


class Moving(StoreError):
    """Users are being moved between the shards, so that accounts cannot be imported now."""


class Halted(Exception):
    """The import ends before its time."""


@dataclass(frozen=True)
class Told:
    """How far an import is: `line` all is done up to, `counts` by their names, `slowed` domains that were too busy."""

    line: int
    counts: dict[str, int]
    failed: int
    slowed: int

    @property
    def rows(self) -> int:
        """How many rows have been dealt with, by earlier runs too."""
        return sum(self.counts[name] for name in ("imported", "present", "rejected")) + self.failed


@dataclass(frozen=True)
class Summary:
    """How an import ended. `failed` rows are those of domains in `failures`, which tells why; they can be tried again.

    `imported` were made, `present` were there already, by an earlier run for instance; `rejected` are in the report, as
    are the `without_email` of the imported.
    """

    imported: int
    present: int
    rejected: int
    without_email: int
    failed: int
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether every row is an account now."""
        return not self.rejected and not self.failed


class Loader:
    """One import. `tell` is called with a Told several times a second."""

    def __init__(
        self,
        store: AccountStore,
        progress: Progress,
        drop_taken_emails: bool = False,
        tell: Callable[[Told], None] = lambda told: None,
        patience: float = PATIENCE,
    ):
        """`patience`: seconds after which a domain that does not answer is given up; the others go on."""
        self._store, self._progress, self._drop, self._tell = store, progress, drop_taken_emails, tell
        hasten(store.calls.client)
        self._calls = replace(store.calls, busy=self._busy)
        self._map, self._halted = store.maps.now(), False
        self._steady()
        self._broken: list[BaseException] = []
        self._began = progress.began or timestamp(store.now())
        names = domains(store.records.prefix, self._map.count)
        self._lanes = [
            Lane(name, self._calls, store.records, self._steady, self._broken.append, patience) for name in names
        ]
        self._by_name = {lane.domain: lane for lane in self._lanes}
        self._window = Window(AHEAD * len(names), progress.done, progress.counts)
        self._turns = Turns(self._start)
        self._saved = 0.0

    def load(
        self, records: Iterable[tuple[int, dict | Unfit]], again: Callable | None = None, unit: str = "line"
    ) -> Summary:
        """Load the records of a source, from behind progress.done on; returns how that ended.

        `again` gives the records from the beginning once more, if it can: rows that could not have what another row
        has are then told which it is; `unit` is what their numbers count.
        Raises Moving, Unavailable, and what `records` raises; what was done until then is noted.
        """
        for lane in self._lanes:
            lane.start()
        try:
            for line, record in records:
                self._admit(line, record)
            self._drain()
            self._save()
            if again and not self._window.failed:
                explain(self._progress, again(), self._began, unit)
        except BaseException:
            self._halted = True
            raise
        finally:
            for lane in self._lanes:
                lane.close()
            self._save()
        counts = self._window.counts
        told = {lane.domain: str(lane.failure or lane.trouble) for lane in self._lanes}
        failures = {name: why for name, why in told.items() if why}
        return Summary(**{name: counts[name] for name in COUNTS}, failed=self._window.failed, failures=failures)

    # -- the rows, in the thread that reads them -------------------------------------------------------------------

    def _admit(self, line, record):
        while not self._window.open(line, TICK):
            self._look_up()
        self._look_up(every=SAVED)
        try:
            if isinstance(record, Unfit):
                raise record
            row = row_of(line, record, self._began)
        except Unfit as unfit:
            self._window.close(line, "rejected", Rejection(line, unfit.name, str(unfit)))
            return
        self._turns.enter(row)

    def _drain(self):
        for lane in self._lanes:
            lane.hurry()
        while not self._window.empty(TICK):
            self._look_up()
        self._look_up()

    def _look_up(self, every=0.0):
        """Raise what went wrong meanwhile; tell how far it is and note it from time to time."""
        if self._broken:
            raise self._broken[0]
        now = time.monotonic()
        if now - self._saved < every:
            return
        if all(lane.failure for lane in self._lanes):
            raise self._lanes[0].failure
        if now - self._saved >= SAVED:
            self._save()
            self._saved = now
        slowed = sum(lane.rate.limit is not None for lane in self._lanes)
        self._tell(Told(self._window.done, self._window.counts, self._window.failed, slowed))

    def _save(self):
        done, counts, rejections = self._window.take()
        self._progress.save(done, self._began, counts, rejections)

    # -- one row, in the threads of the shards ---------------------------------------------------------------------

    def _start(self, row: Row):
        if row.claim:
            self._claim(row)
        else:
            self._make(row)

    def _claim(self, row: Row):
        """Have the address claimed, and then the account made."""
        at = timestamp(self._store.now())
        drawn = hashlib.sha256(f"{row.claim} {row.account.id}".encode()).hexdigest()
        values = {"account": row.item, "id": row.account.id, "at": at, "version": f"0000000001.{drawn[:16]}"}

        def settle(outcome, pairs):
            if outcome == TAKEN:
                self._claim_by_itself(row, pairs)
            elif outcome == LOST:
                self._close(row.line, FAILED)
            else:
                self._make(row, pairs.get("at", ""), new=outcome == MADE)

        self._lane(row.claim).push(Entry(row.claim, values, settle))

    def _claim_by_itself(self, row, pairs):
        """Another has the claim: perhaps nobody any more."""
        try:
            self._store.claims.take(row.account, row.account.email)
        except EmailTaken:
            if self._drop:
                without = replace(row, account=replace(row.account, email=""), claim="")
                self._make(without, told=self._rejection(row, EMAIL_TAKEN, row.claim, pairs, imported=True))
            else:
                self._close(row.line, "rejected", self._rejection(row, EMAIL_TAKEN, row.claim, pairs))
        except Unavailable:
            self._close(row.line, FAILED)
        else:
            self._make(row, timestamp(self._store.now()))

    def _make(self, row: Row, claimed_at: str = "", new: bool = False, told: Rejection | None = None):
        """Have the account made, whose claim may be `new`; `told` is what to tell of it besides."""

        def before():
            return not row.claim or self._still_claimed(row, claimed_at)

        def settle(outcome, pairs):
            if outcome == LOST:
                return self._close(row.line, FAILED)
            if outcome == TAKEN:
                if row.claim:
                    self._store.claims.release(row.account, row.account.email)
                return self._close(row.line, "rejected", self._rejection(row, NAME_TAKEN, row.item, pairs))
            if outcome == THERE and new:
                self._give_back(row)
            return self._close(row.line, "imported" if outcome == MADE else "present", told)

        self._lane(row.item).push(Entry(row.item, row.account.values(), settle, before))

    def _give_back(self, row):
        """Release the address that was claimed for an account which was there, and may have another by now.

        What cannot be done now is an orphan, which harms nobody.
        """
        with contextlib.suppress(StoreError, ValueError):
            account = self._store.get(row.account.name)
            if not account or not account.email or claim(account.email) != row.claim:
                self._store.claims.release(row.account, row.account.email)

    def _still_claimed(self, row, claimed_at):
        """Whether the account may be made now: nobody may have its address when its claim has grown old."""
        now = self._store.now()
        if claimed_at and now - moment(claimed_at) < AGE:
            return True
        slot = self._store.records.get(row.claim)
        if slot and dict(slot.pairs).get("id") == row.account.id:
            values = dict(slot.pairs) | {"at": timestamp(now), "version": following(plain(slot.text))}
            with contextlib.suppress(Changed):
                self._store.records.replace(row.claim, slot.home, slot.text, values)
                return True
        self._claim(row)
        return False

    def _close(self, line, outcome, rejection=None):
        self._window.close(line, outcome, rejection)
        self._turns.leave(line)

    @staticmethod
    def _rejection(row, reason, item, pairs, imported=False):
        said = reason.format(name=row.account.name, email=row.account.email)
        return Rejection(row.line, row.account.name, said, imported, item, pairs.get("id", ""))

    def _lane(self, item: str) -> Lane:
        return self._lanes[item_hash(item) % self._map.count]

    def _busy(self, domain):
        if lane := self._by_name.get(domain):
            lane.rate.slower()

    def _steady(self):
        if self._halted:
            raise Halted
        now = self._store.maps.now()
        if now.phase != STEADY or now.generation != self._map.generation:
            raise Moving(
                "users are being moved between the shards, and accounts made now could be lost: wait until"
                " `sdb.reshard` has finished, and run this again; it goes on from here"
            )
