"""Sessions that a former version stored: a deploy signs nobody out, and what it left is listed and can be ended."""

import asyncio
from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError

from webapp.sessions.connection import connection
from webapp.sessions.overview import end, end_all, sessions_of
from webapp.sessions.scripts import HEADER
from webapp.sessions.store import SessionStore, handle, index_key, redis_key
from webapp.users.models import User

COOKIE = "abcdefghijklmnopqrstuvwxyz012345"


def former(cookie=COOKIE, owner="7", device="Firefox on Linux", seconds=1000):
    """Stores a session and its place in the list as versions of 2026 did; gives the cookie."""
    name = urlsafe_b64encode(sha256(cookie.encode()).digest())[:-1].decode()
    data = b'{"_auth_user_id":"%b","fruit":"apple"}' % owner.encode()
    connection().set(f"session:{name}", b"q7Fz_0aB1c3f2a9" + data, ex=seconds)
    connection().hset(f"sessions-of:{owner}", name, device)
    connection().expire(f"sessions-of:{owner}", seconds)
    return cookie


@pytest.mark.parametrize("load", [lambda session: session.load(), lambda session: asyncio.run(session.aload())])
def test_it_is_read_and_from_then_on_lies_where_all_do(load):
    session = SessionStore(former())
    assert load(session) == {"_auth_user_id": "7", "fruit": "apple"}
    assert session.session_key == COOKIE
    assert connection().keys("session:*") == [redis_key(COOKIE).encode()]
    assert 990 <= session.remaining() <= 1000


def test_it_is_written_in_the_new_form_and_keeps_its_place_in_the_list():
    session = SessionStore(former())
    session.user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    session["fruit"] = "pear"
    session.save()
    assert SessionStore(COOKIE)["fruit"] == "pear"
    assert connection().get(redis_key(COOKIE))[7:8] == b"="
    assert [(each.handle, each.device) for each in sessions_of(User(pk=7))] == [(handle(COOKIE), "Firefox on Linux")]


def test_a_user_sees_those_he_has_not_used_since():
    former(), former("another-cookie-of-the-same-user-0", device="Safari on iPhone", seconds=500)
    new = SessionStore()
    new[SESSION_KEY] = "7"
    new.save()
    assert {each.device for each in sessions_of(User(pk=7))} == {
        "Firefox on Linux",
        "Safari on iPhone",
        "Unknown device",
    }
    assert connection().keys("sessions-of:*") == []
    assert connection().ttl(index_key("7")) == new.remaining()
    assert SessionStore(COOKIE)["fruit"] == "apple"


def test_the_list_lives_as_long_as_it_did():
    former()
    sessions_of(User(pk=7))
    assert 990 <= connection().ttl(index_key("7")) <= 1000


def test_it_is_ended_unread_by_another_session_of_the_user():
    former("another-cookie-of-the-same-user-0")
    session = SessionStore(former())
    session.load()
    session.delete("another-cookie-of-the-same-user-0")
    assert not session.exists("another-cookie-of-the-same-user-0")


def test_it_is_ended_with_all_or_alone_read_or_unread():
    former(), former("another-cookie-of-the-same-user-0"), SessionStore(COOKIE).load()
    assert end(User(pk=7), handle(COOKIE))
    assert end_all(User(pk=7)) == 1
    assert connection().keys("*") == []


def test_it_is_there_and_signs_out_unread():
    session = SessionStore()
    assert session.exists(former())
    session.delete(COOKIE)
    assert not session.exists(COOKIE)
    assert SessionStore(COOKIE).load() == {}
    assert sessions_of(User(pk=7)) == []


def test_one_that_was_ended_does_not_come_back_under_either_name():
    session, other = SessionStore(former()), SessionStore(COOKIE)
    other["fruit"] = "pear"
    session.flush()
    with pytest.raises(UpdateError):
        other.save()
    assert connection().keys("session:*") == []


def test_its_key_can_be_changed():
    session = SessionStore(former())
    session.cycle_key()
    assert SessionStore(session.session_key)["fruit"] == "apple"
    assert connection().keys("session:*") == [redis_key(session.session_key).encode()]
    assert len(connection().get(redis_key(session.session_key))) > HEADER
