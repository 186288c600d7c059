"""Writes the items of an export into a domain: accounts and claims alike, as they are, over nothing that is there."""

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from webapp.users.bulk.batches import batches, size_of
from webapp.users.bulk.exported import Item
from webapp.users.bulk.rate import Rate
from webapp.users.bulk.wire import hasten
from webapp.users.calls import Calls
from webapp.users.errors import StoreError, Unavailable
from webapp.users.walk import WORDS, quoted

GIVEN_UP = 15  # failures in a row after which a domain is given up, each with all the retries of Calls
# What XML cannot carry: SimpleDB answers such a text in base64.
_ENCODED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


class Occupied(StoreError):
    """The domain holds something that is not in the export."""


class Restoring:
    """The way of items into one domain. `tell` is called with how many are there."""

    def __init__(self, calls: Calls, domain: str, tell: Callable[[int], None] = lambda done: None):
        self.rate = Rate(calls.clock, calls.sleep)
        self.calls, self.domain, self.tell = replace(calls, busy=lambda _: self.rate.slower()), domain, tell
        hasten(calls.client)

    def run(self, items: Callable[[], Iterable[Item]], count: int) -> int:
        """Make the domain hold the `count` items that `items()` gives; returns how many were not there yet.

        What an earlier run left is taken for what it is. Raises Occupied, before anything is written if the domain
        holds another item, NoDomain, Unavailable.
        """
        there = self.count()
        if there and there != sum(len(same) for same, _ in self._compared(items())):
            raise Occupied(f"the domain {self.domain} holds items that are not in the export, and nothing was written")
        written = done = 0
        for same, absent in self._compared(items()):
            for batch in batches(absent, _size):
                self._put(batch)
            written += len(absent)
            done += len(same) + len(absent)
            self.tell(done)
        if self.count() != count:
            raise Occupied(f"the domain {self.domain} holds {self.count():,} items, and the export {count:,}")
        return written

    def count(self) -> int:
        """How many items the domain holds now."""
        total, token = 0, {}
        while True:
            answer = self._ask(f"select count(*) from `{self.domain}`", **token)
            total += sum(int(each["Attributes"][0]["Value"]) for each in answer.get("Items", []))
            if "NextToken" not in answer:
                return total
            token = {"NextToken": answer["NextToken"]}

    def _compared(self, items: Iterable[Item]) -> Iterator[tuple[list[Item], list[Item]]]:
        """(those that are there, those that are not) of the next hundred. Raises Occupied for one that differs."""
        items = iter(items)
        while chunk := list(islice(items, 5 * WORDS)):
            found = {}
            for start in range(0, len(chunk), WORDS):
                found |= self._those([name for name, _ in chunk[start : start + WORDS]])
            same, absent = [], []
            for name, pairs in chunk:
                now = found.get(shown(name))
                if now is not None and now != {(shown(key), shown(value)) for key, value in pairs}:
                    raise Occupied(f"the domain {self.domain} holds another item {name!r} than the export: look at it")
                (absent if now is None else same).append((name, pairs))
            yield same, absent

    def _those(self, names):
        words = ", ".join(quoted(name) for name in names)
        found, token = {}, {}
        while True:
            answer = self._ask(f"select * from `{self.domain}` where itemName() in ({words})", **token)
            for each in answer.get("Items", []):
                found[each["Name"]] = {(pair["Name"], pair["Value"]) for pair in each.get("Attributes", [])}
            if "NextToken" not in answer:
                return found
            token = {"NextToken": answer["NextToken"]}

    def _ask(self, expression, **token):
        return self._insist("select", SelectExpression=expression, ConsistentRead=True, **token)

    def _put(self, batch):
        self.rate.wait()
        listed = [
            {"Name": name, "Attributes": [{"Name": key, "Value": value} for key, value in pairs]}
            for name, pairs in batch
        ]
        self._insist("batch_put_attributes", Items=listed)

    def _insist(self, operation, **parameters):
        for _ in range(GIVEN_UP - 1):
            try:
                return self.calls(operation, self.domain, **parameters)
            except Unavailable as error:
                if not self.rate.limit or type(error) is not Unavailable:
                    raise
                self.rate.wait()
        return self.calls(operation, self.domain, **parameters)


def shown(text: str) -> str:
    """A text as SimpleDB answers it."""
    return base64.b64encode(text.encode()).decode() if _ENCODED.search(text) else text


def _size(item):
    name, pairs = item
    return size_of(name, [key for key, _ in pairs], [value for _, value in pairs])
