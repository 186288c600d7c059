"""The engine for coroutines: no thread, one connection for each event loop, closed with it."""

import asyncio
import gc
import os
import signal
import threading

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpResponse

from webapp.sessions.connection import SessionsUnavailable, connection
from webapp.sessions.loops import CLIENTS, Closed, aask, encryption
from webapp.sessions.middleware import SessionMiddleware
from webapp.sessions.overview import aend, aend_all, asessions_of
from webapp.sessions.store import SessionStore, handle, redis_key
from webapp.users.models import User


def open_connections():
    """The numbers of all connections that Redis has."""
    return {client["id"] for client in connection().client_list()}


@pytest.fixture
def key():
    """The key of a session with something in it."""
    session = SessionStore()
    session["fruit"] = "apple"
    session.save()
    return session.session_key


async def change(key, **changes):
    session = SessionStore(key)
    for name, value in changes.items():
        await session.aset(name, value)
    await session.asave()
    return await session.aget("fruit")


def test_no_thread_is_used(key):
    async def visit():
        before = threading.active_count()
        assert await change(key, fruit="pear") == "pear"
        session = SessionStore(key)
        await session.acycle_key()
        assert await session.aexists(session.session_key)
        await session.aflush()
        await SessionStore().acreate()
        await SessionStore.aclear_expired()
        return threading.active_count() - before

    assert asyncio.run(visit()) == 0


def test_a_loop_has_one_connection_and_takes_it_along(key):
    before = open_connections()

    async def visit():
        await asyncio.gather(*[change(key, **{f"key-{number}": number}) for number in range(50)])
        return open_connections() - before

    assert len(asyncio.run(visit())) == 1
    assert CLIENTS == {}
    while open_connections() - before:
        pass


@pytest.mark.parametrize("run", [asyncio.run, lambda coroutine: async_to_sync(lambda: coroutine)()])
def test_each_loop_has_its_own_and_none_is_left_behind(key, run, recwarn):
    for _ in range(3):
        assert run(change(key, fruit="apple")) == "apple"
    assert CLIENTS == {}
    gc.collect()  # what was left open complains now
    assert [str(each.message) for each in recwarn if each.category is ResourceWarning] == []


def test_a_child_of_a_fork_has_a_connection_of_its_own(key):
    async def visit():
        await SessionStore(key).aload()
        ours = open_connections()
        child = os.fork()
        if not child:
            code = 1
            try:
                code = int(asyncio.run(SessionStore(key).aload()) != {"fruit": "apple"})
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert await SessionStore(key).aload() == {"fruit": "apple"}
        assert ours <= open_connections()

    asyncio.run(visit())


def test_fifty_coroutines_write_at_once_and_nothing_is_lost(key):
    async def visit(name):
        for number in range(10):
            session = SessionStore(key)
            assert await session.aget(name, -1) == number - 1
            await session.aset(name, number)
            await session.asave()

    async def all_of_them():
        await asyncio.gather(*[visit(f"visitor-{number}") for number in range(50)])

    asyncio.run(all_of_them())
    assert set(SessionStore(key).load().values()) == {"apple", 9}


def test_a_session_that_was_ended_does_not_come_back(key):
    async def race():
        session = SessionStore(key)
        await session.aset("fruit", "pear")
        await SessionStore(key).adelete()
        with pytest.raises(UpdateError):
            await session.asave()

    asyncio.run(race())
    assert not SessionStore().exists(key)


def test_a_request_that_is_cancelled_leaves_the_answers_of_others_alone(key):
    async def visit():
        await SessionStore(key).aload()
        line = CLIENTS[asyncio.get_running_loop()].line
        connection().client_pause(200)  # answers come later than the cancelling
        given_up = asyncio.create_task(aask(("ECHO", "for nobody")))
        waiting = asyncio.create_task(SessionStore(key).aload())
        await asyncio.sleep(0)
        given_up.cancel()
        return await waiting, line.closed

    assert asyncio.run(visit()) == ({"fruit": "apple"}, False)


def test_a_connection_that_redis_closed_is_opened_again_unnoticed(key):
    async def visit():
        for _ in range(3):
            assert await SessionStore(key).aload() == {"fruit": "apple"}
            connection().client_kill_filter(_type="normal", skipme=True)

    asyncio.run(visit())


def test_who_asks_on_a_connection_that_has_just_ended_is_told(key):
    async def visit():
        await SessionStore(key).aload()
        line = CLIENTS[asyncio.get_running_loop()].line
        line.close(Closed("gone"))
        async with asyncio.timeout(5):
            await line.ask(b"PING\r\n")

    with pytest.raises(Closed):
        asyncio.run(visit())


def test_redis_may_forget_the_scripts(key):
    connection().script_flush()
    assert asyncio.run(change(key, fruit="pear")) == "pear"
    assert SessionStore(key)["fruit"] == "pear"


def test_a_redis_that_hangs_is_an_error_for_all_who_wait_and_then_well_again(key, servers):
    process = servers.processes["redis"]

    async def visit():
        await SessionStore(key).aload()
        process.send_signal(signal.SIGSTOP)
        try:
            waiting = [SessionStore(key).aload() for _ in range(5)]
            failures = await asyncio.gather(*waiting, return_exceptions=True)
            failures += await asyncio.gather(SessionStore(key).aload(), return_exceptions=True)  # a new connection
        finally:
            process.send_signal(signal.SIGCONT)
        assert [type(each) for each in failures] == [SessionsUnavailable] * 6
        while True:
            try:
                return await SessionStore(key).aload()
            except SessionsUnavailable:
                assert process.poll() is None

    assert asyncio.run(visit()) == {"fruit": "apple"}


def test_a_redis_that_is_not_there_is_an_error(key, settings):
    wrong = settings.ENVIRONMENT.redis_url.rpartition(":")[0] + ":1/0"
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"redis_url": wrong})
    with pytest.raises(SessionsUnavailable):
        asyncio.run(SessionStore(key).aload())


def test_a_password_that_redis_does_not_take_is_an_error(key, settings):
    secret = type(settings.ENVIRONMENT.redis_password)("wrong")
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"redis_password": secret})
    with pytest.raises(SessionsUnavailable, match="WRONGPASS"):
        asyncio.run(SessionStore(key).aload())


def test_an_error_of_redis_is_one_of_ours(key):
    with pytest.raises(SessionsUnavailable, match="WRONGTYPE"):
        asyncio.run(aask(("HGET", redis_key(key), "field")))


def test_tls_is_asked_for_by_the_url_alone_and_checks_the_name(servers):
    assert encryption({"host": "a"}) is None
    context = encryption({"connection_class": object, "ssl_ca_certs": str(servers.folder / "ca.pem")})
    assert context.check_hostname and context.verify_mode.name == "CERT_REQUIRED"


async def count(request):
    await request.session.aset("visits", await request.session.aget("visits", 0) + 1)
    return HttpResponse(await request.session.aget("visits"))


def count_in_a_thread(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(request.session["visits"])


@pytest.mark.parametrize("view", [count, sync_to_async(count_in_a_thread, thread_sensitive=False)])
def test_200_requests_10_at_a_time_open_no_more_than_10_connections(rf, view):
    before = connection().info("stats")["total_connections_received"]

    async def visit(turn):
        cookies = {}
        for expected in (b"1", b"2"):
            request = rf.get("/")
            request.COOKIES |= cookies
            async with turn:
                response = await SessionMiddleware(view)(request)
            assert response.content == expected
            cookies = {name: morsel.value for name, morsel in response.cookies.items()}

    async def all_of_them():
        turn = asyncio.Semaphore(10)
        await asyncio.gather(*[visit(turn) for _ in range(100)])

    asyncio.run(all_of_them())
    assert connection().info("stats")["total_connections_received"] - before <= 10


def test_the_middleware_answers_503_and_400_as_it_does_for_threads(rf, key, settings):
    def request():
        request = rf.get("/")
        request.COOKIES[settings.SESSION_COOKIE_NAME] = key
        return request

    async def ends_meanwhile(request):
        await request.session.aset("fruit", "pear")
        await SessionStore(key).adelete()
        return HttpResponse()

    async def full():
        connection().config_set("maxmemory", "1mb")
        try:
            return await SessionMiddleware(count)(request())
        finally:
            connection().config_set("maxmemory", "0")

    page = asyncio.run(full())
    assert (page.status_code, page["Retry-After"], dict(page.cookies)) == (503, "5", {})
    with pytest.raises(SessionInterrupted):
        asyncio.run(SessionMiddleware(ends_meanwhile)(request()))


def test_sessions_are_listed_and_ended():
    keys = []
    for _ in range(3):
        session = SessionStore()
        session[SESSION_KEY] = "5"
        session.save()
        keys.append(session.session_key)

    async def visit():
        user = User(pk=5)
        assert {each.handle for each in await asessions_of(user)} == set(map(handle, keys))
        assert await aend(user, handle(keys[0]))
        assert await aend_all(user, except_session=SessionStore(keys[1])) == 1
        return [each.handle for each in await asessions_of(user)]

    assert asyncio.run(visit()) == [handle(keys[1])]
