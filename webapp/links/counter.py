"""What Redis does for links: answers a click and counts it, and holds what is not in MySQL yet."""

import hashlib
from pathlib import Path

from hiredis import pack_command
from redis.exceptions import NoScriptError, RedisError, ResponseError

from webapp.links.connection import clicks, fuse, redis
from webapp.links.visits import FAMILIES, Visit
from webapp.metrics import measured
from webapp.sessions.connection import SessionsUnavailable
from webapp.sessions.loops import Closed, Refused, this_loops_client
from webapp.store_calls import MeasuredRedis

HERE = Path(__file__).parent
CLICK = (HERE / "click.lua").read_text()
CLICK_NAME = hashlib.sha1(CLICK.encode(), usedforsecurity=False).hexdigest()
CLOSE, MERGE, READ = ((HERE / f"{name}.lua").read_text() for name in ("close", "merge", "read"))

OPEN, BATCHES, WORKROOM, PASSED = "clicks:open", "clicks:batches", "visitors:joining", "clicks:passed"
REMEMBERED = 300  # seconds that Redis remembers a link; also how long a change could stay unseen if it were lost
NOBODYS = 30  # seconds that it remembers a slug nobody has
HELD = 60  # seconds for which a changed link is read from MySQL: longer than any request that read it before may last
VISITORS_KEPT = 3 * 86400  # seconds after the day's visitors are in MySQL
UNKNOWN, ENDED = b"0", b"1"
NOBODY = "0 1 "


class Away(Exception):
    """Redis did not answer. `counted` is False when the click is surely not counted, None when nobody knows."""

    def __init__(self, counted: bool | None, cause: Exception | None = None):
        super().__init__(str(cause or "asked too short a time ago"))
        self.counted = counted


def link_key(slug: str) -> str:
    """Where a link is remembered."""
    return f"link:{slug}"


def visitors_key(link: int, day: int) -> str:
    """The visitors of a link on a day, which is counted since 1970."""
    return f"visitors:{link}:{day}"


def click(slug: str, visit: Visit | None, entry: str = "") -> bytes | None:
    """UNKNOWN, ENDED or the target, with the visit counted if there is one; raises Away.

    None when Redis does not know the link: ask again with its `entry` from MySQL, which Redis will remember.
    """
    rest = question(slug, visit, entry)
    with measured("redis", "click"):
        answer = asked(rest)
    fuse.mend()
    return answer


async def aclick(slug: str, visit: Visit | None, entry: str = "") -> bytes | None:
    """As click, on the connection that the event loop's sessions use."""
    rest = question(slug, visit, entry)
    with measured("redis", "click"):
        answer = await aasked(rest)
    fuse.mend()
    return answer


def question(slug: str, visit: Visit | None, entry: str) -> tuple:
    """What the script is asked; raises Away when Redis is to be left in peace."""
    if not fuse.closed():
        raise Away(counted=False)
    visitor, family = (visit.visitor, visit.family) if visit else ("", "")
    kept = NOBODYS if entry == NOBODY else REMEMBERED
    return 3, link_key(slug), OPEN, BATCHES, visitor, family, entry, kept


def asked(rest: tuple) -> bytes | None:
    """The script's answer; raises Away."""
    pool = clicks()
    try:
        connection = pool.get_connection()
    except RedisError as error:
        fuse.blow()
        raise Away(False, error) from error
    try:
        return evaluate(connection, rest)
    except ResponseError as error:  # the script counts in its last line, so it did not
        fuse.blow()
        raise Away(False, error) from error
    except RedisError as error:
        fuse.blow()
        raise Away(None, error) from error
    finally:
        pool.release(connection)


def evaluate(connection, rest: tuple) -> bytes | None:
    """Run the script, which a Redis that was started anew has to be told first."""
    try:
        connection.send_command("EVALSHA", CLICK_NAME, *rest)
        return connection.read_response()
    except NoScriptError:
        connection.send_command("EVAL", CLICK, *rest)
        return connection.read_response()


async def aasked(rest: tuple) -> bytes | None:
    """As asked. Redis is asked once, as there, and not again when a connection ends, as sessions do."""
    try:
        line = await this_loops_client().connected()
    except (OSError, Closed, SessionsUnavailable) as error:
        fuse.blow()
        raise Away(False, error) from error
    try:
        answer = await line.ask(pack_command(("EVALSHA", CLICK_NAME, *rest)))
        if isinstance(answer, Refused) and str(answer).startswith("NOSCRIPT"):
            answer = await line.ask(pack_command(("EVAL", CLICK, *rest)))
    except (Closed, SessionsUnavailable) as error:
        fuse.blow()
        raise Away(None, error) from error
    if isinstance(answer, Refused):
        fuse.blow()
        raise Away(False, answer) from answer
    return answer


def hold(*slugs: str) -> None:
    """To be called before a change of these links is committed: from now on they are read from MySQL, for a minute.

    Raises SessionsUnavailable, and then the change must not happen: Redis would still know the link as it was.
    """
    try:
        with redis().pipeline(transaction=False) as pipeline:
            for slug in slugs:
                pipeline.set(link_key(slug), "?", ex=HELD)
            pipeline.execute()
    except RedisError as error:
        raise SessionsUnavailable(str(error)) from error


def closed_batches() -> list[str]:
    """The batches that will not change any more, the oldest first. Raises RedisError."""
    return sorted(batch.decode() for batch in redis().eval(CLOSE, 2, OPEN, BATCHES))


def batch_of(name: str) -> dict[int, dict[str, int]]:
    """The clicks of a closed batch: by link, by family. Raises RedisError."""
    found: dict[int, dict[str, int]] = {}
    for field, number in redis().hscan_iter(f"clicks:{name}", count=1000):
        link, _, family = field.decode().partition("|")
        found.setdefault(int(link), {})[family] = int(number)
    return found


def drop(name: str) -> None:
    """Forget a batch that is in MySQL. Raises RedisError."""
    with redis().pipeline() as pipeline:
        pipeline.srem(BATCHES, name).unlink(f"clicks:{name}").execute()


def add_visitors(visitors: dict[tuple[int, int], set[str]]) -> None:
    """Note these visitors of (link, day); twice is as once. Raises RedisError."""
    with redis().pipeline(transaction=False) as pipeline:
        for (link, day), digests in visitors.items():
            pipeline.pfadd(visitors_key(link, day), *digests)
        pipeline.execute()


def join_visitors(sketches: dict[tuple[int, int], tuple[bytes, bytes]]) -> dict[tuple[int, int], tuple]:
    """By (link, day): the day's visitors, their sketch, all days' visitors, their sketch.

    Given MySQL's sketches of the day and of all days, which Redis's are joined with. Raises RedisError.
    """
    joining = redis().register_script(MERGE)
    with redis().pipeline(transaction=False) as pipeline:
        for (link, day), known in sketches.items():
            joining(keys=[visitors_key(link, day), WORKROOM], args=[*known, VISITORS_KEPT], client=pipeline)
        return dict(zip(sketches, pipeline.execute(), strict=True))


def forget_visitors(keys) -> None:
    """Drop the visitors of links that are gone. Raises RedisError."""
    if keys:
        redis().unlink(*(visitors_key(*key) for key in keys))


def unrolled(link: int) -> tuple[int, int, list[tuple[str, str, int]]]:
    """Redis's time, in seconds; today's visitors; and the link's clicks in all batches: (batch, family, number).

    Raises RedisError.
    """
    now, visitors, found = redis().eval(READ, 1, BATCHES, link, *FAMILIES)
    return int(now), visitors, [(batch.decode(), family.decode(), number) for batch, family, number in found]


def note_pass() -> None:
    """The worker has brought over all it found. Raises RedisError."""
    redis().set(PASSED, redis().time()[0])


def backlog() -> tuple[int, int | None, list[int]]:
    """Redis's time; when the worker was last done, if ever; and the minutes, since 1970, whose clicks are in Redis.

    It waits no longer than a click does. Raises RedisError.
    """
    with MeasuredRedis(connection_pool=clicks()).pipeline(transaction=False) as pipeline:
        (now, _), passed, batches = pipeline.time().get(PASSED).smembers(BATCHES).execute()
    return now, passed and int(passed), [int(batch.partition(b"-")[0]) for batch in batches]
