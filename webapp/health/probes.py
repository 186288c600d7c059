"""One short question to each store, all at the same time."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock

from botocore.exceptions import BotoCoreError, ClientError
from django.db import DatabaseError, connections
from redis.exceptions import RedisError

from webapp.sessions.connection import connection as redis
from webapp.users import accounts
from webapp.users.store import Unavailable

PATIENCE = 0.9  # seconds in which all must have answered: the strictest who ask give us one
MYSQL_PATIENCE = 1  # seconds; its client takes whole ones


@dataclass(frozen=True)
class Probe:
    """How a store answered: the time it took, in milliseconds, and the kind of error if it failed."""

    store: str
    milliseconds: float
    error: str = ""


def ask_mysql() -> None:
    """Opens a connection of its own and runs the smallest statement: the next worker has to connect as well."""
    connection = connections["default"].copy()
    names = ("connect_timeout", "read_timeout", "write_timeout")
    connection.settings_dict["OPTIONS"].update(dict.fromkeys(names, MYSQL_PATIENCE))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()


def ask_simpledb() -> None:
    """Reads an account whose name nobody can have in this form, once, from one domain."""
    accounts.store().get("readiness probe", attempts=1)


def ask_redis() -> None:
    """PING, which also proves the password."""
    redis().ping()


QUESTIONS: dict[str, Callable[[], None]] = {"mysql": ask_mysql, "simpledb": ask_simpledb, "redis": ask_redis}
FAILURES = (DatabaseError, Unavailable, BotoCoreError, ClientError, RedisError)

# Kept: threads are dear to start.
_askers = ThreadPoolExecutor(len(QUESTIONS), thread_name_prefix="probe")


def probe(store: str) -> Probe:
    """Ask one store; a failure is part of the answer."""
    began = time.perf_counter()
    try:
        QUESTIONS[store]()
        error = ""
    except FAILURES as failure:
        error = type(failure).__name__
    return Probe(store, since(began), error)


@dataclass
class Asker:
    """Asks one store one question at a time; who comes meanwhile shares the answer.

    So a store that hangs holds one thread, and a crowd at /readyz none of the connections that pages need.
    """

    store: str
    _lock: Lock = field(default_factory=Lock)
    _answer: Future | None = None

    def ask(self) -> Future:
        """The Probe to come."""
        with self._lock:
            if self._answer is None or self._answer.done():
                self._answer = _askers.submit(probe, self.store)
            return self._answer


ASKERS = {store: Asker(store) for store in QUESTIONS}


def probe_all() -> list[Probe]:
    """Ask all of them, in no longer than PATIENCE; who has not answered by then is down."""
    with suppress(*FAILURES):  # then it is an answer
        accounts.store()  # to make the first client takes longer than many a question
    began = time.perf_counter()
    asked = {store: asker.ask() for store, asker in ASKERS.items()}
    answers = []
    for store, answer in asked.items():
        try:
            answers.append(answer.result(max(0, PATIENCE - (time.perf_counter() - began))))
        except Late:
            answers.append(Probe(store, since(began), "Timeout"))
    return answers


def since(moment: float) -> float:
    """Milliseconds since then."""
    return round((time.perf_counter() - moment) * 1000, 1)
