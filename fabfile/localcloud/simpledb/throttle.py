"""The rate of writes that one domain takes before AWS answers 503."""

import threading
import time

from .errors import Refused

_MOST = 1000  # domains remembered, before those that are at rest are forgotten


class Throttle:
    """Lets each domain have `rate` writes a second, and as many at once after a quiet second; None for any number."""

    def __init__(self, rate=None, rule=None, clock=time.monotonic):
        """`rule(action, domain)`, if given, may name another rate, or None for `rate`."""
        self.rate, self._rule, self._clock = rate, rule, clock
        self._lock = threading.Lock()
        self._full_at = {}  # when each domain's allowance will be whole again

    def take(self, region, domain, action=""):
        """Count one write. Raises ServiceUnavailable if it is too many."""
        rate = self._rule and self._rule(action, domain) or self.rate
        if rate is None:
            return
        with self._lock:
            now = self._clock()
            full_at = max(self._full_at.get((region, domain), now), now) + 1 / rate
            if full_at > now + max(1, 1 / rate):
                raise Refused("ServiceUnavailable")
            if len(self._full_at) > _MOST:
                self._full_at = {key: moment for key, moment in self._full_at.items() if moment > now}
            self._full_at[region, domain] = full_at
