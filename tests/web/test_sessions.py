"""The session engine on a real Redis: what is kept, how, and in how many round trips."""

import asyncio
import json
import math
import pickle
import re

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.serializers import JSONSerializer
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from redis import Redis

from webapp.sessions.connection import connection
from webapp.sessions.middleware import SessionMiddleware
from webapp.sessions.scripts import HEADER
from webapp.sessions.store import SessionStore, redis_key


@pytest.fixture
def asked(servers):
    """Gives the names of the commands that reach Redis from outside while something is done."""
    given = servers.environment
    client = Redis.from_url(given["REDIS_URL"], password=given["REDIS_PASSWORD"])

    def commands(act):
        with client.monitor() as monitor:
            act()
            connection().echo("over")
            seen = []
            while (one := monitor.next_command())["command"] != "ECHO over":
                if one["client_type"] != "lua":
                    seen.append(one["command"].split()[0])
        return seen

    yield commands
    client.close()


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


def test_it_is_kept_as_json_behind_its_version_under_a_digest_with_a_lifetime(stored):
    (key,) = connection().keys("*")
    value = connection().get(key)
    assert key.decode() == redis_key(stored.session_key)
    assert stored.session_key not in key.decode()
    assert json.loads(value[HEADER:]) == {"fruit": "apple"}
    assert re.fullmatch(rb"[\w-]{7}=[0-9a-f]{7}", value[:HEADER])
    assert 14 * 24 * 3600 - 5 <= stored.remaining() <= 14 * 24 * 3600


SIGNED_IN = {
    "_auth_user_id": "7",
    "_auth_user_backend": "webapp.users.backend.SimpleDBBackend",
    "_auth_user_hash": "0123456789abcdef" * 4,
}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (SIGNED_IN, {"_auth": ["7", 0, "0123456789abcdef" * 4]}),
        (SIGNED_IN | {"_auth_user_backend": "a.b"}, {"_auth": ["7", "a.b", "0123456789abcdef" * 4]}),
        (SIGNED_IN | {"fruit": "apple"}, {"_auth": ["7", 0, "0123456789abcdef" * 4], "fruit": "apple"}),
        *[(each, each) for each in (SIGNED_IN | {"_auth": 1}, SIGNED_IN | {"_auth_user_backend": 1})],
    ],
)
def test_what_django_keeps_of_a_user_is_written_short_and_read_as_it_was(data, text):
    session = SessionStore()
    session.update(data)
    session.save()
    assert json.loads(connection().get(redis_key(session.session_key))[HEADER:]) == text
    assert SessionStore(session.session_key).load() == data


def test_a_small_session_takes_no_more_of_redis_than_djangos_json():
    session = SessionStore()
    session.update(SIGNED_IN)
    session.user_agent = "Mozilla/5.0 (Windows NT 10.0; x64) AppleWebKit/537.36 Chrome/139.0 Safari/537.36"
    session.save()
    ours = sum(connection().memory_usage(key) for key in connection().keys("*"))
    connection().set(f":1:django.contrib.sessions.cache{session.session_key}", JSONSerializer().dumps(SIGNED_IN))
    assert ours <= connection().memory_usage(f":1:django.contrib.sessions.cache{session.session_key}")


def test_loading_is_one_get_and_saving_one_script(stored, asked):
    def visit():
        again = SessionStore(stored.session_key)
        again["fruit"] = "pear"
        again.save()

    visit()  # Redis knows the script now
    assert asked(visit) == ["GET", "EVALSHA"]


def test_a_signed_in_session_costs_no_more(asked):
    session = SessionStore()
    session[SESSION_KEY] = "1"
    session.save()

    def visit():
        again = SessionStore(session.session_key)
        again["fruit"] = "pear"
        again.save()

    visit()
    assert asked(visit) == ["GET", "EVALSHA"]


def test_a_new_session_is_one_conditional_write(asked):
    assert asked(SessionStore().create) == ["SET"]


def test_a_new_key_and_an_end_are_one_script_each(asked):
    session = SessionStore()
    session[SESSION_KEY] = "1"
    session.save()
    session.cycle_key()
    assert asked(session.cycle_key) == ["EVALSHA"]
    assert asked(session.flush) in (["EVALSHA"], ["EVALSHA", "EVAL"])


def test_a_session_without_a_key_asks_nothing(asked):
    def visit():
        session = SessionStore()
        session.get("fruit")
        assert not session.exists(None)
        session.flush()

    assert asked(visit) == []


def test_redis_may_forget_the_scripts(stored):
    connection().script_flush()
    stored["fruit"] = "pear"
    stored.save()
    assert SessionStore(stored.session_key)["fruit"] == "pear"


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


@pytest.mark.parametrize(
    "value",
    [
        "é\ud800\x00\u2028",
        "é",
        10**30,
        -(2**63) - 1,
        1e308,
        math.inf,
        -0.0,
        [1, 1.0, True, None],
        {"1": {"deep": [{}]}},
        {1: 2, False: 3, None: 4, 1.5: 5},
        (1, (2,)),
        "</script>",
    ],
    ids=repr,
)
def test_every_value_comes_back_as_djangos_serializer_would_give_it(value):
    session = SessionStore()
    session["value"] = value
    session.save()
    expected = JSONSerializer().loads(JSONSerializer().dumps({"value": value}))
    assert repr(SessionStore(session.session_key).load()) == repr(expected)
    text = connection().get(redis_key(session.session_key))[HEADER:]
    assert text.isascii() and repr(JSONSerializer().loads(text)) == repr(expected)


def test_what_is_no_json_is_refused_and_nothing_is_stored(stored):
    stored["fruit"] = object()
    with pytest.raises(TypeError):
        stored.save()
    assert SessionStore(stored.session_key)["fruit"] == "apple"


def test_what_contains_itself_is_refused_as_django_does(stored):
    stored["fruit"] = endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="Circular"):
        stored.save()


def test_what_is_no_session_is_treated_as_absent(stored, caplog):
    connection().set(redis_key(stored.session_key), "nonsense")
    again = SessionStore(stored.session_key)
    assert again.load() == {}
    assert again.session_key is None
    assert "is none" in caplog.text


class Shouting(JSONSerializer):
    """A serializer of one's own: JSON all the same."""

    def loads(self, data):
        return {key: str(value).upper() for key, value in super().loads(data).items()}


def test_a_serializer_made_from_djangos_is_used(settings, stored):
    settings.SESSION_SERIALIZER = f"{__name__}.Shouting"
    assert SessionStore(stored.session_key)["fruit"] == "APPLE"


class Plain:
    """A serializer that owes nothing to Django's, and writes JSON."""

    def dumps(self, data):
        return json.dumps({"wrapped": data}).encode()

    def loads(self, data):
        return json.loads(data)["wrapped"]


class Pickling(Plain):
    """One that does not."""

    def dumps(self, data):
        return pickle.dumps(data)


class Text(Plain):
    """One that writes JSON as text, where Django wants bytes."""

    def dumps(self, data):
        return json.dumps(data)


def test_a_serializer_of_ones_own_that_writes_json_is_used(settings):
    settings.SESSION_SERIALIZER = f"{__name__}.Plain"
    session = SessionStore()
    session["fruit"] = "apple"
    session.save()
    assert connection().get(redis_key(session.session_key))[HEADER:] == b'{"wrapped": {"fruit": "apple"}}'
    assert SessionStore(session.session_key)["fruit"] == "apple"
    assert "hydra.E002" not in [each.id for each in run_checks()]


NO_JSON = ["pickle.Pickler", "json.dumps", "django.core.signing.TimestampSigner"]


@pytest.mark.parametrize("path", [*NO_JSON, f"{__name__}.Pickling", f"{__name__}.Text"])
def test_a_serializer_that_is_no_json_is_refused_by_a_check_and_by_the_engine(settings, path):
    settings.SESSION_SERIALIZER = path
    (error,) = [each for each in run_checks() if each.id == "hydra.E002"]
    assert path in error.msg and "JSONSerializer" in error.hint
    with pytest.raises(ImproperlyConfigured, match="JSON alone"):
        SessionStore()


def test_a_serializer_that_is_not_there_is_found_by_the_check(settings):
    settings.SESSION_SERIALIZER = "nowhere.Nothing"
    assert "hydra.E002" in [each.id for each in run_checks()]
