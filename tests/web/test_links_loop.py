"""Clicks within an event loop: asked once, and it is known of each whether it was counted."""

import asyncio
import signal

import pytest

from webapp.links import connection, counter
from webapp.links.visits import DIRECT, Visit
from webapp.sessions.loops import CLIENTS

TARGET = "https://example.org/"
VISIT = Visit("0" * 32, DIRECT)
SLUG, ENTRY = "bbbbbbbbbb", f"7 0 {TARGET}"


@pytest.fixture(autouse=True)
def redis():
    """Redis, which knows the link, and whom nobody has found silent yet."""
    connection.forget()
    connection.redis().set(counter.link_key(SLUG), ENTRY)
    yield connection.redis()
    connection.forget()


def counted():
    """How many clicks wait in Redis."""
    return sum(number for _, _, number in counter.unrolled(7)[2])


async def click():
    """What became of one click: its target, or whether it is counted though Redis gave no answer."""
    try:
        return await counter.aclick(SLUG, VISIT)
    except counter.Away as away:
        return away.counted


def test_a_click_is_answered_and_counted_and_redis_may_forget_the_script(redis):
    assert asyncio.run(click()) == TARGET.encode()
    redis.script_flush()
    assert asyncio.run(click()) == TARGET.encode()
    assert counted() == 2


def test_what_redis_does_not_know_is_remembered_from_mysql(redis):
    redis.flushdb()
    assert asyncio.run(click()) is None
    assert asyncio.run(counter.aclick(SLUG, VISIT, ENTRY)) == TARGET.encode()
    assert asyncio.run(click()) == TARGET.encode()
    assert counted() == 2


def test_clicks_at_once_are_all_counted_on_one_connection(redis):
    async def visit():
        answers = await asyncio.gather(*[click() for _ in range(100)])
        return set(answers), len([each for each in redis.client_list() if each["name"] == "hydra-web"])

    before = len([each for each in redis.client_list() if each["name"] == "hydra-web"])
    assert asyncio.run(visit()) == ({TARGET.encode()}, before + 1)
    assert counted() == 100


def test_a_redis_that_is_full_has_not_counted(redis):
    redis.config_set("maxmemory", "1mb")
    try:
        assert asyncio.run(click()) is False
    finally:
        redis.config_set("maxmemory", "0")
    assert counted() == 0


def test_a_redis_that_is_not_there_has_not_counted(settings):
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    assert asyncio.run(click()) is False


def test_of_a_redis_that_fell_silent_nobody_knows_and_the_next_does_not_ask(servers):
    async def visit():
        await click()
        servers.processes["redis"].send_signal(signal.SIGSTOP)
        try:
            return [await click(), await click()]
        finally:
            servers.processes["redis"].send_signal(signal.SIGCONT)

    assert asyncio.run(visit()) == [None, False]


def test_a_click_whose_connection_ended_is_not_sent_again(redis):
    async def visit():
        await click()
        line = CLIENTS[asyncio.get_running_loop()].line
        redis.client_pause(100)  # the click is sent, and answered to nobody
        waiting = asyncio.create_task(click())
        await asyncio.sleep(0)
        line.transport.abort()
        return await waiting

    assert asyncio.run(visit()) is None
    assert counted() <= 2
