"""Where it all comes from: what each of the three stores holds of whoever looks, where there, and how fast it told."""

import time
from collections.abc import Callable
from datetime import timedelta

from django.db import connection
from django.utils import timezone
from redis.exceptions import RedisError

from webapp.outage import note_outage, store_away
from webapp.sessions.connection import SessionsUnavailable
from webapp.sessions.connection import connection as redis
from webapp.sessions.store import redis_key
from webapp.users import accounts
from webapp.users.account import moment
from webapp.users.shards import canonical


class Identifier(str):
    """A key or a name that a colleague may want to look up, to be shown letter by letter."""

    verbatim = True


def where_from(request) -> list[dict]:
    """The stores in the order in which they are asked who this is, each read just now.

    Each has its `name`, what it `holds`, the `facts` about this user as pairs, the `milliseconds` this took, and
    whether it is `away`: then the facts are none, and the other stores still tell theirs.
    """
    user = request.user
    return [
        told("Redis", "Sessions, and counters", lambda: from_redis(request)),
        told("MySQL", "Relational data", lambda: from_mysql(user)),
        told("SimpleDB", "Accounts", lambda: from_simpledb(user)),
    ]


def told(name: str, holds: str, question: Callable[[], list[tuple]]) -> dict:
    """Ask one store, with the time it took; that it is out of reach is an answer too."""
    began, away = time.perf_counter(), False
    try:
        facts = question()
    except Exception as error:
        if store_away(error) is None:
            raise
        note_outage(name, error)
        facts, away = [], True
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    return {"name": name, "holds": holds, "facts": facts, "milliseconds": milliseconds, "away": away}


def from_redis(request) -> list[tuple]:
    """The session, and a counter of visits that goes up here."""
    key = redis_key(request.session.session_key)
    try:
        with redis().pipeline(transaction=False) as pipeline:
            visits, seconds = pipeline.incr(f"visits:{request.user.pk}").ttl(key).execute()
    except RedisError as error:
        raise SessionsUnavailable(str(error)) from error
    return [
        ("Session", Identifier(f"{key[:24]}…")),
        ("Ends", timezone.now() + timedelta(seconds=seconds)),
        ("Your visits", visits),
    ]


def from_mysql(user) -> list[tuple]:
    """The user's row, and the server that holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        (version,) = cursor.fetchone()
    return [
        ("Your row", Identifier(f"{user._meta.db_table} {user.pk}")),
        ("First seen here", user.first_seen),
        ("Server", version),
    ]


def from_simpledb(user) -> list[tuple]:
    """The account as it is now, where it is now: users may be on their way to other shards."""
    store = accounts.store()
    account = store.get(user.username, attempts=1) or user.account
    number, count = int(account.home.rpartition("-")[2], 16), store.maps.now().count
    return [
        ("Account", account.name),
        ("Item", Identifier(canonical(account.name))),
        ("Domain", Identifier(account.home)),
        ("Shard", f"{number}, of 0 to {count - 1}"),
        ("Created", moment(account.created)),
        ("Last updated", moment(account.updated)),
    ]
