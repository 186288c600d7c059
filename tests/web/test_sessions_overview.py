"""Where a user is signed in: the list keeps itself right, costs nothing, and ends what he wants ended."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import SESSION_KEY
from django.http import HttpResponse

from tests.web.conftest import Browser
from webapp.sessions import form
from webapp.sessions.connection import connection
from webapp.sessions.devices import device
from webapp.sessions.middleware import SessionMiddleware
from webapp.sessions.overview import end, end_all, sessions_of
from webapp.sessions.scripts import VERSION
from webapp.sessions.store import SEEN_EVERY, SessionStore, handle, index_key, redis_key
from webapp.users.models import User

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Mobile/15E148 Safari/604.1"
)


def sign_in(pk, user_agent="", **data):
    """A session of the user with this key."""
    session = SessionStore()
    session.user_agent = user_agent
    session.update({SESSION_KEY: str(pk), **data})
    session.save()
    return session


def age(session, minutes):
    """Make a session look as if it had last been seen so long ago."""
    then = b"%07x" % (int(form.minute_now(), 16) - minutes)
    connection().setrange(redis_key(session.session_key), VERSION, then)


def test_a_users_sessions_are_listed_with_device_and_last_seen():
    first, second = sign_in(1, FIREFOX), sign_in(1, IPHONE)
    sign_in(2)
    age(first, 60)
    listed = sessions_of(User(pk=1))
    assert [(each.handle, each.device) for each in listed] == [
        (handle(second.session_key), "Safari on iPhone"),
        (handle(first.session_key), "Firefox on Linux"),
    ]
    now = datetime.now(UTC)
    assert timedelta(minutes=59) < now - listed[1].seen < timedelta(minutes=62)
    assert timedelta(days=13, hours=23) < listed[0].expires - now <= timedelta(days=14)


def test_whoever_is_not_signed_in_is_in_no_list():
    SessionStore().create()
    assert connection().keys("owner:*") == []
    assert sessions_of(User(pk=1)) == []


def test_a_session_is_ended_by_its_handle_and_only_by_its_owner():
    mine, other = sign_in(1), sign_in(1)
    assert not end(User(pk=2), handle(mine.session_key))
    assert not end(User(pk=1), "nothing")
    assert end(User(pk=1), handle(mine.session_key))
    assert not end(User(pk=1), handle(mine.session_key))
    assert [each.handle for each in sessions_of(User(pk=1))] == [handle(other.session_key)]
    assert not SessionStore().exists(mine.session_key)


def test_all_are_ended_or_all_but_one():
    here, there = sign_in(1), [sign_in(1), sign_in(1)]
    stranger = sign_in(2)
    assert end_all(User(pk=1), except_session=here) == 2
    assert [SessionStore().exists(each.session_key) for each in [here, *there, stranger]] == [True, False, False, True]
    assert end_all(User(pk=1)) == 1
    assert (end_all(User(pk=1)), sessions_of(User(pk=1))) == (0, [])
    assert SessionStore().exists(stranger.session_key)


def test_a_session_that_ends_leaves_the_list():
    sign_in(1).flush()
    sign_in(1).delete()
    brief = sign_in(1)
    brief.set_expiry(-1)
    brief.save()
    assert connection().keys() == []


def test_a_new_key_takes_the_place_of_the_old():
    session = sign_in(1, FIREFOX)
    session.cycle_key()
    assert [(each.handle, each.device) for each in sessions_of(User(pk=1))] == [
        (handle(session.session_key), "Firefox on Linux")
    ]


def test_one_that_has_run_out_is_not_listed_and_is_forgotten():
    gone, here = sign_in(1), sign_in(1)
    connection().delete(redis_key(gone.session_key))  # as when its time is over
    assert [each.handle for each in sessions_of(User(pk=1))] == [handle(here.session_key)]
    assert connection().hkeys(index_key("1")) == [handle(here.session_key).encode()]


def test_a_sign_in_drops_those_that_have_run_out():
    for _ in range(10):
        connection().delete(redis_key(sign_in(1).session_key))
    sign_in(1)
    assert connection().hlen(index_key("1")) == 1


def test_the_list_lives_as_long_as_the_session_that_lives_longest():
    long = sign_in(1, _session_expiry=1000)
    sign_in(1, _session_expiry=10)
    assert 990 <= connection().ttl(index_key("1")) <= 1000
    long.set_expiry(2000)
    long.save()
    assert 1990 <= connection().ttl(index_key("1")) <= 2000


@pytest.fixture
def visit(rf, settings):
    """Lets a view be visited with the cookie of a session."""

    def visit(session, view=lambda request: HttpResponse(request.session.get("fruit", ""))):
        request = rf.get("/")
        request.COOKIES[settings.SESSION_COOKIE_NAME] = session.session_key
        return SessionMiddleware(view)(request)

    return visit


def test_last_seen_is_noted_every_few_minutes_and_changes_nothing_else(visit):
    session = sign_in(1, fruit="apple")
    age(session, SEEN_EVERY)
    connection().expire(redis_key(session.session_key), 100)
    before = connection().get(redis_key(session.session_key))
    response = visit(session)
    after = connection().get(redis_key(session.session_key))
    assert form.minutes_since(after) <= 1
    assert (after[:VERSION], form.decode(after)) == (before[:VERSION], form.decode(before))
    assert 95 <= session.remaining() <= 100
    assert dict(response.cookies) == {}


def test_it_is_not_noted_at_every_visit(visit):
    session = sign_in(1)
    age(session, SEEN_EVERY - 1)
    before = connection().get(redis_key(session.session_key))
    visit(session)
    assert connection().get(redis_key(session.session_key)) == before


def test_noting_brings_no_session_back(visit):
    session = sign_in(1)
    age(session, 60)

    def view(request):
        request.session.get("fruit")
        session.delete()
        return HttpResponse("done")

    assert visit(session, view).status_code == 200
    assert connection().keys() == []


def test_that_it_could_not_be_noted_spoils_no_page(visit):
    session = sign_in(1, fruit="apple")
    age(session, 60)
    connection().config_set("maxmemory", "1mb")
    try:
        response = visit(session)
    finally:
        connection().config_set("maxmemory", "0")
    assert response.text == "apple"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0; x64) AppleWebKit/537.36 Chrome/139.0 Safari/537.36", "Chrome on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/139.0 Safari/537.36 Edg/139.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/139.0 Mobile Safari/537.36",
         "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15",
         "Safari on Mac"),
        ("curl/8.14.1", "curl 8.14.1"),
        ("", "Unknown device"),
        ("\x00\n", "Unknown device"),
        ("x" * 5000, "x" * 40),
        ("<script>alert(1)</script>", "<script>alert(1)< script>"),
    ],
)  # fmt: skip
def test_a_device_is_told_in_plain_words(user_agent, words):
    assert device(user_agent) == words


@pytest.fixture
def signed_in(new_name, password):
    """A user's two browsers, both signed in."""
    user = User.objects.create_user(new_name(), "", password)
    browsers = [Browser(headers={"user-agent": each}) for each in (FIREFOX, IPHONE)]
    for each in browsers:
        assert each.post("/sign-in/", {"username": user.username, "password": password}).status_code == 302
    return browsers


@pytest.mark.django_db
def test_the_page_shows_where_a_user_is_signed_in_and_ends_it(signed_in):
    here, there = signed_in
    page = here.get("/sessions/")
    assert "Firefox on Linux" in page.text and "Safari on iPhone" in page.text
    assert "the one you are looking at" in page.text
    assert here.session.session_key not in page.text and there.session.session_key not in page.text
    answer = here.post("/sessions/", {"handle": handle(there.session.session_key)}, follow=True)
    assert "That session has ended." in answer.text
    assert there.get("/sessions/").status_code == 302
    assert "had ended already" in here.post("/sessions/", {"handle": "nothing"}, follow=True).text
    assert "signed in nowhere else" in here.post("/sessions/", {"others": "1"}, follow=True).text


@pytest.mark.django_db
def test_all_others_are_ended_at_once(signed_in):
    here, there = signed_in
    assert "One other session has ended." in here.post("/sessions/", {"others": "1"}, follow=True).text
    assert there.get("/sessions/").status_code == 302
    assert here.get("/sessions/").status_code == 200


@pytest.mark.django_db
def test_ending_the_one_in_use_signs_out(signed_in):
    here, there = signed_in
    assert here.post("/sessions/", {"handle": handle(here.session.session_key)}).url == "/"
    assert here.get("/sessions/").status_code == 302
    assert there.get("/sessions/").status_code == 200


@pytest.mark.django_db
def test_nothing_is_ended_without_the_token_of_the_page_or_by_looking(signed_in):
    here, there = signed_in
    here.handler.enforce_csrf_checks = True
    assert here.post("/sessions/", {"others": "1"}).status_code == 403
    here.get("/sessions/?others=1")
    assert there.get("/sessions/").status_code == 200
    assert Browser().get("/sessions/").url.startswith("/sign-in/")


@pytest.mark.django_db
def test_a_new_password_takes_the_other_sessions_off_the_list(signed_in, password):
    here, _ = signed_in
    new = "staple battery horse"
    here.post("/password/", {"old_password": password, "new_password1": new, "new_password2": new})
    assert [each.handle for each in sessions_of(here.get("/").context["user"])] == [handle(here.session.session_key)]
    assert len(connection().keys("session:*")) == 1


@pytest.mark.django_db(transaction=True)
def test_a_users_sessions_end_with_him(signed_in):
    here, _ = signed_in
    here.get("/").context["user"].delete()
    assert connection().keys("session:*") + connection().keys("owner:*") == []
