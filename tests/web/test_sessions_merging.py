"""Many requests of one session at once: nothing that was written is lost, and what was ended stays so."""

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted

from webapp.sessions.connection import SessionsUnavailable, ask, connection
from webapp.sessions.form import encode, merge
from webapp.sessions.overview import sessions_of
from webapp.sessions.scripts import CREATE, CYCLE, SAVE
from webapp.sessions.store import SessionStore, handle, index_key, redis_key
from webapp.users.models import User


def new(**data):
    """A stored session; gives its key."""
    session = SessionStore()
    session.update(data)
    session.save()
    return session.session_key


def stored(key):
    """What is stored under this key."""
    return SessionStore(key).load()


@pytest.mark.parametrize(
    ("engine", "kept"),
    [
        ("webapp.sessions.store", {"fruit", "bread", "wine"}),
        ("django.contrib.sessions.backends.cache", {"fruit", "wine"}),  # what others do
    ],
)
def test_two_requests_that_write_different_keys_both_keep_theirs(servers, settings, engine, kept):
    given = servers.environment
    location = given["REDIS_URL"].replace("://", f"://:{given['REDIS_PASSWORD']}@")
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location}}
    engine = import_module(engine).SessionStore
    first = engine()
    first["fruit"] = "apple"
    first.save()
    one, other = engine(first.session_key), engine(first.session_key)
    assert one["fruit"] == other["fruit"] == "apple"
    one["bread"] = "rye"
    other["wine"] = "red"
    one.save()
    other.save()
    assert set(engine(first.session_key).keys()) == kept


def test_each_key_is_merged_by_itself():
    key = new(kept="a", changed="a", removed="a", contested="a", gone="a")
    one, other = SessionStore(key), SessionStore(key)
    one.get("kept"), other.get("kept")
    one["contested"], one["added"] = "one", "one"
    del one["gone"]
    one.save()
    other["contested"], other["changed"] = "other", "other"
    del other["removed"]
    other.save()
    assert stored(key) == {"kept": "a", "changed": "other", "contested": "other", "added": "one"}
    assert dict(other.items()) == stored(key)


def test_a_value_changed_in_place_counts_as_changed():
    key = new(basket=["apple"], name="x")
    one, other = SessionStore(key), SessionStore(key)
    other["name"]
    one["name"] = "y"
    one.save()
    other["basket"].append("pear")
    other.modified = True
    other.save()
    assert stored(key) == {"basket": ["apple", "pear"], "name": "y"}


def test_a_value_that_json_changes_is_no_change():
    assert merge({"a": [1]}, {"a": [1]}, {"a": [2]}) == {"a": [2]}
    key = new(pair=(1, 2), other=0)
    one, other = SessionStore(key), SessionStore(key)
    one["pair"], other["pair"]
    one["pair"] = [3, 4]
    one.save()
    other["pair"] = (1, 2)
    other["other"] = 1
    other.save()
    assert stored(key) == {"pair": [3, 4], "other": 1}


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), ([0], [False])])
def test_a_change_of_kind_alone_is_a_change(before, after):
    assert repr(merge({"a": before}, {"a": after}, {"a": before})) == repr({"a": after})


def test_one_request_may_save_more_than_once():
    key = new(a=0, b=0)
    one, other = SessionStore(key), SessionStore(key)
    for number in range(3):
        one["a"] = number
        one.save()
        other["b"] = number
        other.save()
    assert stored(key) == {"a": 2, "b": 2}


def test_a_session_that_was_emptied_unread_keeps_nothing():
    key = new(fruit="apple")
    session = SessionStore(key)
    session.clear()
    session["wine"] = "red"
    session.save()
    assert stored(key) == {"wine": "red"}


def test_reading_again_does_not_pass_the_old_data_off_as_new():
    key = new(a=0, b=0)
    one, other = SessionStore(key), SessionStore(key)
    one["a"] = 1
    other["b"] = 1
    other.save()
    assert one.load() == {"a": 0, "b": 1}
    one.save()
    assert stored(key) == {"a": 1, "b": 1}


def test_eight_threads_write_a_thousand_times_each_and_nothing_is_lost():
    key = new()
    names = [f"thread-{number}" for number in range(8)]

    def write(name):
        for number in range(1, 1001):
            request = SessionStore(key)
            assert request.get(name, 0) == number - 1
            request[name] = number
            request.save()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, names))
    assert stored(key) == dict.fromkeys(names, 1000)


def test_of_150_races_of_saving_against_signing_out_none_brings_a_session_back():
    def race(number):
        key = new(**{SESSION_KEY: str(number % 3)})
        saving, ending = SessionStore(key), SessionStore(key)
        saving["fruit"], _ = "apple", ending.get("fruit")

        def save():
            try:
                saving.save()
            except UpdateError:
                return

        with ThreadPoolExecutor(2) as pair:
            for act in (save, ending.flush) if number % 2 else (ending.flush, save):
                pair.submit(act)
        return SessionStore().exists(key)

    assert not any(race(number) for number in range(150))
    assert connection().keys("*") == []


def test_nor_does_a_race_of_a_new_key_against_signing_out():
    def race(number):
        key = new(**{SESSION_KEY: "1"})
        cycling, ending = SessionStore(key), SessionStore(key)
        cycling.get("fruit"), ending.get("fruit")

        def cycle():
            try:
                cycling.cycle_key()
            except SessionInterrupted:
                return None
            return cycling.session_key

        with ThreadPoolExecutor(2) as pair:
            cycled, ended = pair.submit(cycle), pair.submit(ending.flush)
            ended.result()
        # Whoever was first: there is a new session, or none. Never the old one beside it.
        return SessionStore().exists(key), connection().exists("session:*"), cycled.result()

    assert not any(race(number)[0] for number in range(60))


def test_a_signed_in_session_that_has_ended_gets_no_new_key():
    session = SessionStore(new(**{SESSION_KEY: "1"}))
    session.get("fruit")
    SessionStore(session.session_key).delete()
    with pytest.raises(SessionInterrupted):
        session.cycle_key()
    with pytest.raises(UpdateError):
        session.save()
    assert connection().keys("session:*") == []


def test_an_anonymous_one_does_with_what_it_held():
    session = SessionStore(new(basket=["apple"]))
    session.get("basket")
    SessionStore(session.session_key).delete()
    session.cycle_key()
    assert stored(session.session_key) == {"basket": ["apple"]}


def test_a_new_key_takes_along_what_another_request_wrote_meanwhile():
    key = new(a=0, b=0)
    cycling, other = SessionStore(key), SessionStore(key)
    cycling["a"] = 1
    other["b"] = 1
    other.save()
    cycling.cycle_key()
    assert stored(cycling.session_key) == {"a": 1, "b": 1}
    assert not SessionStore().exists(key)


@pytest.mark.parametrize("owner", [{}, {SESSION_KEY: "7"}])
def test_a_command_given_twice_because_its_answer_was_lost_does_what_one_does(owner):
    key, data = new(**owner), {"fruit": "apple", **owner}
    loaded, value = connection().get(redis_key(key)), encode(data)
    keys = [redis_key(key)] + [index_key("7")] * bool(owner)
    save = ("EVALSHA", SAVE, len(keys), *keys, loaded[:8], value, 100, handle(key), "")
    assert [ask(save), ask(save)] == [1, 1]
    moved = [redis_key("new"), *keys]
    cycle = ("EVALSHA", CYCLE, len(moved), *moved, value[:8], encode(data), 100, handle("new"), "", handle(key))
    assert [ask(cycle), ask(cycle)] == [1, 1]
    made = [redis_key("made"), *keys[1:]]
    create = ("EVALSHA", CREATE, len(made), *made, "", encode(data), 100, handle("made"), "")
    assert [ask(create), ask(create)] == [1, 1]
    assert stored("new") is not None


def test_a_new_session_whose_answer_was_lost_is_not_made_twice():
    session = SessionStore()
    plan = session._creating()
    setting = next(plan)
    assert ask(setting)  # and this is lost
    asking = plan.send(ask(setting))
    with pytest.raises(StopIteration):
        plan.send(ask(asking))
    assert connection().keys("*") == [redis_key(session.session_key).encode()]


def test_a_save_that_never_gets_through_says_try_again(monkeypatch):
    monkeypatch.setattr("webapp.sessions.store.ATTEMPTS", 1)
    key = new(a=0)
    one, other = SessionStore(key), SessionStore(key)
    one["a"], other["a"] = 1, 2
    one.save()
    with pytest.raises(SessionsUnavailable):
        other.save()


def test_whoever_is_replaced_in_a_session_has_it_no_longer():
    session = SessionStore(new(**{SESSION_KEY: "1"}))
    session[SESSION_KEY] = "2"
    session.save()
    assert sessions_of(User(pk=1)) == []
    assert [each.handle for each in sessions_of(User(pk=2))] == [handle(session.session_key)]
