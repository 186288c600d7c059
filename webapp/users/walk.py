"""All accounts, or their number: every shard at once, a page of each in memory.

A shard is read in the order of its items' names, so that a place in it is a name, and stays one while users are moved:
where one map ends and the next begins, a shard's reading goes on behind the last name it gave.
"""

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from webapp.users.records import Records
from webapp.users.shardmap import MOVING, ShardMap
from webapp.users.shards import CLAIM, domain_of
from webapp.users.slots import COPY, LIVE, MIXED, Slot, authority

PAGE = 1000  # items asked for at once; SimpleDB cuts a page at 1 MB
AT_ONCE = 8  # shards
WORDS = 20  # values that one predicate may have


def slots(records: Records, at_once: int = AT_ONCE) -> Iterator[tuple[str, Slot]]:
    """(item, slot) of each item that is there, accounts and claims, in no order.

    An item that is made or deleted meanwhile may or may not show; every other shows once, also when it is moved. The
    error of a shard that cannot be read is raised at the end, when the others have been given.
    """
    numbers = range(min(records.maps.now().before, records.maps.now().after))
    given: queue.Queue = queue.Queue(maxsize=2 * at_once)
    stop = threading.Event()

    def give(what):
        while not stop.is_set():
            try:
                return given.put(what, timeout=0.1)
            except queue.Full:
                continue

    def read(number):
        try:
            for batch in _family(records, number, len(numbers)):
                give(batch)
                if stop.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - it is raised where the items are taken
            give(error)
        finally:
            give(None)

    with ThreadPoolExecutor(at_once, thread_name_prefix="shard") as pool:
        reading = [pool.submit(read, number) for number in numbers]
        open_, failure = len(reading), None
        try:
            while open_:
                what = given.get()
                if what is None:
                    open_ -= 1
                elif isinstance(what, Exception):
                    failure = what
                else:
                    yield from what
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
        if failure:
            raise failure


def quoted(text: str) -> str:
    """A value in a Select expression."""
    return "'" + text.replace("'", "''") + "'"


def page(records: Records, home: str, after: str = "", most: int = PAGE) -> list[tuple[str, Slot]]:
    """The next items of a domain behind the name `after`, in the order of their names; none at its end."""
    expression = f"select * from `{home}` where itemName() > {quoted(after)} order by itemName() limit {most}"
    for answer in selected(records, home, expression):
        # A page may be empty and not be the last: the service gives up after five seconds.
        if answer:
            return [(each["Name"], _slot(records, home, each)) for each in answer]
    return []


def those(records: Records, home: str, items: list[str]) -> dict[str, Slot]:
    """The slots of these items in one domain, as they are now."""
    found = {item: Slot(home) for item in items}
    for start in range(0, len(items), WORDS):
        words = ", ".join(quoted(item) for item in items[start : start + WORDS])
        for answer in selected(records, home, f"select * from `{home}` where itemName() in ({words})"):
            found |= {each["Name"]: _slot(records, home, each) for each in answer}
    return found


def _slot(records, home, found):
    """The slot that a Select found; asked for again by itself when an import has only just written to it too."""
    slot = Slot.read(home, found.get("Attributes", []))
    return records.slot(home, found["Name"]) if slot.kind == MIXED else slot


def selected(records: Records, home: str, expression: str) -> Iterator[list[dict]]:
    """The items of each page of a Select."""
    token = {}
    while True:
        answer = records.calls("select", home, SelectExpression=expression, ConsistentRead=True, **token)
        yield answer.get("Items", [])
        if "NextToken" not in answer:
            return
        token = {"NextToken": answer["NextToken"]}


def count(records: Records) -> int:
    """How many accounts there are. While users are moved, an account on its way may count twice."""
    shard_map = records.maps.now()
    numbers = range(max(shard_map.before, shard_map.after) if shard_map.phase == MOVING else shard_map.after)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(lambda number: count_of(records, domain_of(number, records.prefix)), numbers))


def count_of(records: Records, home: str) -> int:
    """How many accounts a domain holds, what is left of those that were moved away not counted."""
    # A live version begins with a digit; of the words that others begin with, `copy` alone can be an account.
    expression = f"select count(*) from `{home}` where name > '' and (version < 'a' or version like 'copy %')"
    pages = selected(records, home, expression)
    return sum(int(each["Attributes"][0]["Value"]) for page in pages for each in page)


def _family(records: Records, number: int, base: int) -> Iterator[list[tuple[str, Slot]]]:
    """Pages of the items whose hash modulo `base` is `number`, in whichever domains they are."""
    done = ""
    while True:
        shard_map = records.maps.now()
        for batch, last in _pages(records, shard_map, number, base, done):
            # What was left behind goes only when every map of before has run out; by a newer one, read this page again.
            if records.maps.now().generation != shard_map.generation:
                break
            yield batch
            done = last
        else:
            return


def _pages(records: Records, shard_map: ShardMap, number: int, base: int, done: str):
    """(items, the last name read), page after page behind the name `done`, by one map.

    While users move, every account has an item in the lower of its two shards: it is there, has gone from there, or
    was kept from being made there. So that shard alone is read, and what went elsewhere is fetched.
    """
    top = min(shard_map.before, shard_map.after) if shard_map.phase == MOVING else shard_map.after
    homes = [domain_of(home, records.prefix) for home in range(number, top, base)]
    waiting = {home: page(records, home, done) for home in homes}
    while waiting := {home: items for home, items in waiting.items() if items}:
        # Only up to the first of the last names do we know that no domain has another item.
        last = min(items[-1][0] for items in waiting.values())
        batch = []
        for home, items in waiting.items():
            batch += _present(records, shard_map, home, [each for each in items if each[0] <= last])
            waiting[home] = [each for each in items if each[0] > last] or page(records, home, last)
        yield batch, last


def _present(records: Records, shard_map: ShardMap, home: str, items: list) -> list[tuple[str, Slot]]:
    """Of the items read from one domain those that are there, each as it is where it is now."""
    found, elsewhere = [], {}
    for item, slot in items:
        places = shard_map.places(item, records.prefix)
        if home not in places:
            continue  # left over from an earlier division, or nobody's
        if slot.kind == LIVE or (slot.kind == COPY and (len(places) == 1 or slot.generation < shard_map.division)):
            found.append((item, slot))
        elif len(places) > 1:
            there = places[0] if places[1] == home else places[1]
            elsewhere.setdefault(there, {})[item] = slot
    for there, left in elsewhere.items():
        for item, slot in those(records, there, list(left)).items():
            if account := authority(left[item], slot, shard_map.division):
                found.append((item, account))
    return found


def is_account(item: str) -> bool:
    """Whether the item is an account and not a claim to an address."""
    return not item.startswith(CLAIM)
