"""One domain's part of an import: items are asked for, those that are not there written 25 at a time, and read back.

BatchPutAttributes has no conditions. So that nothing is ever overwritten, also while people sign up: only what is not
there is written, and added, not put in place of anything. Whoever took the name in the moment between, his item then
has two versions; ours are taken out again, the value of each attribute that has two, by one call. As long as there are
two versions, no condition on one holds, so nobody else writes to the item, and who reads it asks again.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from webapp.users.bulk.batches import BATCH, batches, size_of
from webapp.users.bulk.rate import Rate
from webapp.users.calls import Calls
from webapp.users.errors import Changed, NoDomain, Unavailable
from webapp.users.records import Records, Taken
from webapp.users.slots import COPY
from webapp.users.walk import WORDS, quoted

PAUSE = 0.5  # seconds before a domain that did not answer is asked again
ROUND = 4 * BATCH  # items at most that are asked for, written and read back together
LINGER = 0.5  # seconds a round waits for more entries, while there are more to come
PATIENCE = 60.0  # seconds without one answer after which a domain is given up
TRIES = 20  # to take out again what was written at the same moment as another's


@dataclass(frozen=True)
class Entry:
    """An item to be made.

    The attribute `id` tells ours from another's. `before`, called before it is written, may take the entry back by
    returning False. `settle` is called with one of the outcomes below and the pairs that are there.
    """

    item: str
    values: dict[str, str]
    settle: Callable
    before: Callable[[], bool] = lambda: True

    @property
    def id(self) -> str:
        return self.values["id"]


MADE, THERE, TAKEN, LOST = "made", "there already", "taken", "lost"


class Lane:
    """A domain, its entries waiting, and the thread that makes them. Entries of one item are made in their order."""

    def __init__(
        self,
        domain: str,
        calls: Calls,
        records: Records,
        steady: Callable[[], None],
        broken: Callable[[Exception], None],
        patience: float = PATIENCE,
    ):
        """`steady` is called before each batch and raises what shall end the import; `broken` is told of that."""
        self.domain, self.patience = domain, patience
        self._calls, self._records, self._steady, self._broken = calls, records, steady, broken
        self._clock = calls.clock
        self.rate = Rate(calls.clock, calls.sleep)
        self._waiting: deque[Entry] = deque()
        self._open: dict[str, Entry] = {}  # of this round, by their items
        self._written: set[str] = set()  # items that were sent and not read back
        self._changed, self._closing = threading.Condition(), False
        self._hurried = False
        self._answered = self._clock()
        self.failure: Unavailable | None = None  # why the domain was given up
        self.trouble = ""  # why an item could not be made
        self._thread = threading.Thread(target=self._run, name=domain, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def push(self, entry: Entry) -> None:
        """One more entry; never waits."""
        with self._changed:
            self._waiting.append(entry)
            if len(self._waiting) in (1, ROUND) or self._hurried:
                self._changed.notify()

    def hurry(self) -> None:
        """Wait for no more entries: the last have come, or are waited for elsewhere."""
        with self._changed:
            self._hurried = True
            self._changed.notify()

    def close(self) -> None:
        """End when nothing waits any more; returns then."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self):
        try:
            while entries := self._take():
                if not self.failure:
                    self._try(entries)
                if self.failure:
                    for entry in list(self._open.values()):
                        self._settled(entry, LOST, {})
        except Exception as error:  # noqa: BLE001 - it is raised where the import was asked for
            self._broken(error)

    def _try(self, entries):
        try:
            self._round(entries)
        except NoDomain as error:
            self.failure = error
        except Unavailable as error:
            if self._clock() - self._answered > self.patience:
                self.failure = error
            else:
                self._calls.sleep(PAUSE)

    def _take(self) -> list[Entry]:
        """What the last round left, or the next entries, no item twice; none when all is done."""
        if self._open:
            return list(self._open.values())
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            self._changed.wait_for(lambda: len(self._waiting) >= ROUND or self._hurried or self._closing, LINGER)
            many = len(self._waiting)
            most = min(ROUND, many if self._hurried or many < BATCH else many // BATCH * BATCH)
            while self._waiting and len(self._open) < most and self._waiting[0].item not in self._open:
                entry = self._waiting.popleft()
                self._open[entry.item] = entry
        self._answered = self._clock()  # a domain of which nothing was wanted has not been silent
        return list(self._open.values())

    def _settled(self, entry: Entry, outcome: str, pairs: dict[str, str]):
        self._answered = self._clock()
        del self._open[entry.item]
        self._written.discard(entry.item)
        entry.settle(outcome, pairs)

    # -- one round -------------------------------------------------------------------------------------------------

    def _round(self, entries: list[Entry]) -> None:
        """Make the entries. What an error leaves behind is looked at by the next round."""
        self._steady()
        unread = []
        for batch in batches(self._absent(entries), _size):
            self.rate.wait()
            batch = [entry for entry in batch if entry.before() or self._taken_back(entry)]
            if not batch:
                continue
            self._steady()  # last: a map is used no longer than one call takes
            self._put(batch)
            unread += batch
            # One Select reads 20: the rest waits for the next, but not for a slow domain's.
            now = len(unread) if self.rate.limit else len(unread) // WORDS * WORDS
            self._read_back(unread[:now])
            unread = unread[now:]
        self._read_back(unread)

    def _taken_back(self, entry):
        del self._open[entry.item]
        return False

    def _put(self, batch):
        items = [
            {"Name": entry.item, "Attributes": [{"Name": n, "Value": v} for n, v in entry.values.items()]}
            for entry in batch
        ]
        self._written.update(entry.item for entry in batch)
        self._calls("batch_put_attributes", self.domain, Items=items)
        self._answered = self._clock()

    def _read_back(self, entries):
        found = self._look(entries, "version")
        for entry in entries:
            versions = [each["Value"] for each in found.get(entry.item, ())]
            if versions == [entry.values["version"]] or not versions:  # or deleted by its owner since
                self._settled(entry, MADE, entry.values)
            else:
                self._settled(entry, *self._closely(entry))

    def _look(self, entries: list[Entry], names: str) -> dict[str, list[dict]]:
        """These attributes of the items that are there, as they are now."""
        found = {}
        for start in range(0, len(entries), WORDS):
            words = ", ".join(quoted(entry.item) for entry in entries[start : start + WORDS])
            expression = f"select {names} from `{self.domain}` where itemName() in ({words})"
            answer = self._calls("select", self.domain, SelectExpression=expression, ConsistentRead=True)
            found |= {each["Name"]: each.get("Attributes", []) for each in answer.get("Items", [])}
        return found

    def _absent(self, entries: list[Entry]) -> list[Entry]:
        """Settle what is there already; returns the entries whose items are not."""
        found, absent = self._look(entries, "id, version, at"), []
        for entry in entries:
            if (attributes := found.get(entry.item)) is None:
                absent.append(entry)
            else:
                self._judge(entry, attributes)
        return absent

    def _judge(self, entry, attributes):
        pairs = {each["Name"]: each["Value"] for each in attributes}
        single = len(pairs) == len(attributes)
        if single and "id" in pairs and pairs.get("version", "")[:1].isdigit():
            self._settled(entry, self._outcome(entry, pairs), pairs)
        else:
            self._settled(entry, *self._closely(entry))

    def _outcome(self, entry, pairs):
        if pairs.get("id") != entry.id:
            return TAKEN
        return MADE if entry.item in self._written else THERE

    def _closely(self, entry: Entry) -> tuple[str, dict[str, str]]:
        """What becomes of an entry whose item is there and is nobody's, or of two: looked at by itself."""
        for _ in range(TRIES):
            there: dict[str, list[str]] = {}
            for each in self._whole(entry.item):
                there.setdefault(each["Name"], []).append(each["Value"])
            versions = there.get("version", [])
            if len(versions) > 1:
                self._withdraw(entry, there)
            elif versions and versions[0][:1].isdigit() or versions and versions[0].startswith(f"{COPY} "):
                pairs = {name: values[0] for name, values in there.items()}
                return self._outcome(entry, pairs), pairs
            elif self._make(entry, there):
                return MADE, entry.values
        self.trouble = f"an item of the domain {self.domain} changes all the time"
        return LOST, {}

    def _whole(self, item):
        return self._calls("get_attributes", self.domain, ItemName=item, ConsistentRead=True).get("Attributes", [])

    def _withdraw(self, entry, there):
        """Take our values out of an item that has another's too. Asked for once: then it is looked at again."""
        self._written.add(entry.item)
        ours = [
            {"Name": name, "Value": entry.values[name]}
            for name, values in there.items()
            if len(values) > 1 and entry.values.get(name) in values
        ]
        if entry.values["version"] not in there["version"] or not ours:
            self._calls.sleep(PAUSE)  # two others met here, and are about to part
            return
        with contextlib.suppress(Unavailable):
            self._calls("delete_attributes", self.domain, 1, ItemName=entry.item, Attributes=ours)

    def _make(self, entry, there):
        """Make the item where nobody has it; whether that was done."""
        try:
            if there.get("version"):  # what a division of the shards left
                self._records.create(entry.item, entry.values)
                return True
            # What two imports left that met here and both withdrew.
            values = {name: "" for name in there if name not in entry.values} | entry.values
            attributes = [{"Name": name, "Value": value, "Replace": True} for name, value in values.items()]
            expected = {"Name": "version", "Exists": False}
            self._calls("put_attributes", self.domain, ItemName=entry.item, Attributes=attributes, Expected=expected)
        except (Changed, Taken):
            return False
        return True


def _size(entry):
    return size_of(entry.item, entry.values, entry.values.values())
