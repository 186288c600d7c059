"""Reads that forget to be consistent, and domains that take only so many writes."""

import pytest

from fabfile.localcloud.simpledb.changes import Delete, Put
from fabfile.localcloud.simpledb.errors import Refused
from fabfile.localcloud.simpledb.history import History
from fabfile.localcloud.simpledb.parameters import Attribute
from fabfile.localcloud.simpledb.select import select
from fabfile.localcloud.simpledb.store import Store
from fabfile.localcloud.simpledb.throttle import Throttle


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    store = Store(tmp_path, lag=1.0, clock=clock)
    store.create_domain("r", "here")
    clock.now += 5
    yield store
    store.close()


def put(store, item, value):
    store.change("r", "here", [Put(item, (Attribute("n", value, replace=True),))])


def get(store, item, consistent=False):
    with store.read_domain("r", "here", consistent) as (snapshot, domain):
        return [value for _, value in snapshot.pairs(domain, item)]


def test_a_read_right_after_a_write_does_not_see_it_unless_it_is_consistent(store, clock):
    put(store, "a", "1")
    assert get(store, "a") == []
    assert get(store, "a", consistent=True) == ["1"]
    assert select(store, "r", "select * from here", consistent=False).items == 0
    assert select(store, "r", "select * from here", consistent=True).items == 1
    clock.now += 1.01
    assert get(store, "a") == ["1"]


def test_no_read_is_further_behind_than_the_lag(store, clock):
    for second in range(5):
        put(store, "a", str(second))
        clock.now += 1.01
        assert get(store, "a") == [str(second)]


def test_a_delete_is_seen_late_too(store, clock):
    put(store, "a", "1")
    clock.now += 2
    store.change("r", "here", [Delete("a")])
    assert get(store, "a") == ["1"]
    clock.now += 2
    assert get(store, "a") == []


def test_a_busy_writer_keeps_one_state(store, clock):
    for number in range(500):
        put(store, "a", str(number))
        clock.now += 0.01
    assert len(store.history) == 1


def test_a_busy_writer_does_not_let_the_log_grow_without_end(store, clock, tmp_path):
    """SQLite begins its log anew only when no older state is being looked at."""
    store.close()
    store = Store(tmp_path, lag=1.0, clock=clock, log_pages=2000)
    many = tuple(Attribute(f"n{number}", "x" * 1000, replace=True) for number in range(256))
    sizes = []
    for number in range(60):  # much more than that, within one lag
        store.change("r", "here", [Put(f"item {number}", many)])
        clock.now += 0.01
        sizes.append((tmp_path / "simpledb.sqlite-wal").stat().st_size)
    assert 2000 * 4096 < max(sizes) < 2 * 2000 * 4096 + 6_000_000
    put(store, "a", "1")
    clock.now += 2
    put(store, "a", "2")
    assert get(store, "a") == ["1"]
    store.close()


def test_a_new_domain_is_there_at_once(store, clock):
    store.create_domain("r", "other")
    with store.read_domain("r", "other", consistent=False) as (snapshot, domain):
        assert snapshot.size(domain) == 0


def test_what_is_put_into_a_new_domain_is_not_seen_at_once(store):
    store.create_domain("r", "other")
    store.change("r", "other", [Put("a", (Attribute("n", "1"),))])
    with store.read_domain("r", "other", consistent=False) as (snapshot, domain):
        assert snapshot.size(domain) == 0


def test_a_domain_made_again_does_not_show_its_former_items(store, clock):
    put(store, "a", "1")
    clock.now += 2
    store.delete_domain("r", "here")
    store.create_domain("r", "here")
    assert get(store, "a") == []


def test_each_domain_has_its_own_lag_and_the_seed_decides_it():
    first, again, other = History(None, 1.0, 1), History(None, 1.0, 1), History(None, 1.0, 2)
    lags = [first.lag_of("r", f"domain-{number}") for number in range(20)]
    assert lags == [again.lag_of("r", f"domain-{number}") for number in range(20)]
    assert lags != [other.lag_of("r", f"domain-{number}") for number in range(20)]
    assert len(set(lags)) == 20
    assert 0.5 <= min(lags) <= max(lags) <= 1


def test_a_domain_takes_its_rate_of_writes_and_then_refuses(clock):
    throttle = Throttle(rate=10, clock=clock)
    for _ in range(10):
        throttle.take("r", "here")
    with pytest.raises(Refused) as caught:
        throttle.take("r", "here")
    assert (caught.value.code, caught.value.status) == ("ServiceUnavailable", 503)
    throttle.take("r", "another")
    clock.now += 0.11
    throttle.take("r", "here")


def test_a_rate_below_one_a_second_lets_one_through_at_a_time(clock):
    throttle = Throttle(rate=0.5, clock=clock)
    throttle.take("r", "here")
    clock.now += 1
    with pytest.raises(Refused):
        throttle.take("r", "here")
    clock.now += 1.1
    throttle.take("r", "here")


def test_a_rule_throttles_one_domain_and_leaves_the_others_alone(clock):
    throttle = Throttle(rule=lambda action, domain: 1 if domain == "slow" else None, clock=clock)
    throttle.take("r", "slow", "PutAttributes")
    with pytest.raises(Refused):
        throttle.take("r", "slow", "PutAttributes")
    for _ in range(100):
        throttle.take("r", "other", "PutAttributes")


def test_without_a_rate_nothing_is_refused(clock):
    throttle = Throttle(clock=clock)
    for _ in range(1000):
        throttle.take("r", "here")
