"""Lets rows that want the same name or address come one after the other, in the order of the source."""

import threading
from collections import deque
from collections.abc import Callable

from webapp.users.bulk.rows import Row


class Turns:
    """A row is started when no earlier one that wants something of it is under way. Safe to use from many threads."""

    def __init__(self, start: Callable[[Row], None]):
        self._start = start
        self._queues: dict[str, deque[int]] = {}  # the lines that want an item, the one under way first
        self._rows: dict[int, Row] = {}
        self._lock = threading.Lock()

    def enter(self, row: Row) -> None:
        """Start the row, now or later; rows enter in their order."""
        with self._lock:
            self._rows[row.line] = row
            for item in _wanted(row):
                self._queues.setdefault(item, deque()).append(row.line)
            first = self._is_first(row)
        if first:
            self._start(row)

    def leave(self, line: int) -> None:
        """A row that was started has ended."""
        with self._lock:
            after = set()
            for item in _wanted(self._rows.pop(line)):
                waiting = self._queues[item]
                waiting.popleft()
                if waiting:
                    after.add(waiting[0])
                else:
                    del self._queues[item]
            ready = [row for row in map(self._rows.get, sorted(after)) if self._is_first(row)]
        for row in ready:
            self._start(row)

    def _is_first(self, row):
        return all(self._queues[item][0] == row.line for item in _wanted(row))


def _wanted(row):
    return (row.item, row.claim) if row.claim else (row.item,)
