"""Keeps a crowd away from SimpleDB where it gives no answer: a circuit breaker with one way through."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from webapp.users.errors import Unavailable

WAIT = 0.2  # seconds for which others wait for the one who tries: SimpleDB may have answered long since


class Breaker:
    """Which domains gave no answer. Safe to use from many threads.

    Where one request waited in vain, others would too, each with a thread that a page without an account could use.
    Until such a domain answers again, one request at a time tries, over all such domains, and all others are told
    within WAIT. A domain that refuses, as a busy one does, has answered.
    """

    def __init__(self):
        self._silent: set[str] = set()
        self._trying = threading.Lock()

    def silent(self, domain: str) -> bool:
        """Whether the last who asked this domain waited in vain."""
        return domain in self._silent

    def gave_up(self, domain: str) -> None:
        """The domain gave no answer, however often it was asked."""
        self._silent.add(domain)

    def answered(self, domain: str) -> None:
        """The domain gave an answer."""
        self._silent.discard(domain)

    @contextmanager
    def admit(self, domain: str) -> Iterator[bool]:
        """Whether whoever calls is the one who tries a silent domain. Raises Unavailable when another one does."""
        if not self.silent(domain):
            yield False
            return
        if not self._trying.acquire(timeout=WAIT):
            raise Unavailable(f"the domain {domain} gave no answer a moment ago, and another request is trying it")
        try:
            yield self.silent(domain)
        finally:
            self._trying.release()
