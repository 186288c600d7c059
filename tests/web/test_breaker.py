"""What a crowd of requests does while SimpleDB takes them and answers none."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from webapp.users.breaker import Breaker
from webapp.users.shards import domain_of, item_hash
from webapp.users.store import AccountStore, Unavailable, connect


@pytest.fixture
def store(servers):
    """A store that has the map, pauses for no time, and keeps a crowd away from a domain that gives no answer."""
    store = AccountStore(connect("us-west-2"), "test-users", sleep=lambda _: None, breaker=Breaker())
    store.maps.now()
    return store


def domains(store, names) -> list[str]:
    """Where these names lie."""
    return [domain_of(item_hash(name) % store.maps.now().after, "test-users") for name in names]


def names_apart(store, new_name) -> tuple[str, str]:
    """Two names that lie in different domains."""
    one = new_name()
    return one, next(other for other in iter(new_name, None) if len({*domains(store, [one, other])}) == 2)


def test_a_domain_that_gave_no_answer_is_asked_once_and_not_again_and_again(store, new_name, gate):
    name = new_name()
    with gate.deaf():
        with gate.counting() as first, pytest.raises(Unavailable):
            store.get(name)
        with gate.counting() as second, pytest.raises(Unavailable):
            store.get(name)
    assert (len(first), len(second)) == (5, 1)


def test_one_answer_makes_all_as_before(store, new_name, gate):
    made = store.create(new_name(), "argon2$x")
    with gate.deaf(), pytest.raises(Unavailable):
        store.get(made.name)
    assert store.get(made.name) == made
    gate.busy = 3
    assert store.get(made.name) == made


def test_a_busy_domain_has_answered(store, new_name, gate):
    name = new_name()
    with gate.shut():
        for _ in range(2):
            with gate.counting() as asked, pytest.raises(Unavailable):
                store.get(name)
            assert len(asked) == 5


def test_other_domains_are_asked_as_ever(store, new_name, gate):
    one, other = names_apart(store, new_name)
    with gate.deaf():
        with pytest.raises(Unavailable):
            store.get(one)
        with gate.counting() as asked, pytest.raises(Unavailable):
            store.get(other)
    assert len(asked) == 5


def test_of_a_crowd_one_waits_for_the_silent_domain_and_nobody_else_asks(servers, new_name, gate):
    """The one waits here until the others were told; none of them may be waiting for him."""
    patient = AccountStore(connect("us-west-2", timeout=30), "test-users", attempts=1, breaker=Breaker())
    patient.maps.now()
    name = new_name()
    patient.calls.breaker.gave_up(*domains(patient, [name]))
    with gate.silent(), ThreadPoolExecutor(8) as pool:
        before = len(gate.operations)
        trying = pool.submit(patient.get, name)
        while len(gate.operations) == before:
            time.sleep(0.001)
        told = [pool.submit(patient.get, name) for _ in range(7)]
        assert all(isinstance(each.exception(), Unavailable) for each in told)
        assert not trying.done()
        assert len(gate.operations) == before + 1
        gate.speaks.set()


def test_who_waits_a_moment_too_early_has_his_answer_all_the_same(store, new_name):
    """Given a domain that gave no answer and does again, done by many at once, expected that all are answered."""
    made = store.create(new_name(), "argon2$x")
    store.calls.breaker.gave_up(*domains(store, [made.name]))
    together = threading.Barrier(8)

    def ask():
        together.wait()
        return store.get(made.name)

    with ThreadPoolExecutor(8) as pool:
        assert [each.result() for each in [pool.submit(ask) for _ in range(8)]] == [made] * 8


def test_a_crowd_without_a_map_waits_for_one_question_and_not_for_one_each(servers, gate):
    """Given a clock that stands still, so that all have come before the first was told."""
    lost = AccountStore(connect("us-west-2"), "test-users", attempts=1, clock=lambda: 0.0)
    with gate.deaf(), gate.counting() as asked, ThreadPoolExecutor(8) as pool:
        assert all(isinstance(each.exception(), Unavailable) for each in [pool.submit(lost.maps.now) for _ in range(8)])
    assert len(asked) == 1
