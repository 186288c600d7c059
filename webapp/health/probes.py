"""One short question to each store."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from django.db import DatabaseError, connection
from redis.exceptions import RedisError

from webapp.sessions.connection import connection as redis
from webapp.users import accounts
from webapp.users.store import Unavailable


@dataclass(frozen=True)
class Probe:
    """How a store answered: the time it took, in milliseconds, and the kind of error if it failed."""

    store: str
    milliseconds: float
    error: str = ""


def ask_mysql() -> None:
    """Opens a connection if there is none, and runs the smallest statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def ask_simpledb() -> None:
    """Reads an account whose name nobody can have in this form, once, from one domain."""
    accounts.store().get("readiness probe", attempts=1)


def ask_redis() -> None:
    """PING, which also proves the password."""
    redis().ping()


QUESTIONS: dict[str, Callable[[], None]] = {"mysql": ask_mysql, "simpledb": ask_simpledb, "redis": ask_redis}
FAILURES = (DatabaseError, Unavailable, BotoCoreError, ClientError, RedisError)


def probe(store: str) -> Probe:
    """Ask one store; a failure is part of the answer."""
    began = time.perf_counter()
    try:
        QUESTIONS[store]()
        error = ""
    except FAILURES as failure:
        error = type(failure).__name__
    return Probe(store, round((time.perf_counter() - began) * 1000, 1), error)


def probe_all() -> list[Probe]:
    """Ask each store in turn."""
    return [probe(store) for store in QUESTIONS]
