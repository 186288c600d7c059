"""How many bytes of Redis a session takes."""

from webapp.sessions.connection import connection

SEVERAL = range(1, 201, 3)


def show_memory(sizes):
    """Print MEMORY USAGE of a session for each size, and the mean over many: the allocator rounds up in steps."""
    from tests.bench.sessions.engines import ENGINES

    print(
        f"\nBytes of Redis for a session\n{'':34}" + "".join(f"{keys:>6} keys" for keys in sizes) + "   mean of 1..200"
    )
    for engine in ENGINES[:4]:
        row = [used(engine, keys) for keys in sizes] + [sum(used(engine, keys) for keys in SEVERAL) / len(SEVERAL)]
        print(f"{engine.name:34}" + "".join(f"{bytes_used:11,.0f}" for bytes_used in row))
    row = [used(ENGINES[0], keys, owner="1") for keys in sizes]
    row.append(sum(used(ENGINES[0], keys, owner="1") for keys in SEVERAL) / len(SEVERAL))
    print(f"{'ours, signed in, with its entry':34}" + "".join(f"{bytes_used:11,.0f}" for bytes_used in row))


def used(engine, keys, owner=None):
    """What one session of so many keys takes; a signed-in user's with the list of his sessions, which is this one."""
    from django.contrib.auth import SESSION_KEY

    from tests.bench.sessions.engines import data

    redis = connection()
    redis.flushdb()
    engine.choose()
    if owner:
        session = engine.session_store()
        session.user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        session.update(data(keys) | {SESSION_KEY: owner})
        session.save()
    else:
        engine.new(data(keys))
    return sum(redis.memory_usage(key, samples=0) for key in redis.keys("*"))
