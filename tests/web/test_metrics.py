"""What Prometheus is told, and who else is."""

import asyncio
import struct

import pytest
from django.db import DatabaseError, connection
from prometheus_client import REGISTRY
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

from webapp.exposition import retire
from webapp.neighbours import is_neighbour
from webapp.sessions.connection import ask
from webapp.sessions.connection import connection as redis
from webapp.sessions.loops import aask
from webapp.users import accounts

pytestmark = pytest.mark.django_db
OUTSIDE = "93.184.216.34"


@pytest.fixture
def grown():
    """Gives how much a number has grown since the test began."""
    before = {}
    for family in REGISTRY.collect():
        before |= {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in family.samples}

    def since(name, **labels):
        labels = {key: str(value) for key, value in labels.items()}
        now = REGISTRY.get_sample_value(name, labels) or 0
        return now - before.get((name, tuple(sorted(labels.items()))), 0)

    return since


def test_requests_are_counted_by_view_method_and_status(browser, grown):
    browser.get("/sign-in/?next=/")
    browser.post("/sign-in/", {"username": "", "password": ""})
    assert grown("hydra_requests_total", view="sign-in", method="GET", status=200) == 1
    assert grown("hydra_requests_total", view="sign-in", method="POST", status=200) == 1
    assert grown("hydra_request_seconds_count", view="sign-in", method="GET") == 1


def test_what_strangers_type_makes_no_new_row(browser, grown):
    for number in range(3):
        browser.generic(f"WORD{number}", f"/no-such-page-{number}")
    assert grown("hydra_requests_total", view="none", method="OTHER", status=404) == 3


def test_each_call_to_a_store_is_timed(new_name, gate, grown):
    accounts.find(new_name())
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert grown("hydra_store_seconds_count", store="simpledb", operation="GetAttributes") == 1
    assert grown("hydra_store_seconds_count", store="mysql", operation="select") == 1
    assert (ask(("ECHO", "here")), asyncio.run(aask(("ECHO", "there")))) == (b"here", b"there")
    assert grown("hydra_store_seconds_count", store="redis", operation="echo") == 2
    redis().ping()
    assert grown("hydra_store_seconds_count", store="redis", operation="ping") == 1
    with redis().pipeline() as pipeline:
        pipeline.get("one").get("two").execute()
    assert grown("hydra_store_seconds_count", store="redis", operation="pipeline") == 1


def test_failures_of_a_store_are_counted_by_their_kind(new_name, gate, grown):
    gate.busy = 2
    accounts.find(new_name())
    labels = {"store": "simpledb", "operation": "GetAttributes"}
    assert grown("hydra_store_errors_total", error="ServiceUnavailable", **labels) == 2
    assert grown("hydra_store_seconds_count", **labels) == 3
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT nothing_of_this_name")
    assert grown("hydra_store_errors_total", store="mysql", operation="select", error="OperationalError") == 1


def test_an_answer_that_says_try_again_is_counted_by_the_store_that_was_away(browser, gate, grown):
    with gate.shut():
        browser.post("/sign-in/", {"username": "somebody", "password": "whatever it is"})
    assert grown("hydra_outages_total", store="simpledb") == 1


@pytest.mark.parametrize("host", ["testserver", "10.0.0.7"])
def test_the_machine_itself_is_told_by_any_name_without_tls(client, host):
    client.get("/sign-in/")
    answer = client.get("/metrics", headers={"host": host})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    assert "# TYPE hydra_request_seconds histogram" in answer.text


@pytest.mark.parametrize(
    ("peer", "forwarded", "told"),
    [
        ("", None, True),  # a Unix socket: somebody on this machine
        ("", "10.1.2.3", True),
        ("127.0.0.1", "::ffff:192.168.7.8", True),
        ("", OUTSIDE, False),
        ("127.0.0.1", f"10.1.2.3, {OUTSIDE}", False),
        ("127.0.0.1", f"{OUTSIDE}, 10.1.2.3", False),
        ("127.0.0.1", "", True),
        ("10.1.2.3", "unknown", False),
        ("2001:4860:4860::8888", None, False),
        ("203.0.113.9", None, False),
        (OUTSIDE, "127.0.0.1", False),
    ],
)
def test_the_internet_is_not_told(client, rf, peer, forwarded, told):
    meta = {"REMOTE_ADDR": peer} | ({} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded})
    assert is_neighbour(rf.get("/metrics", **meta)) == told
    assert client.get("/metrics", **meta).status_code == (200 if told else 404)


def test_what_workers_counted_is_added_up_when_they_end(tmp_path):
    key = mmap_key("visits", "visits_total", ["page"], ["home"], "Visits.")
    for pid, count in ((11, 3.0), (12, 4.0), (13, 5.0)):
        counts = MmapedDict(str(tmp_path / f"counter_{pid}.db"))
        counts.write_value(key, count, 0.0)
        counts.close()
    for pid in (11, 12, 14):
        retire(tmp_path, pid)
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["counter_0.db", "counter_13.db"]
    (family,) = MultiProcessCollector(None, str(tmp_path)).collect()
    assert [sample.value for sample in family.samples if sample.name == "visits_total"] == [12.0]


def test_numbers_that_cannot_be_read_are_dropped_and_harm_nothing(tmp_path):
    (tmp_path / "counter_11.db").write_bytes(struct.pack("ii", 64, 0) + b"\xff" * 56)
    with pytest.raises(ValueError, match="is damaged"):
        retire(tmp_path, 11)
    assert not (tmp_path / "counter_11.db").exists()
    retire(tmp_path / "never made", 12)
