"""Many machines at once: results by name, all failures told together, never more than so many at a time."""

import threading
from types import SimpleNamespace

import pytest

from fabfile.engine.errors import Failure, Refusal
from fabfile.engine.fleet import checked, each
from fabfile.engine.operations import Outcome, Package


def hosts(*names):
    return [SimpleNamespace(name=name) for name in names]


def test_results_come_by_name_in_the_order_asked():
    assert list(each(hosts("b", "a"), lambda host: host.name * 2).items()) == [("b", "bb"), ("a", "aa")]


def test_no_machines_is_nothing_to_do():
    assert each([], lambda host: 1) == {}


def test_no_more_than_so_many_work_at_once():
    together, busy, most, lock = threading.Barrier(3), [0], [0], threading.Lock()

    def act(host):
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        together.wait(30)  # three must be here at once, or none gets on
        with lock:
            busy[0] -= 1

    each(hosts(*"abcdef"), act, workers=3)

    assert most[0] == 3


def test_every_failure_is_told_after_all_are_done():
    done = []

    def act(host):
        if host.name in "bd":
            raise Failure(f"{host.name}: file /etc/motd: no space left on device")
        done.append(host.name)

    with pytest.raises(Failure) as told:
        each(hosts(*"abcd"), act, workers=2)

    assert sorted(done) == ["a", "c"]
    assert str(told.value).splitlines() == [
        "2 of 4 machines failed:",
        "b: file /etc/motd: no space left on device",
        "d: file /etc/motd: no space left on device",
    ]


def test_a_mistake_of_ours_is_not_told_as_a_machines_failure():
    with pytest.raises(ZeroDivisionError):
        each(hosts("a"), lambda host: 1 / 0)


def test_progress_is_said_as_each_one_is_done():
    said = []

    each(hosts("a", "b"), lambda host: host.name.upper(), say=lambda host, result: said.append((host.name, result)))

    assert sorted(said) == [("a", "A"), ("b", "B")]


def test_an_interrupt_ends_the_wait_and_starts_nothing_more():
    hang, started = threading.Event(), []

    def act(host):
        started.append(host.name)
        if host.name != "a":
            hang.wait(60)

    def interrupted(host, result):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each(hosts(*"abcd"), act, workers=2, say=interrupted)
    hang.set()

    assert "d" not in started


def test_two_machines_of_one_name_are_refused():
    with pytest.raises(Refusal, match="a: a name that two machines carry"):
        each(hosts("a", "a"), lambda host: 1)


def test_outcomes_that_failed_become_one_failure_without_what_was_not_tried():
    outcomes = [
        Outcome(Package("bash"), "ok"),
        Outcome(Package("nginx"), "failed", detail="E: Unable to locate package nginx"),
        Outcome(Package("redis"), "failed", detail="not tried: after package nginx was failed"),
    ]

    with pytest.raises(Failure) as told:
        checked(hosts("stone")[0], outcomes)

    assert str(told.value) == "stone: package nginx: E: Unable to locate package nginx"
