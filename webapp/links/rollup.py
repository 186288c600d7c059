"""Takes the clicks of passed minutes from Redis into MySQL, each exactly once.

A batch is one minute's clicks under a name it has had since its first click; once its minute is over it never changes.
It is cut into parts by the ids of its links, always the same way. A part goes into MySQL in one transaction together
with a row that says so, and a part that has its row is never added again. Only then does Redis forget the batch. So it
does not matter where a worker is killed, how many of them run, or whether Redis comes back with older files.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import Error as DatabaseError
from django.db import IntegrityError, connection, transaction
from redis.exceptions import RedisError

from webapp.links import counter
from webapp.links.models import Day, LateClick, Link, Minute, Rollup, Total
from webapp.links.visits import AUTOMATIC

PART = 1000  # links in one transaction
LATE = 2000  # late clicks in one transaction
MINUTES_KEPT = timedelta(days=90)
# As long as a Redis could come back from a backup that still holds the batch.
ROLLUPS_KEPT = timedelta(days=400)
SWEPT = 5000  # rows at a time, so that no transaction is long

log = logging.getLogger(__name__)

Counts = dict[int, dict[str, int]]  # by link, by family


@dataclass
class Done:
    """What one pass has brought into MySQL."""

    batches: int = 0
    clicks: int = 0
    late: int = 0


@contextmanager
def only_one() -> Iterator[bool]:
    """Whether this process may roll up: one at a time, for the sake of work and not of the figures.

    The lock is the connection's own, so that whoever is killed leaves none behind.
    """
    name = lock_name()
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", [name])
        got = cursor.fetchone()[0] == 1
    try:
        yield got
    finally:
        if got and connection.connection and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT RELEASE_LOCK(%s)", [name])


def lock_name() -> str:
    """The lock is the server's, which may hold other stages' databases too."""
    return f"{connection.settings_dict['NAME']}.rolluplinks"[-64:]


def roll_up(stopped: Callable[[], bool] = lambda: False) -> Done:
    """Bring everything that is closed or late into MySQL; between two transactions `stopped` may end it early.

    Raises RedisError and DatabaseError, after it has tried every batch: one that fails holds up no other. What was not
    brought over is brought over next time.
    """
    done, failure = Done(), None
    while not stopped() and (late := roll_late()):
        done.late += late
    for name in counter.closed_batches():
        if stopped():
            break
        try:
            done.clicks += roll_batch(name)
            done.batches += 1
        except (RedisError, DatabaseError) as error:
            log.error("batch %s stays for the next pass: %s: %s", name, type(error).__name__, error)
            failure = failure or error
    if failure:
        raise failure
    return done


def roll_batch(name: str) -> int:
    """One batch, part by part; gives how many clicks were added now."""
    at = datetime.fromtimestamp(int(name.partition("-")[0]) * 60, UTC)
    counts, added = counter.batch_of(name), 0
    links = sorted(counts)
    for part, begin in enumerate(range(0, len(links), PART)):
        added += roll_part(name, part, at, {link: counts[link] for link in links[begin : begin + PART]})
    counter.drop(name)
    return added


def roll_part(name: str, part: int, at: datetime, counts: Counts) -> int:
    """One part, unless it is there; gives how many clicks were added now."""
    there = Rollup.objects.filter(batch=name, part=part)
    if there.exists():
        return 0
    try:
        with transaction.atomic():
            Rollup.objects.create(batch=name, part=part, first_link=min(counts), last_link=max(counts))
            return add(at.date(), {at: counts})
    except IntegrityError:
        if there.exists():  # another worker was quicker
            return 0
        raise


def roll_late() -> int:
    """Some of the clicks that Redis could not count; gives how many. They leave their table in the same transaction."""
    with transaction.atomic():
        rows = list(LateClick.objects.select_for_update().order_by("pk")[:LATE])
        days = defaultdict(lambda: defaultdict(lambda: defaultdict(lambda: defaultdict(int))))
        visitors = defaultdict(set)
        for row in rows:
            days[row.at.date()][row.at][row.link_id][row.family] += 1
            if row.family != AUTOMATIC:
                visitors[row.link_id, day_number(row.at.date())].add(row.visitor)
        if visitors:
            counter.add_visitors(visitors)
        for day, minutes in days.items():
            add(day, minutes)
        LateClick.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def add(day: date, minutes: dict[datetime, Counts]) -> int:
    """Add the clicks of some minutes of one day to the tables, inside a transaction; gives how many those are.

    Links that are gone are left out. The others are locked, so that nobody else joins their visitors meanwhile. What
    was automatic is in the table of sources alone.
    """
    links = {link for counts in minutes.values() for link in counts}
    there = set(Link.objects.select_for_update().filter(pk__in=links).order_by("pk").values_list("pk", flat=True))
    counter.forget_visitors([(link, day_number(day)) for link in links - there])
    by_minute, by_source, by_link = defaultdict(int), defaultdict(int), defaultdict(int)
    for at, counts in minutes.items():
        for link in there & counts.keys():
            for family, clicks in counts[link].items():
                by_source[link, family] += clicks
                if family != AUTOMATIC:
                    by_minute[link, at] += clicks
                    by_link[link] += clicks
    joined = join_visitors(day, sorted(by_link))
    upsert("minute", ("link_id", "at"), [(*key, clicks) for key, clicks in sorted(by_minute.items())])
    upsert("source", ("link_id", "family"), [(*key, clicks) for key, clicks in sorted(by_source.items())])
    sketched = ("visitors", "sketch")
    upsert("day", ("link_id", "day"), [(link, day, by_link[link], *joined[link][:2]) for link in joined], sketched)
    upsert("total", ("link_id",), [(link, by_link[link], *joined[link][2:]) for link in joined], sketched)
    return sum(by_link.values())


def join_visitors(day: date, links: list[int]) -> dict[int, tuple]:
    """By link: visitors of the day and their sketch, all visitors and their sketch."""
    days = dict(Day.objects.filter(link__in=links, day=day).values_list("link_id", "sketch"))
    totals = dict(Total.objects.filter(link__in=links).values_list("link_id", "sketch"))
    number = day_number(day)
    known = {(link, number): (days.get(link, b""), totals.get(link, b"")) for link in links}
    return {link: tuple(found) for (link, _), found in counter.join_visitors(known).items()}


def upsert(table: str, key: tuple, rows: list[tuple], replaced: tuple = ()) -> None:
    """Insert rows of key, clicks and what is replaced, if any; where the key is there, its clicks are added to."""
    names = (*key, "clicks", *replaced)
    # VALUES() is older than MySQL's row alias, which MariaDB does not know.
    changes = ["clicks = clicks + VALUES(clicks)", *(f"{name} = VALUES({name})" for name in replaced)]
    signs = ", ".join(["%s"] * len(names))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO links_{table} ({', '.join(names)}) VALUES ({signs})"
            f" ON DUPLICATE KEY UPDATE {', '.join(changes)}",
            rows,
        )


def sweep(now: datetime, stopped: Callable[[], bool] = lambda: False) -> int:
    """Remove what is too old to be of use, some rows at a time; gives how many."""
    removed = 0
    for model, column, kept in [(Minute, "at", MINUTES_KEPT), (Rollup, "made", ROLLUPS_KEPT)]:
        old = model.objects.filter(**{f"{column}__lt": now - kept}).values_list("pk", flat=True)
        while not stopped() and (keys := list(old[:SWEPT])):
            removed += model.objects.filter(pk__in=keys).delete()[0]
    return removed


def day_number(day: date) -> int:
    """Days since 1970, by which Redis counts them."""
    return (day - date(1970, 1, 1)).days
