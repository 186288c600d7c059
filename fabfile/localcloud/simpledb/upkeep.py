"""What a store does on the side, in a thread of its own, so that no caller waits for it."""

import logging
import sqlite3
import threading

_BREATH = 0.02  # seconds between two pieces of work, in which callers get their turn

log = logging.getLogger(__name__)


class Upkeep:
    """Runs `work` after each `wake`: a function that does a small piece and says whether it has more to do."""

    def __init__(self, work):
        self._work = work
        self._change = threading.Condition()
        self._wanted, self._done, self._closing = 0, 0, False
        self._thread = threading.Thread(target=self._run, name="simpledb-upkeep", daemon=True)
        self._thread.start()

    def wake(self):
        """Say that there may be something to do."""
        with self._change:
            self._wanted += 1
            self._change.notify_all()

    def rest(self):
        """Wait until all is done."""
        with self._change:
            self._change.wait_for(lambda: self._closing or self._done == self._wanted)

    def close(self):
        """End after the piece that is under way; what is left is done another time."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        self._thread.join()

    def _run(self):
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closing or self._done != self._wanted)
                if self._closing:
                    return
                wanted = self._wanted
            more = self._piece()
            with self._change:
                if more:
                    self._change.wait_for(lambda: self._closing, _BREATH)
                else:
                    self._done = wanted
                    self._change.notify_all()

    def _piece(self):
        try:
            return self._work()
        except sqlite3.Error as error:  # a full disk, say; the next write wakes us again
            log.warning("SimpleDB's upkeep waits: %s", error)
            return False
