"""What is known of one link this very moment: MySQL's figures and what Redis has counted since."""

import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import connection
from django.utils import timezone
from redis.exceptions import RedisError

from webapp.links import counter
from webapp.links.visits import AUTOMATIC

MINUTES = 60
DAYS = 30

log = logging.getLogger(__name__)

# One statement, and so one moment: a batch that is rolled up between two would be counted twice, or not at all.
# MySQL gives each kind of row the same three columns: what it is, of what, how much.
KNOWN = """
SELECT 'total' AS kind, '' AS name, clicks FROM links_total WHERE link_id = %(link)s
UNION ALL SELECT 'visitors', '', visitors FROM links_total WHERE link_id = %(link)s
UNION ALL SELECT 'today', '', visitors FROM links_day WHERE link_id = %(link)s AND day = %(today)s
UNION ALL SELECT 'minute', CAST(at AS CHAR(19)), clicks FROM links_minute WHERE link_id = %(link)s AND at > %(minutes)s
UNION ALL SELECT 'day', CAST(day AS CHAR(10)), clicks FROM links_day WHERE link_id = %(link)s AND day > %(days)s
UNION ALL SELECT 'source', family, clicks FROM links_source WHERE link_id = %(link)s
UNION ALL SELECT 'late', CONCAT(CAST(at AS CHAR(19)), '|', family), COUNT(*)
  FROM links_lateclick WHERE link_id = %(link)s GROUP BY at, family
UNION ALL SELECT 'batch', batch, 1 FROM links_rollup
  WHERE batch IN %(batches)s AND first_link <= %(link)s AND last_link >= %(link)s
"""


@dataclass(frozen=True)
class Figures:
    """A link's statistics. The lists are in the order of time, without gaps; `sources` has the largest first.

    What is `automatic` is in no other figure.
    """

    at: datetime
    live: bool  # False when Redis could not be asked: then all is as of the last minute
    clicks: int
    automatic: int
    visitors: int
    today: int  # visitors of today (UTC)
    minutes: list[tuple[datetime, int]]
    days: list[tuple[date, int]]
    sources: list[tuple[str, int]]


def figures_of(link: int) -> Figures:
    """The figures of the link with this id; one query and one question to Redis, however much there is."""
    try:
        seconds, today, waiting = counter.unrolled(link)
        now, live = datetime.fromtimestamp(seconds, UTC), True
    except RedisError as error:
        log.warning("statistics without Redis: %s: %s", type(error).__name__, error)
        now, today, waiting, live = timezone.now(), 0, [], False
    known = read(link, now, {batch for batch, _, _ in waiting})
    for batch, family, clicks in waiting:
        if batch not in known["batch"]:
            add(known, datetime.fromtimestamp(int(batch.partition("-")[0]) * 60, UTC), family, clicks)
    for name, clicks in known["late"].items():
        at, _, family = name.partition("|")
        add(known, as_moment(at), family, clicks)
    return figures(known, now, today, live)


def read(link: int, now: datetime, batches: set[str]) -> dict[str, dict]:
    """What MySQL knows: by kind, by name."""
    told = {
        "link": link,
        "today": now.date(),
        "minutes": (now - timedelta(minutes=MINUTES)).replace(tzinfo=None),
        "days": now.date() - timedelta(days=DAYS),
        "batches": tuple(batches) or ("",),
    }
    known = defaultdict(lambda: defaultdict(int))
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, told)
        for kind, name, number in cursor.fetchall():
            if kind == "minute":
                name = as_moment(name)
            elif kind == "day":
                name = date.fromisoformat(name)
            known[kind][name] += number
    return known


def add(known: dict, at: datetime, family: str, clicks: int) -> None:
    """Add clicks that are in none of MySQL's sums yet."""
    known["source"][family] += clicks
    if family != AUTOMATIC:
        known["total"][""] += clicks
        known["minute"][at] += clicks
        known["day"][at.date()] += clicks


def figures(known: dict, now: datetime, today: int, live: bool) -> Figures:
    """All of it in order."""
    minute = now.replace(second=0, microsecond=0)
    minutes = [minute - timedelta(minutes=back) for back in reversed(range(MINUTES))]
    days = [now.date() - timedelta(days=back) for back in reversed(range(DAYS))]
    today = max(today, known["today"][""])
    return Figures(
        at=now,
        live=live,
        clicks=known["total"][""],
        automatic=known["source"].pop(AUTOMATIC, 0),
        visitors=max(today, known["visitors"][""]),
        today=today,
        minutes=[(at, known["minute"][at]) for at in minutes],
        days=[(day, known["day"][day]) for day in days],
        sources=sorted(known["source"].items(), key=lambda source: (-source[1], source[0])),
    )


def as_moment(text: str) -> datetime:
    """A moment as MySQL writes it, which is UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
