"""How many bytes of Redis a session takes."""

from webapp.sessions.connection import connection

KEYS = (0, 3, 20, 200)
SEVERAL = range(0, 201, 4)  # the allocator rounds up in steps: a mean tells more than any one size
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
AUTH = {
    "_auth_user_id": "1",
    "_auth_user_backend": "webapp.users.backend.SimpleDBBackend",
    "_auth_user_hash": "0123456789abcdef" * 4,
}


def show_memory():
    """Print MEMORY USAGE of a session, key and value, for each size; of a signed-in user's with its place in the list.

    Then what a thousand sessions of as many users take in all, by INFO: with Redis's own tables, in which every key
    with a lifetime stands twice.
    """
    from tests.bench.sessions.engines import ENGINES, JSON

    engines = [ENGINES[0], *JSON, ENGINES[1]]
    for title, more in (("nobody signed in", {}), ("of a signed-in user, whose three keys come on top", AUTH)):
        print(f"\nBytes of Redis for a session, {title}")
        print(f"{'':34}" + "".join(f"{keys:>6} keys" for keys in KEYS) + "   mean of 0..200")
        for engine in engines:
            row = [used(engine, keys, more) for keys in KEYS]
            row.append(sum(used(engine, keys, more) for keys in SEVERAL) / len(SEVERAL))
            print(f"{engine.name:34}" + "".join(f"{taken:11,.0f}" for taken in row))
    parts = "session {}, list of his sessions {}".format(*of_each_key(ENGINES[0], AUTH))
    print(f"Ours with the three keys of a user alone: {parts}")
    print("A thousand sessions of as many users, bytes each by INFO:")
    for engine in engines:
        print(f"{engine.name:34}{of_a_thousand(engine):11,.0f}")


def fill(engine, number, more):
    """Store one session of so many keys, and these; from a browser."""
    from tests.bench.sessions.engines import data

    session = engine.session_store()
    session.user_agent = FIREFOX
    session.update((data(number) if number else {}) | more)
    session.save()


def used(engine, number, more):
    """What one session takes, under all its keys."""
    redis = connection()
    redis.flushdb()
    engine.choose()
    fill(engine, number, more)
    return sum(redis.memory_usage(key, samples=0) for key in redis.keys("*"))


def of_each_key(engine, more):
    """The same, key by key: the session first."""
    used(engine, 0, more)
    redis = connection()
    return [redis.memory_usage(key, samples=0) for key in sorted(redis.keys("*"), reverse=True)]


def of_a_thousand(engine):
    """What a session takes of all that Redis has taken, when there are many."""
    redis = connection()
    redis.flushdb()
    engine.choose()
    before = redis.info("memory")["used_memory"]
    for owner in range(1000, 2000):
        fill(engine, 0, AUTH | {"_auth_user_id": str(owner)})
    return (redis.info("memory")["used_memory"] - before) / 1000
