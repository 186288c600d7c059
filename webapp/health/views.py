"""The first page: what each of the three stores knows about whoever looks at it."""

from django.db import connection
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from redis.exceptions import RedisError

from webapp.sessions.connection import SessionsUnavailable
from webapp.sessions.connection import connection as redis
from webapp.sessions.store import redis_key
from webapp.users.account import moment
from webapp.users.accounts import store
from webapp.users.shards import canonical


@never_cache
def home(request):
    """For a signed-in user each piece with where it came from; for all others the way in."""
    if not request.user.is_authenticated:
        return render(request, "welcome.html")
    stores = [from_mysql(request.user), from_simpledb(request.user), from_redis(request)]
    return render(request, "home.html", {"stores": stores})


def from_mysql(user) -> dict:
    """The user's row, and the server that holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        (version,) = cursor.fetchone()
    return {
        "name": "MySQL",
        "holds": "what other tables point to",
        "facts": [
            ("Your row", f"{user._meta.db_table} {user.pk}"),
            ("First seen here", user.first_seen),
            ("Server", version),
        ],
    }


def from_simpledb(user) -> dict:
    """The account as it is now, where it is now: users may be on their way to other shards."""
    account, count = user.account, store().maps.now().count
    number = int(account.home.rpartition("-")[2], 16)
    return {
        "name": "SimpleDB",
        "holds": "who may sign in",
        "facts": [
            ("Account", account.name),
            ("Item", canonical(account.name)),
            ("Domain", account.home),
            ("Shard", f"{number}, of 0 to {count - 1}"),
            ("Created", moment(account.created)),
            ("Last updated", moment(account.updated)),
        ],
    }


def from_redis(request) -> dict:
    """The session, and a counter of visits that goes up here."""
    key = redis_key(request.session.session_key)
    try:
        with redis().pipeline(transaction=False) as pipeline:
            visits, seconds = pipeline.incr(f"visits:{request.user.pk}").ttl(key).execute()
    except RedisError as error:
        raise SessionsUnavailable(str(error)) from error
    return {
        "name": "Redis",
        "holds": "what changes with every click",
        "facts": [("Session", f"{key[:24]}…"), ("Ends in", f"{seconds:,} seconds"), ("Your visits", visits)],
    }
