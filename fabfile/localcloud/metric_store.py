"""Metrics in one SQLite file: kept by series, read in bins aligned to the period, thinned out as they grow old."""

import json
import math
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

MINUTE, HOUR, DAY = 60, 3600, 86400
# CloudWatch keeps a point this long at this resolution (seconds), and then a coarser one.
RETENTION = ((3 * HOUR, 60), (15 * DAY, 300), (63 * DAY, 3600))
FORGOTTEN = 455 * DAY
SILENT = 14 * DAY  # ListMetrics no longer shows a metric without data for so long
PAGE = 500  # metrics of one page of ListMetrics

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, newest INTEGER NOT NULL,
    namespace TEXT NOT NULL, name TEXT NOT NULL, dimensions TEXT NOT NULL,
    UNIQUE (namespace, name, dimensions)
);
CREATE TABLE IF NOT EXISTS points (
    series INTEGER NOT NULL, time INTEGER NOT NULL, span INTEGER NOT NULL, unit TEXT NOT NULL,
    count REAL NOT NULL, sum REAL NOT NULL, least REAL NOT NULL, most REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS points_by_time ON points (series, time);
CREATE INDEX IF NOT EXISTS points_by_age ON points (span, time);
"""


@dataclass
class Bin:
    """What was put within one period. `values` is {value: how often}, or None once a set of statistics is among it."""

    count: float = 0.0
    sum: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    values: dict | None = field(default_factory=dict)

    def add(self, count, total, least, most):
        self.count += count
        self.sum += total
        self.least, self.most = min(self.least, least), max(self.most, most)
        if self.values is None or least != most:
            self.values = None
        else:
            self.values[least] = self.values.get(least, 0) + count

    def statistic(self, name):
        """The value of "Average", "Sum", ..., or of a percentile ("p99.9"); None where it cannot be told."""
        match name:
            case "SampleCount":
                return self.count
            case "Average":
                return self.sum / self.count if self.count else None
            case "Sum":
                return self.sum
            case "Minimum":
                return self.least
            case "Maximum":
                return self.most
        return self._percentile(float(name[1:]))

    def _percentile(self, percent):
        if not self.values:
            return None
        ordered = sorted(self.values.items())
        wanted, passed = percent / 100 * self.count, 0.0
        for value, count in ordered:
            passed += count
            if passed >= wanted:
                return value
        return ordered[-1][0]


class MetricStore:
    """All metrics of one cloud. Times are whole seconds since the epoch. May be used by any thread."""

    def __init__(self, path):
        self._lock = threading.Lock()
        self._link = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._link.execute("PRAGMA journal_mode = WAL")
        self._link.execute("PRAGMA synchronous = NORMAL")
        self._link.executescript(_SCHEMA)

    def put(self, namespace, name, dimensions, rows):
        """Add rows of (time, span, unit, count, sum, least, most) to one series. `dimensions` is a dict."""
        with self._change() as link:
            series = self._series(link, namespace, name, dimensions, max(row[0] for row in rows))
            link.executemany("INSERT INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(series, *row) for row in rows])

    def replace(self, namespace, name, dimensions, time, unit, value):
        """Make `value` the one point of its minute."""
        with self._change() as link:
            series = self._series(link, namespace, name, dimensions, time)
            link.execute("DELETE FROM points WHERE series = ? AND time = ?", (series, time))
            row = (series, time, MINUTE, unit, 1, value, value, value)
            link.execute("INSERT INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def bins(self, namespace, name, dimensions, start, end, period, unit=None):
        """{(begin of the period, unit): Bin} of the points with start <= time < end."""
        query = (
            "SELECT time, unit, count, sum, least, most FROM points JOIN series ON series.id = points.series"
            " WHERE namespace = ? AND name = ? AND dimensions = ? AND time >= ? AND time < ? ORDER BY time"
        )
        with self._lock:
            rows = self._link.execute(query, (namespace, name, _spelled(dimensions), start, end)).fetchall()
        found = {}
        for time, there, *figures in rows:
            if unit in (None, there):
                found.setdefault((time // period * period, there), Bin()).add(*figures)
        return found

    def list(self, now, namespace=None, name=None, filters=(), recent=False, after=0):
        """(metrics, the position after the last one or None): (namespace, name, dimensions) of one page.

        `filters` is a list of (dimension's name, value or None for any); `recent` asks for data within 3 hours.
        """
        query = "SELECT id, namespace, name, dimensions FROM series WHERE id > ? AND newest > ?"
        values = [after, now - (3 * HOUR if recent else SILENT)]
        for column, wanted in (("namespace", namespace), ("name", name)):
            if wanted:
                query += f" AND {column} = ?"
                values.append(wanted)
        with self._lock:
            rows = self._link.execute(query + " ORDER BY id", values).fetchall()
        page = []
        for id, *names, spelled in rows:
            dimensions = dict(json.loads(spelled))
            if all(key in dimensions and value in (None, dimensions[key]) for key, value in filters):
                if len(page) == PAGE:
                    return [row[1:] for row in page], page[-1][0]
                page.append((id, *names, dimensions))
        return [row[1:] for row in page], None

    def thin(self, now):
        """Make old points coarser, and forget the oldest, as CloudWatch does."""
        with self._change() as link:
            for age, span in RETENTION:
                whole = (now - age) // span * span  # never half of a bin
                link.execute(
                    "INSERT INTO points SELECT series, time / :span * :span, :span + 0.5, unit, SUM(count), SUM(sum),"
                    " MIN(least), MAX(most) FROM points WHERE span < :span AND time < :whole"
                    " GROUP BY series, time / :span, unit",
                    {"span": span, "whole": whole},
                )
                link.execute("DELETE FROM points WHERE span < ? AND time < ?", (span, whole))
                link.execute("UPDATE points SET span = ? WHERE span = ?", (span, span + 0.5))
            link.execute("DELETE FROM points WHERE time < ?", (now - FORGOTTEN,))
            link.execute("DELETE FROM series WHERE newest < ?", (now - FORGOTTEN,))

    def close(self):
        with self._lock:
            self._link.close()

    @contextmanager
    def _change(self):
        with self._lock:
            self._link.execute("BEGIN IMMEDIATE")
            try:
                yield self._link
            except BaseException:
                self._link.execute("ROLLBACK")
                raise
            self._link.execute("COMMIT")

    @staticmethod
    def _series(link, namespace, name, dimensions, time):
        key = (namespace, name, _spelled(dimensions))
        query = (
            "INSERT INTO series (namespace, name, dimensions, newest) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET newest = MAX(newest, excluded.newest) RETURNING id"
        )
        return link.execute(query, (*key, time)).fetchall()[0][0]


def _spelled(dimensions):
    return json.dumps(sorted(dimensions.items()))
