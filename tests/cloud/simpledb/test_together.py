"""Calls that wait for the same turn are written in one transaction; each succeeds or fails by itself."""

import threading
from dataclasses import dataclass

import pytest

from fabfile.localcloud.simpledb.changes import Put
from fabfile.localcloud.simpledb.conditions import Expectation
from fabfile.localcloud.simpledb.errors import Refused
from fabfile.localcloud.simpledb.parameters import Attribute
from fabfile.localcloud.simpledb.store import Store


@dataclass(frozen=True)
class Broken:
    """A change that meets what nobody has foreseen."""

    item: str

    def apply(self, pairs):
        raise ZeroDivisionError(self.item)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    store.create_domain("r", "here")
    yield store
    store.close()


def together(store, *calls):
    """Make the calls, (domain, changes), while nobody gets a turn, then let go; what each has raised, or None."""
    errors = [None] * len(calls)

    def call(place, domain, changes):
        try:
            store.change("r", domain, changes)
        except (Refused, ZeroDivisionError) as error:
            errors[place] = error

    with store._turn:
        threads = []
        for place, (domain, changes) in enumerate(calls):
            threads.append(threading.Thread(target=call, args=(place, domain, changes)))
            threads[-1].start()
            while len(store._jobs) <= place:
                pass
    for thread in threads:
        thread.join()
    return errors


def put(item, value, expected=None):
    return [Put(item, (Attribute("n", value, replace=True),), expected)]


def found(store, item):
    with store.read_domain("r", "here", consistent=True) as (snapshot, domain):
        return [value for _, value in snapshot.pairs(domain, item)]


def test_a_refused_call_leaves_those_beside_it_alone(store):
    errors = together(store, ("here", put("a", "1")), ("nowhere", put("b", "1")), ("here", put("c", "1")))
    assert [error and error.code for error in errors] == [None, "NoSuchDomain", None]
    assert (found(store, "a"), found(store, "c")) == (["1"], ["1"])


def test_a_call_that_breaks_leaves_those_beside_it_alone(store):
    errors = together(store, ("here", put("a", "1")), ("here", [*put("b", "1"), Broken("x")]), ("here", put("c", "1")))
    assert [type(error) for error in errors] == [type(None), ZeroDivisionError, type(None)]
    assert (found(store, "a"), found(store, "b"), found(store, "c")) == (["1"], [], ["1"])


def test_each_sees_what_those_before_it_have_written(store):
    absent = Expectation("n", None)
    calls = [("here", put("a", str(number), absent)) for number in range(4)]
    calls.append(("here", put("a", "last", Expectation("n", "0"))))
    errors = together(store, *calls)
    assert [error and error.code for error in errors] == [None, *["ConditionalCheckFailed"] * 3, None]
    assert found(store, "a") == ["last"]


def test_more_calls_than_one_transaction_takes_are_all_made(store):
    assert not any(together(store, *[("here", put(f"item {number}", "1")) for number in range(150)]))
    assert [domain["items"] for domain in store.overview()] == [150]
