"""How fast a domain is written to: as fast as it goes, until SimpleDB says that it is too busy."""

import time
from collections.abc import Callable

SLOWEST = 0.2  # calls a second
GROWTH = 0.5  # calls a second that are added in each second without a refusal
MEASURED = 8  # of the last calls, from which the rate is told


class Rate:
    """For one domain: halved when it refuses, and raised little by little. For one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep):
        self._clock, self._sleep = clock, sleep
        self._limit: float | None = None  # calls a second; None before the first refusal
        self._calls: list[float] = []

    @property
    def limit(self) -> float | None:
        """Calls a second, or None for as many as it takes."""
        return self._limit

    def wait(self) -> None:
        """Wait until the next call may go."""
        now = self._clock()
        if self._limit is not None and self._calls:
            turn = self._calls[-1] + 1 / self._limit
            if turn > now:
                self._sleep(turn - now)
                now = turn
            self._limit += GROWTH * min(1.0, now - self._calls[-1])
        self._calls = [*self._calls[-MEASURED + 1 :], now]

    def slower(self) -> None:
        """The domain refused a call."""
        self._limit = max(SLOWEST, min(self._measured(), self._limit or self._measured()) / 2)

    def _measured(self):
        """Calls a second of late; what has been going on for no time at all is taken for fast."""
        if len(self._calls) < 2:
            return 20.0
        return (len(self._calls) - 1) / max(0.01, self._clock() - self._calls[0])
