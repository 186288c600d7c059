"""How fast one domain may be written to: a rate that gives way when SimpleDB says it is too busy."""

import threading
import time
from collections.abc import Callable

# Writes a second that one domain is reported to take before it answers 503; AWS publishes no number.
DOMAIN_RATE = 70.0
SLOWEST = 1.0  # writes a second
GAIN = 0.02  # of the wanted rate, with each write that went well


class Pace:
    """Called before each write to a domain; waits until it may go. Safe to use from many threads."""

    def __init__(
        self, rate: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ):
        """`rate` is in writes a second, for each domain by itself."""
        self.rate, self._clock, self._sleep = rate, clock, sleep
        self._lock = threading.Lock()
        self._rates: dict[str, float] = {}
        self._next: dict[str, float] = {}

    def __call__(self, domain: str) -> None:
        """Wait for this domain's next turn."""
        with self._lock:
            rate = min(self.rate, self._rates.get(domain, self.rate) + self.rate * GAIN)
            self._rates[domain] = rate
            now = self._clock()
            turn = max(now, self._next.get(domain, now))
            self._next[domain] = turn + 1 / rate
        if turn > now:
            self._sleep(turn - now)

    def slower(self, domain: str) -> None:
        """The domain was too busy: half the rate from now on, and back to it little by little."""
        with self._lock:
            self._rates[domain] = max(SLOWEST, self._rates.get(domain, self.rate) / 2)

    def of(self, domain: str) -> float:
        """The rate of a domain at this moment."""
        return self._rates.get(domain, self.rate)
