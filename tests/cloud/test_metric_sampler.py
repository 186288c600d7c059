"""What the cloud measures of itself, and how long it is kept."""

import logging
import types

import pytest

from fabfile.localcloud.drivers import DriverError
from fabfile.localcloud.metric_sampler import Sampler, Target
from fabfile.localcloud.metric_store import DAY, HOUR, MetricStore


class Driver:
    """A driver that says what it is told to say."""

    def __init__(self):
        self.seconds, self.clients = 0.0, 3

    def cpu(self, id):
        if isinstance(self.seconds, DriverError):
            raise self.seconds
        return self.seconds

    def connections(self, id):
        return self.clients

    def backing(self, id):
        return {"memory": 100}


@pytest.fixture
def store(tmp_path):
    store = MetricStore(tmp_path / "metrics.db")
    yield store
    store.close()


@pytest.fixture
def sampler(store):
    return Sampler(types.SimpleNamespace(log=logging.getLogger("test")), store, processors=2)


BEGIN = 1_800_000_000 // 60 * 60
DATABASE = {"DBInstanceIdentifier": "local-db"}


def looks(sampler, driver, *readings):
    """Let the sampler look at (seconds after BEGIN, CPU seconds used until then)."""
    target = Target("AWS/RDS", "DBInstanceIdentifier", "local-db", driver, memory=1024)
    for second, used in readings:
        driver.seconds = used
        sampler.look(BEGIN + second, float(second), [target])


def measured(store, name="CPUUtilization"):
    found = store.bins("AWS/RDS", name, DATABASE, BEGIN, BEGIN + 3600, 60)
    return [(time - BEGIN, found.statistic("Average"), found.count) for (time, _), found in found.items()]


def test_two_looks_make_a_point_in_percent_of_all_processors(sampler, store):
    looks(sampler, Driver(), (0, 100.0), (10, 105.0))

    assert measured(store) == [(0, 25.0, 1)]


def test_a_minute_has_one_point_the_average_of_all_that_was_measured_in_it(sampler, store):
    looks(sampler, Driver(), (0, 0.0), (10, 20.0), (20, 20.0), (30, 20.0), (70, 30.0))

    assert measured(store) == [(0, pytest.approx(100 * 20 / 30 / 2), 1), (60, 12.5, 1)]


def test_a_restart_begins_a_new_count(sampler, store):
    looks(sampler, Driver(), (0, 50.0), (10, 1.0), (20, 3.0))

    assert measured(store) == [(0, 10.0, 1)]


def test_what_stands_still_is_a_gap_and_no_zero(sampler, store):
    driver = Driver()
    looks(sampler, driver, (0, 1.0), (10, 2.0))
    looks(sampler, driver, (60, None), (120, DriverError("gone")))

    assert [second for second, *_ in measured(store)] == [0]


def test_a_database_shows_its_clients_and_the_memory_left_to_it(sampler, store):
    looks(sampler, Driver(), (0, 1.0), (10, 2.0))

    assert measured(store, "DatabaseConnections") == [(0, 3.0, 1)]
    assert measured(store, "FreeableMemory") == [(0, 924.0 * (1 << 20), 1)]


def test_old_points_grow_coarse_and_then_are_forgotten(store):
    now = 2_000_000_000 // 3600 * 3600
    for age in (HOUR, 16 * DAY, 64 * DAY, 456 * DAY):
        rows = [(now - age + minute * 60, 60, "Count", 1, minute, minute, minute) for minute in range(10)]
        store.put("Old", "Visits", {}, rows)

    store.thin(now)
    store.thin(now)

    found = {}
    for (time, _), one in store.bins("Old", "Visits", {}, 0, now, 1).items():
        found.setdefault(round((now - time) / DAY), []).append((one.count, one.sum))
    assert found == {0: [(1, n) for n in range(10)], 16: [(5, 10), (5, 35)], 64: [(10, 45)]}


def test_a_metric_that_is_silent_for_two_weeks_is_no_longer_listed(store):
    store.put("Silent", "Visits", {}, [(1_000_000, 60, "Count", 1, 1, 1, 1)])

    assert store.list(1_000_000 + 13 * DAY)[0] == [("Silent", "Visits", {})]
    assert store.list(1_000_000 + 15 * DAY)[0] == []


def test_points_are_still_there_when_the_file_is_opened_again(tmp_path):
    first = MetricStore(tmp_path / "metrics.db")
    first.put("Kept", "Visits", {"a": "b"}, [(60, 60, "Count", 1, 7, 7, 7)])
    first.close()

    second = MetricStore(tmp_path / "metrics.db")

    assert [found.sum for found in second.bins("Kept", "Visits", {"a": "b"}, 0, 120, 60).values()] == [7]
    second.close()
