"""The rows under way: as many as may be, and up to which number all have been dealt with."""

import threading
from collections import deque

from webapp.users.bulk.progress import Rejection

FAILED = "failed"
SPAN = 50_000  # rows that may be finished before their turn


class Window:
    """Rows come in by their numbers and are finished in any order. Safe to use from many threads.

    `done` is the number up to which every row is finished, `counts` how those ended, `rejections` what is to be told of
    them, until it is taken. A row that failed is not finished: `done` stays before it, for the next run.
    """

    def __init__(self, most: int, done: int, counts: dict[str, int]):
        self.most, self.done, self.counts, self.failed = most, done, dict(counts), 0
        self._counts_of_done = dict(counts)
        self._order: deque[int] = deque()
        self._ended: dict[int, tuple[str, Rejection | None]] = {}
        self._told: list[Rejection] = []
        self._stuck = False
        self._under_way = 0
        self._changed = threading.Condition()

    def open(self, line: int, timeout: float) -> bool:
        """Let a row in; False if there was no room within `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(self._has_room, timeout):
                return False
            self._under_way += 1
            if not self._stuck:
                self._order.append(line)
            return True

    def close(self, line: int, outcome: str, rejection: Rejection | None = None) -> None:
        """A row is dealt with: one of progress.COUNTS, or FAILED."""
        with self._changed:
            self._under_way -= 1
            if outcome == FAILED:
                self.failed += 1
            else:
                self._count(self.counts, outcome, rejection)
            if rejection:
                self._told.append(rejection)
            if not self._stuck:
                self._ended[line] = outcome, rejection
                self._advance()
            self._changed.notify_all()

    def empty(self, timeout: float) -> bool:
        """Wait until no row is under way; whether that is so after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, timeout)

    def take(self) -> tuple[int, dict[str, int], list[Rejection]]:
        """(done, counts, rejections since the last time) of one moment, for the progress to be saved."""
        with self._changed:
            told, self._told = self._told, []
            return self.done, dict(self._counts_of_done), told

    @staticmethod
    def _count(counts, outcome, rejection):
        counts[outcome] += 1
        counts["without_email"] += bool(rejection and rejection.imported)

    def _has_room(self):
        return self._under_way < self.most and len(self._order) < SPAN

    def _advance(self):
        while self._order and self._order[0] in self._ended:
            line = self._order.popleft()
            outcome, rejection = self._ended.pop(line)
            if outcome == FAILED:
                # From here on rows are only counted: memory is not to grow with what waits behind one that failed.
                self._stuck = True
                self._ended.clear()
                self._order.clear()
                return
            self._count(self._counts_of_done, outcome, rejection)
            self.done = line
