"""The engines that are measured, each as the same four acts."""

import redis
import redis.asyncio
from django.conf import settings
from django.contrib.sessions.backends import cache, cached_db, db

from webapp.sessions import store

KEY = "k" * 32
CHANGED = "visits"  # the key that a save writes


class Engine:
    """One of Django's interface, on the cache of this alias if it uses one."""

    def __init__(self, name, session_store, alias="default"):
        self.name, self.session_store, self.alias = name, session_store, alias

    def choose(self):
        """Make it the one that settings name."""
        settings.SESSION_CACHE_ALIAS = self.alias

    def new(self, data):
        """Store a session; gives its key."""
        session = self.session_store()
        session.update(data)
        session.save()
        return session.session_key

    def load(self, key):
        """As a request that looks at its session."""
        return self.session_store(key).get(CHANGED)

    def load_and_save(self, key, number):
        """As a request that changes one key of its session."""
        session = self.session_store(key)
        session[CHANGED] = number
        session.save()

    async def aload(self, key):
        """As load."""
        return await self.session_store(key).aget(CHANGED)

    async def aload_and_save(self, key, number):
        """As load_and_save."""
        session = self.session_store(key)
        await session.aset(CHANGED, number)
        await session.asave()

    async def close(self):
        """Nothing to close."""


class Bare:
    """redis-py alone: bytes out, bytes in. No session, no conversion: what no engine made of redis-py can reach."""

    name = "redis-py alone"

    def choose(self):
        """Connect, once."""
        password = settings.ENVIRONMENT.redis_password.get_secret_value()
        self.client = redis.Redis.from_url(settings.ENVIRONMENT.redis_url, password=password)
        self.coroutines = redis.asyncio.Redis.from_url(settings.ENVIRONMENT.redis_url, password=password)

    def new(self, data):
        """Store as many bytes as our engine would."""
        self.value = store.form.encode(data)
        self.client.set(KEY, self.value, ex=1000)
        return KEY

    def load(self, key):
        """GET."""
        self.client.get(key)

    def load_and_save(self, key, number):
        """GET and SET EX."""
        self.client.set(key, self.client.get(key), ex=1000)

    async def aload(self, key):
        """GET."""
        await self.coroutines.get(key)

    async def aload_and_save(self, key, number):
        """GET and SET EX."""
        await self.coroutines.set(key, await self.coroutines.get(key), ex=1000)

    async def close(self):
        """The client of coroutines lives as long as their loop."""
        await self.coroutines.aclose()


ENGINES = [
    Engine("ours", store.SessionStore),
    Engine("django-redis, pickle", cache.SessionStore, "django-redis"),
    Engine("django-redis, JSON", cache.SessionStore, "django-redis-json"),
    Engine("Django's RedisCache", cache.SessionStore),
    Engine("cached_db on django-redis", cached_db.SessionStore, "django-redis"),
    Engine("db", db.SessionStore),
    Bare(),
]
# What the memory of a session is compared with: JSON as others keep it.
JSON = [ENGINES[2], Engine("Django's RedisCache, Django's JSON", cache.SessionStore, "djangos-json")]
PEER = "django-redis, pickle"  # the fastest of them


def data(keys: int) -> dict:
    """A session of so many keys: words, numbers, switches and small structures."""
    kinds = [
        lambda number: f"a value of some words, number {number}",
        lambda number: number * 7,
        lambda number: {"id": number, "title": f"article {number}", "in_stock": True},
        lambda number: number % 2 == 0,
        lambda number: [number, number + 1],
    ]
    return {CHANGED: 0} | {f"key_{number}": kinds[number % 5](number) for number in range(1, keys)}
