"""Redis down, hung or full: try again in a moment, nobody is signed out, and who has no session notices nothing."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.http import HttpResponse
from redis.exceptions import RedisError

from tests.web.conftest import Browser
from webapp.sessions.connection import LIMIT, OTHERS, SessionsUnavailable, connection, door
from webapp.sessions.endings import end_worthless
from webapp.sessions.middleware import SessionMiddleware
from webapp.sessions.store import SessionStore
from webapp.users.models import User

PATIENCE = 5  # seconds: redis-py's own default; ours is less than half a second


def awake():
    """Wait until Redis answers."""
    while True:
        try:
            connection().ping()
            return
        except RedisError:
            continue


class Outage:
    """What befalls Redis, and its end."""

    def __init__(self, servers):
        self.servers = servers

    @property
    def process(self):
        return self.servers.processes["redis"]

    def hang(self):
        self.process.send_signal(signal.SIGSTOP)
        return lambda: (self.process.send_signal(signal.SIGCONT), awake())

    def down(self):
        connection().save()  # as its log on disk would
        self.process.kill()
        self.process.wait()
        return self.servers.start_redis

    def full(self):
        connection().config_set("maxmemory", "1mb")
        return lambda: connection().config_set("maxmemory", "0")


@pytest.fixture
def outage(servers):
    """Begins an outage of one of three kinds; over at the end of the test, or when it is said to be."""
    ends = []

    def begin(kind):
        ends.append(getattr(Outage(servers), kind)())

    def over():
        while ends:
            ends.pop()()

    begin.over = over
    yield begin
    over()


@pytest.fixture
def stored():
    """A session with something in it."""
    session = SessionStore()
    session["fruit"] = "apple"
    session.save()
    return session


@pytest.fixture
def signed_in(browser, new_name, password):
    """A browser in which a user is signed in."""
    user = User.objects.create_user(new_name(), "", password)
    assert browser.post("/sign-in/", {"username": user.username, "password": password}).status_code == 302
    return browser


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["hang", "down"])
def test_an_outage_is_503_for_who_has_a_session_and_signs_nobody_out(signed_in, outage, kind):
    before = dict(signed_in.cookies)
    outage(kind)
    began = time.monotonic()
    page = signed_in.get("/")
    took = time.monotonic() - began
    stranger = Browser()
    assert [stranger.get(path).status_code for path in ("/", "/sign-in/", "/sign-up/")] == [200] * 3
    outage.over()
    assert page.status_code == 503
    assert page["Retry-After"] == "5"
    assert dict(page.cookies) == {}
    assert dict(signed_in.cookies) == before
    assert took < PATIENCE
    again = signed_in.get("/")
    assert (again.status_code, again.context["user"].is_authenticated) == (200, True)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["hang", "down", "full"])
def test_signing_in_during_an_outage_is_503_and_works_afterwards(browser, new_name, password, outage, kind):
    form = {"username": User.objects.create_user(new_name(), "", password).username, "password": password}
    outage(kind)
    page = browser.post("/sign-in/", form)
    outage.over()
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert "sessionid" not in str(page.cookies)
    assert browser.post("/sign-in/", form).status_code == 302


@pytest.mark.django_db
def test_who_writes_while_redis_is_full_is_told_to_try_again_and_stays_signed_in(signed_in, password, outage):
    user, before = signed_in.get("/").context["user"], dict(signed_in.cookies)
    outage("full")
    page = signed_in.post("/sign-in/", {"username": user.username, "password": password})
    stranger = Browser()
    assert [stranger.get(path).status_code for path in ("/", "/sign-in/", "/sign-up/")] == [200] * 3
    outage.over()
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert dict(signed_in.cookies) == before
    assert signed_in.get("/").context["user"] == user


@pytest.mark.django_db
def test_while_redis_is_full_sessions_are_read_and_can_be_ended(signed_in, outage):
    outage("full")
    assert signed_in.get("/password/").status_code == 200
    assert signed_in.post("/sign-out/").status_code == 302
    outage.over()
    assert connection().keys("session:*") == []


@pytest.mark.parametrize("kind", ["hang", "down"])
def test_a_redis_that_is_away_is_an_error_and_not_an_empty_session(stored, outage, kind):
    outage(kind)
    with pytest.raises(SessionsUnavailable):
        SessionStore(stored.session_key).load()


def test_sessions_that_are_worth_nothing_any_more_stay_without_an_error(outage, caplog):
    outage("down")
    end_worthless(User(pk=1))
    assert "worth nothing" in caplog.text


def test_a_session_whose_key_could_not_be_changed_has_the_old_one(stored, outage):
    key = stored.session_key
    outage("down")
    with pytest.raises(SessionsUnavailable):
        stored.cycle_key()
    assert stored.session_key == key
    outage.over()
    stored.cycle_key()
    assert SessionStore(stored.session_key)["fruit"] == "apple"


def test_an_error_of_redis_is_an_outage_too(stored):
    stored["fruit"] = "pear"
    connection().config_set("maxmemory", "1mb")
    try:
        with pytest.raises(SessionsUnavailable, match="maxmemory"):
            stored.save()
    finally:
        connection().config_set("maxmemory", "0")
    stored.save()


def test_connections_that_redis_closed_are_opened_again_unnoticed(stored):
    idle = [door().pool.get_connection() for _ in range(LIMIT)]
    for each in idle:
        each.connect()
    for each in idle:
        door().pool.release(each)
    # Each must be found closed and still answer.
    for client in connection().client_list():
        connection().client_kill_filter(_id=client["id"], skipme=True)
    for _ in range(2 * LIMIT):
        assert SessionStore(stored.session_key)["fruit"] == "apple"


def test_while_redis_hangs_one_request_tries_and_no_other_waits(stored, outage):
    outage("hang")
    with pytest.raises(SessionsUnavailable):
        SessionStore(stored.session_key).load()
    with door().trying, pytest.raises(SessionsUnavailable, match="another request is trying"):
        SessionStore(stored.session_key).load()
    outage.over()
    assert SessionStore(stored.session_key)["fruit"] == "apple"
    with door().trying:
        assert SessionStore(stored.session_key)["fruit"] == "apple"


def test_more_threads_than_connections_share_them(stored):
    begin = threading.Barrier(4 * LIMIT)
    seen = []

    def visit():
        begin.wait()
        for _ in range(20):
            seen.append(SessionStore(stored.session_key)["fruit"])

    threads = [threading.Thread(target=visit) for _ in range(4 * LIMIT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["apple"] * 80 * LIMIT
    names = [client["name"] for client in connection().client_list()]
    assert names.count("hydra-web") <= LIMIT + OTHERS


def test_a_thread_for_which_no_connection_comes_free_is_told_so(stored):
    taken = [door().pool.get_connection() for _ in range(LIMIT)]
    try:
        with pytest.raises(SessionsUnavailable, match="all connections"):
            SessionStore(stored.session_key).load()
    finally:
        for each in taken:
            door().pool.release(each)
    assert SessionStore(stored.session_key)["fruit"] == "apple"


def test_who_waited_for_a_connection_while_redis_began_to_hang_waits_for_no_answer_too(stored, monkeypatch):
    monkeypatch.setattr("webapp.sessions.connection.TIMEOUT", PATIENCE)  # a busy machine shall not end the waiting
    taken = [door().pool.get_connection() for _ in range(LIMIT)]
    with ThreadPoolExecutor(1) as visitor:
        page = visitor.submit(SessionStore(stored.session_key).load)
        while not door().pool._waiting:
            pass
        door().hanging = True  # as another request finds out
        for each in taken:
            door().pool.release(each)
        with pytest.raises(SessionsUnavailable, match="a moment ago"):
            page.result()
    assert SessionStore(stored.session_key)["fruit"] == "apple"
    assert not door().hanging


class Enough(BaseException):
    """As a worker ends a request that takes too long."""


def test_whoever_is_interrupted_leaves_his_answer_to_nobody(stored):
    def interrupt(*_):
        raise Enough

    others = SessionStore()
    others["fruit"] = "pear"
    others.save()
    usual = signal.signal(signal.SIGALRM, interrupt)
    try:
        connection().client_pause(200)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Enough):
            SessionStore(others.session_key).load()
    finally:
        signal.signal(signal.SIGALRM, usual)
    assert [SessionStore(each.session_key)["fruit"] for each in (stored, others) * 3] == ["apple", "pear"] * 3


@pytest.mark.parametrize("kind", [Enough, RuntimeError])
def test_nor_does_he_between_asking_and_reading(stored, monkeypatch, kind):
    connected = door().pool.get_connection()
    door().pool.release(connected)
    with monkeypatch.context() as patch:
        patch.setattr(connected, "read_response", lambda **_: (_ for _ in ()).throw(kind))
        with pytest.raises(kind):
            SessionStore(stored.session_key).load()
    assert SessionStore().exists("nobody's key") is False


def test_a_request_without_a_cookie_that_writes_nothing_asks_redis_nothing(rf, outage):
    outage("down")
    seen = []

    def view(request):
        seen.append((request.session.get("fruit"), request.session.is_empty()))
        return HttpResponse()

    response = SessionMiddleware(view)(rf.get("/"))
    assert (response.status_code, seen, dict(response.cookies)) == (200, [(None, True)], {})


def test_a_child_of_a_fork_has_connections_of_its_own(stored):
    ours = door()
    child = os.fork()
    if not child:
        code = 1
        try:
            code = int(not (door() is not ours and SessionStore(stored.session_key)["fruit"] == "apple"))
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert SessionStore(stored.session_key)["fruit"] == "apple"
