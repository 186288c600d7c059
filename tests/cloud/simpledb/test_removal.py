"""A deleted domain is gone at once; what was in it is taken away piece by piece, and nobody waits for that."""

import sqlite3

import pytest

from fabfile.localcloud.simpledb import removal
from fabfile.localcloud.simpledb.changes import Put
from fabfile.localcloud.simpledb.errors import Refused
from fabfile.localcloud.simpledb.parameters import Attribute
from fabfile.localcloud.simpledb.store import Limits, Store
from fabfile.localcloud.simpledb.upkeep import Upkeep


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path, Limits(domains=2))
    yield store
    store.close()


def fill(store, domain, items=250):
    store.create_domain("r", domain)
    two = (Attribute("n", "1"), Attribute("n", "2"))
    store.change("r", domain, [Put(f"item {number}", two) for number in range(items)])


def rows(folder):
    """How many rows each table has, as another process sees it."""
    connection = sqlite3.connect(folder / "simpledb.sqlite")
    tables = ("domains", "items", "pairs", "several")
    counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]
    connection.close()
    return counts


def test_a_deleted_domain_leaves_nothing_behind_and_takes_nothing_of_others(store, tmp_path):
    fill(store, "gone")
    fill(store, "kept", 3)
    store.delete_domain("r", "gone")
    store.upkeep.rest()
    assert rows(tmp_path) == [1, 3, 6, 1]
    assert [domain["domain"] for domain in store.overview()] == ["kept"]


def test_before_its_items_are_taken_away_it_is_gone_for_everybody(store, tmp_path):
    fill(store, "gone")
    store.upkeep.close()
    store.delete_domain("r", "gone")
    assert rows(tmp_path)[1] == 250
    assert store.overview() == []
    with pytest.raises(Refused, match="NoSuchDomain"), store.read_domain("r", "gone", consistent=True):
        pass
    with pytest.raises(Refused, match="NoSuchDomain"):
        store.change("r", "gone", [Put("a", (Attribute("n", "1"),))])
    with store.read() as snapshot:
        assert snapshot.domains("r", "", 10) == []


def test_its_name_and_its_place_among_the_domains_are_free_at_once(store):
    fill(store, "gone")
    fill(store, "kept", 3)
    store.upkeep.close()
    store.delete_domain("r", "gone")
    store.create_domain("r", "gone")
    with store.read_domain("r", "gone", consistent=True) as (snapshot, domain):
        assert snapshot.size(domain) == 0
        assert snapshot.pairs(domain, "item 1") == []


def test_what_a_killed_process_has_left_is_taken_away_by_the_next(store, tmp_path):
    fill(store, "gone")
    store.upkeep.close()
    store.delete_domain("r", "gone")
    with store._writing() as connection:
        assert removal.remove_some(connection)
    assert 0 < rows(tmp_path)[1] < 250
    again = Store(tmp_path)
    again.upkeep.rest()
    again.close()
    assert rows(tmp_path) == [0, 0, 0, 0]


def test_upkeep_goes_on_after_an_error_of_the_disk():
    answers = [sqlite3.OperationalError("database or disk is full"), True, False]
    asked = []

    def work():
        asked.append(answers[len(asked)])
        if isinstance(asked[-1], Exception):
            raise asked[-1]
        return asked[-1]

    upkeep = Upkeep(work)
    upkeep.wake()
    upkeep.rest()
    upkeep.wake()
    upkeep.rest()
    upkeep.close()
    assert asked == answers
