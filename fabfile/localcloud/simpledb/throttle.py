"""The rate of writes that one domain takes before AWS answers 503."""

import threading
import time

from .errors import Refused


class Throttle:
    """Lets each domain have `rate` writes a second, and as many at once after a quiet second; None for any number."""

    def __init__(self, rate=None, clock=time.monotonic):
        self.rate, self._clock = rate, clock
        self._lock = threading.Lock()
        self._full_at = {}  # when each domain's allowance will be whole again

    def take(self, region, domain):
        """Count one write. Raises ServiceUnavailable if it is too many."""
        rate = self.rate
        if rate is None:
            return
        with self._lock:
            now = self._clock()
            full_at = max(self._full_at.get((region, domain), now), now) + 1 / rate
            if full_at > now + 1:
                raise Refused("ServiceUnavailable")
            self._full_at[region, domain] = full_at
