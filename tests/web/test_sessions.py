"""The session engine on a real Redis, and what an outage of Redis does to a browser."""

import asyncio
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpResponse
from redis.exceptions import RedisError

from tests.web.conftest import Browser
from webapp.sessions.connection import SessionsUnavailable, connection
from webapp.sessions.middleware import SessionMiddleware
from webapp.sessions.store import SessionStore, redis_key


@pytest.fixture
def stored():
    """A session with something in it."""
    session = SessionStore()
    session["fruit"] = "apple"
    session.save()
    return session


def test_a_session_is_read_as_it_was_saved(stored):
    assert SessionStore(stored.session_key)["fruit"] == "apple"
    assert stored.exists(stored.session_key)


def test_it_is_kept_as_json_under_a_digest_with_a_lifetime(stored):
    (key,) = connection().keys("*")
    assert key.decode() == redis_key(stored.session_key)
    assert stored.session_key not in key.decode()
    assert json.loads(connection().get(key)) == {"fruit": "apple"}
    assert 14 * 24 * 3600 - 5 <= stored.remaining() <= 14 * 24 * 3600


def test_loading_and_saving_are_one_command_each(stored):
    def commands():
        return connection().info("stats")["total_commands_processed"]

    before = commands()
    again = SessionStore(stored.session_key)
    again["fruit"] = "pear"
    again.save()
    assert commands() - before - 1 == 2


def test_a_new_session_is_one_command():
    before = connection().info("stats")["total_commands_processed"]
    SessionStore().create()
    assert connection().info("stats")["total_commands_processed"] - before - 1 == 1


def test_a_key_that_nobody_stored_is_not_taken_over():
    chosen = SessionStore("a-key-that-a-visitor-has-chosen-0")
    chosen["fruit"] = "apple"
    chosen.save()
    assert chosen.session_key != "a-key-that-a-visitor-has-chosen-0"


def test_a_deleted_session_does_not_come_back(stored):
    other = SessionStore(stored.session_key)
    other["fruit"] = "pear"
    stored.delete()
    with pytest.raises(UpdateError):
        other.save()
    assert not other.exists(other.session_key)


def test_a_race_of_saving_and_deleting_never_brings_a_session_back():
    def race(_):
        session = SessionStore()
        session.create()
        saving, ending = SessionStore(session.session_key), SessionStore(session.session_key)
        saving["fruit"] = "apple"

        def save():
            try:
                saving.save()
            except UpdateError:
                return

        with ThreadPoolExecutor(2) as pair:
            pair.submit(save)
            pair.submit(ending.delete)
        return session.exists(session.session_key)

    assert not any(race(number) for number in range(100))


def test_cycling_the_key_keeps_the_data_and_ends_the_old_key(stored):
    old = stored.session_key
    stored.cycle_key()
    stored.save()
    assert stored.session_key != old
    assert not stored.exists(old)
    assert SessionStore(stored.session_key)["fruit"] == "apple"


def test_flushing_removes_data_and_key(stored):
    old = stored.session_key
    stored.flush()
    assert not stored.exists(old)
    assert stored.session_key is None
    assert list(stored.items()) == []


def test_deleting_what_is_gone_is_no_error(stored):
    stored.delete()
    stored.delete()
    SessionStore().delete()
    SessionStore.clear_expired()


def test_the_lifetime_that_was_asked_for_is_the_one_in_redis(stored):
    stored.set_expiry(60)
    stored.save()
    assert 55 <= stored.remaining() <= 60


def test_a_lifetime_of_nothing_ends_the_session(stored):
    stored.set_expiry(-1)
    stored.save()
    assert not stored.exists(stored.session_key)
    with pytest.raises(UpdateError):
        stored.save()


def test_redis_drops_a_session_when_its_time_is_over(stored):
    connection().pexpire(redis_key(stored.session_key), 1)
    while connection().exists(redis_key(stored.session_key)):
        pass
    assert SessionStore(stored.session_key).load() == {}


async def save_and_load():
    session = SessionStore()
    await session.aset("fruit", "apple")
    await session.asave()
    return await SessionStore(session.session_key).aget("fruit")


def test_the_async_interface_gives_the_same():
    assert asyncio.run(save_and_load()) == "apple"


@pytest.fixture
def hung_redis(servers):
    """A Redis that takes connections and never answers."""
    process = servers.processes["redis"]
    process.send_signal(signal.SIGSTOP)
    yield
    process.send_signal(signal.SIGCONT)
    while True:
        try:
            connection().ping()
            return
        except RedisError:  # not awake yet
            assert process.poll() is None


def test_a_redis_that_hangs_is_an_error_and_not_an_empty_session(stored, hung_redis):
    with pytest.raises(SessionsUnavailable):
        SessionStore(stored.session_key).load()


@pytest.mark.django_db
def test_an_outage_of_redis_is_503_and_signs_nobody_out(browser, servers, new_name, password):
    form = {"username": new_name(), "password1": password, "password2": password}
    browser.post("/sign-up/", form)
    process = servers.processes["redis"]
    process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        page = browser.get("/")
        took = time.monotonic() - began
        stranger = Browser().get("/sign-in/")
    finally:
        process.send_signal(signal.SIGCONT)
    assert page.status_code == 503
    assert page["Retry-After"] == "5"
    assert dict(page.cookies) == {}
    assert took < 5  # redis-py's own default; ours is half a second
    assert stranger.status_code == 200
    assert browser.get("/").context["user"].username == form["username"]


@pytest.mark.django_db
def test_a_session_that_ended_while_its_page_was_made_is_refused(browser, new_name, password, rf):
    session = browser.session
    session["fruit"] = "apple"
    session.save()
    request = rf.get("/", headers={"cookie": f"__Host-sessionid={session.session_key}"}, secure=True)

    def view(request):
        request.session["fruit"] = "pear"
        session.delete()
        return HttpResponse()

    with pytest.raises(SessionInterrupted):
        SessionMiddleware(view)(request)


def test_a_session_without_a_key_is_empty_and_exists_nowhere():
    assert SessionStore().load() == {}
    assert not SessionStore().exists(None)
