"""Merging for whatever data and in whatever order: each key is that of whoever changed it, and no other's."""

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from webapp.sessions.connection import connection
from webapp.sessions.form import LARGEST, decode, encode, merge
from webapp.sessions.store import SessionStore

# A busy machine is no error, and the fixture that empties Redis need not do so for each example.
excused = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
quick = settings(deadline=None, max_examples=150, suppress_health_check=excused)

scalars = some.none() | some.sampled_from(
    [0, 1, 2, 1.0, 0.0, -0.0, True, False, "", "1", "é\ud800", math.nan, math.inf, 10**30]
)
values = some.recursive(
    scalars,
    lambda inner: some.lists(inner, max_size=2) | some.dictionaries(some.sampled_from("xy"), inner, max_size=2),
    max_leaves=4,
)
names = some.sampled_from("abc")
sessions = some.dictionaries(names, values)
steps = some.lists(
    some.tuples(
        some.sampled_from([0, 1]),
        some.sampled_from(["set", "drop", "look", "clear", "save", "save"]),
        names,
        values | some.tuples(scalars),
    ),
    max_size=12,
)


def text(data: dict, name: str) -> str:
    """How a key of a session is written, '' if it has none: what counts as the same."""
    return json.dumps(data[name]) if name in data else ""


def texts(data: dict) -> dict:
    """All its keys so."""
    return {name: text(data, name) for name in data}


def three_way(base: dict, ours: dict, theirs: dict) -> dict:
    """What merging promises, said once more: keys as texts."""
    names = {*base, *ours, *theirs}
    chosen = {name: ours if text(base, name) != text(ours, name) else theirs for name in names}
    return {name: text(data, name) for name, data in chosen.items() if name in data}


@quick
@given(sessions, sessions, sessions)
def test_each_key_is_that_of_whoever_changed_it(base, ours, theirs):
    assert texts(merge(base, ours, theirs)) == three_way(base, ours, theirs)


@quick
@given(sessions, sessions)
def test_who_changed_nothing_changes_nothing_and_who_was_alone_keeps_all(base, other):
    assert texts(merge(base, base, other)) == texts(other)
    assert texts(merge(base, other, base)) == texts(other)


@quick
@given(sessions)
def test_what_is_written_is_read(data):
    assert texts(decode(encode(data))) == texts(data)


class Model:
    """One of two requests, as it should be: what it loaded and what it has."""

    def __init__(self):
        self.base = self.data = None

    def look(self, stored):
        if self.data is None:
            self.base, self.data = dict(stored), dict(stored)


def walk(steps):
    """Take these steps with two requests of one session, and with models of them; gives what is stored, and should."""
    first = SessionStore()
    first["a"] = 1
    first.save()
    requests, models, stored = [SessionStore(first.session_key) for _ in range(2)], [Model(), Model()], {"a": 1}
    for who, act, name, value in steps:
        request, model = requests[who], models[who]
        if act == "clear":
            request.clear()
            model.data = {}
            continue
        model.look(stored)
        if act == "look":
            request.get(name)
        elif act == "set":
            request[name] = value
            model.data[name] = json.loads(json.dumps(value))
        elif act == "drop":
            request.pop(name, None)
            model.data.pop(name, None)
        else:
            request.save()
            merged = model.data if model.base is None else three_way(model.base, model.data, stored)
            if model.base is not None:
                merged = {each: json.loads(written) for each, written in merged.items()}
            stored = dict(merged)
            model.base, model.data = dict(merged), dict(merged)
        assert texts(dict(request.items())) == texts(model.data)
    return SessionStore(first.session_key).load(), stored


@quick
@given(steps)
def test_two_requests_of_one_session_in_any_order_lose_nothing(steps):
    seen, wanted = walk(steps)
    assert texts(seen) == texts(wanted)


def test_a_number_that_is_none_does_not_undo_what_another_request_wrote():
    session = SessionStore()
    session.update({"reading": math.nan, "fruit": "apple"})
    session.save()
    one, other = SessionStore(session.session_key), SessionStore(session.session_key)
    one.get("reading"), other.get("reading")
    one["reading"], other["fruit"] = 1.5, "pear"
    one.save()
    other.save()
    assert SessionStore(session.session_key).load() == {"reading": 1.5, "fruit": "pear"}


def test_a_lifetime_set_by_one_request_outlives_the_save_of_another():
    session = SessionStore()
    session.create()
    one, other = SessionStore(session.session_key), SessionStore(session.session_key)
    one.get("fruit"), other.get("fruit")
    one.set_expiry(60)
    one.save()
    other["fruit"] = "apple"
    other.save()
    assert 55 <= session.remaining() <= 60
    assert SessionStore(session.session_key).get_expiry_age() == 60


@pytest.mark.parametrize("value", [object(), {1}, b"bytes", 1j, {"deep": [object()]}, {("a", "b"): 1}], ids=repr)
def test_what_is_no_json_is_refused_by_the_name_of_its_key(value):
    session = SessionStore()
    session["fruit"] = "apple"
    session["basket of today"] = value
    with pytest.raises(TypeError, match=r"session\['basket of today'\] cannot be kept, since sessions are JSON"):
        session.save()
    assert connection().keys("*") == []


def test_so_is_what_has_no_end_and_what_is_too_deep():
    endless, deep = [], []
    endless.append(endless)
    for _ in range(100_000):
        deep = [deep]
    for value in (endless, deep):
        session = SessionStore()
        session["basket"] = value
        with pytest.raises(ValueError, match=r"session\['basket'\]"):
            session.save()


def test_what_is_too_large_is_refused_by_the_name_of_its_largest_key():
    session = SessionStore()
    session.update({"fruit": "apple", "film": "x" * LARGEST})
    with pytest.raises(ValueError, match=r"8,388,608 bytes.* 8,388,6\d\d; most is in session\['film'\]"):
        session.save()
    assert connection().keys("*") == []
