"""How the links reach Redis: one pool for clicks, which must not wait, and one for the work behind them."""

import functools
import os
import threading
import time
from collections.abc import Callable

from django.conf import settings
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from webapp.store_calls import MeasuredRedis

CLICK_TIMEOUT = 0.25  # seconds, to connect and for the answer
WORK_TIMEOUT = 10  # seconds; a large batch is read and joined in one go
PAUSE = 2.0  # seconds for which a Redis that failed is not asked again


def new_pool(timeout: float) -> ConnectionPool:
    """A pool that never sends a command a second time: whether the first was carried out is not known, and a click
    would be counted twice. Connections that were closed meanwhile are found out when they are taken from the pool."""
    environment = settings.ENVIRONMENT
    return ConnectionPool.from_url(
        environment.redis_url,
        password=environment.redis_password.get_secret_value(),
        socket_connect_timeout=timeout,
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        client_name="hydra-links",
    )


@functools.cache
def clicks() -> ConnectionPool:
    """The pool of this process for following links."""
    return new_pool(CLICK_TIMEOUT)


@functools.cache
def redis() -> Redis:
    """A client for everything else: pages and the worker."""
    return MeasuredRedis(connection_pool=new_pool(WORK_TIMEOUT))


def forget() -> None:
    """Open everything anew, after a fork or a change of settings."""
    clicks.cache_clear()
    redis.cache_clear()
    fuse.__init__()


class Fuse:
    """Keeps the threads of a process from waiting, each for itself, for a Redis that does not answer.

    After a failure nobody asks for PAUSE seconds; then one thread tries, and the others go on as before until it knows.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock = clock
        self.until = 0.0
        self.lock = threading.Lock()

    def closed(self) -> bool:
        """Whether Redis may be asked."""
        if not self.until:
            return True
        with self.lock:
            if self.clock() < self.until:
                return False
            self.until = self.clock() + PAUSE
            return True

    def blow(self) -> None:
        """Redis has failed."""
        self.until = self.clock() + PAUSE

    def mend(self) -> None:
        """Redis has answered."""
        if self.until:
            self.until = 0.0


fuse = Fuse()
os.register_at_fork(after_in_child=forget)
