"""Imports that something comes in the way of: domains missing or busy, users being moved, and kills."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from tests.web.bulk import everything, load, meanwhile, person
from tests.web.servers import ROOT, die_with_parent
from webapp.users import shardmap
from webapp.users.bulk.loading import Loader, Moving
from webapp.users.bulk.progress import Busy, Progress
from webapp.users.bulk.rate import SLOWEST, Rate
from webapp.users.bulk.sources import Source
from webapp.users.shards import domains
from webapp.users.store import AccountStore, Unavailable


def test_a_domain_that_is_missing_fails_its_rows_alone_and_the_next_run_finishes(fresh, rows, state):
    store = fresh()
    missing = domains(store.records.prefix, 2)[1]
    store.calls("delete_domain", missing)
    path = rows(*({"name": f"user-{n}"} for n in range(100)), {"name": " x"})
    summary, _ = load(store, path)
    assert list(summary.failures) == [missing] and summary.imported + summary.failed == 100 and summary.imported > 30
    store.calls("create_domain", missing)
    again, report = load(store, path)
    assert (again.imported + again.present, again.failed) == (100, 0)
    assert [each["line"] for each in report] == [101]
    assert store.count() == 100 and not list(state.iterdir())


def test_a_domain_that_is_too_busy_is_written_to_more_slowly_and_loses_nothing(fresh, rows, gate):
    store = fresh()
    path = rows(*({"name": f"user-{n}"} for n in range(300)))
    store.maps.now()
    meanwhile(store, "BatchPutAttributes", lambda: setattr(gate, "busy", 3), times=2)
    told = []
    summary = Loader(store, Progress.open(""), tell=told.append).load(Source(path).records())
    assert (summary.imported, summary.failed, store.count()) == (300, 0, 300)


def test_a_domain_with_a_limit_on_its_writes_takes_every_row_in_the_end(rows, state, tmp_path):
    command = [sys.executable, "-m", "fabfile.localcloud.simpledb", "--port", "0", "--data", str(tmp_path / "data")]
    with subprocess.Popen(
        [*command, "--write-rate", "5"], cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent
    ) as server:
        url = server.stdout.readline().strip()
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client = boto3.client("sdb", region_name="us-west-2", endpoint_url=url, **keys)
        for name in domains("limited", 2):
            client.create_domain(DomainName=name)
        told, store = [], AccountStore(client, "limited", 2)
        path = rows(*({"name": f"user-{n}"} for n in range(400)))
        summary = Loader(store, Progress.open(""), tell=told.append).load(Source(path).records())
        assert (summary.imported, summary.failed, store.count()) == (400, 0, 400)
        assert max(each.slowed for each in told) == 2
        server.kill()


def test_a_rate_is_halved_when_it_is_refused_and_grows_again():
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    rate = Rate(lambda: now[0], sleep)
    for _ in range(20):
        rate.wait()
        now[0] += 0.1
    assert rate.limit is None and now[0] == pytest.approx(2)
    rate.slower()
    assert rate.limit == pytest.approx(5, rel=0.2)
    halved = rate.limit
    for _ in range(20):
        rate.wait()
    assert halved < rate.limit < halved + 5
    for _ in range(50):
        rate.slower()
    assert rate.limit == SLOWEST


def test_an_endpoint_that_refuses_everything_ends_the_import_in_a_sentence(fresh, rows, gate):
    store = fresh(sleep=lambda _: None)
    store.maps.now()
    path = rows(*map(person, range(10)))
    with gate.shut(), pytest.raises(Unavailable):
        Loader(store, Progress.open(""), patience=0).load(Source(path).records())
    assert load(store, path)[0].imported == 10


def test_while_users_are_moved_nothing_is_imported(fresh, rows):
    store = fresh()
    store.calls("create_domain", f"{store.records.prefix}-map")
    moving = shardmap.ShardMap(before=2, after=4, generation=1, phase="moving")
    shardmap.store(store.calls, store.records.prefix, shardmap.ShardMap(2, 2), moving)
    with pytest.raises(Moving, match="sdb.reshard"):
        load(fresh(store), rows(person(1)))


def test_an_import_ends_when_users_begin_to_be_moved_and_goes_on_afterwards(fresh, rows):
    store = fresh()
    path = rows(*({"name": f"user-{n}"} for n in range(400)))
    steady = store.maps.now()
    moving = shardmap.ShardMap(before=2, after=4, generation=1, phase="moving")

    def begin():
        store.maps._known = (moving, store.maps._known[1])

    meanwhile(store, "BatchPutAttributes", begin)
    with pytest.raises(Moving):
        load(store, path)
    store.maps._known = (steady, store.maps._known[1])
    summary, _ = load(store, path)
    assert summary.imported + summary.present == 400 == store.count() and summary.imported


def test_a_second_import_of_the_same_rows_waits_its_turn(fresh, rows, state):
    store = fresh()
    path = rows(person(1))
    progress = Progress.open(f"{store.records.prefix}-{Source(path).key}")
    try:
        with pytest.raises(Busy, match="another import of the same rows"):
            load(store, path)
    finally:
        progress.close(finished=True)
    assert load(store, path)[0].imported == 1


# Killed

IMPORT = """
import sys
from pathlib import Path
from webapp.users.bulk.importing import bring_in
from webapp.users.bulk.sources import Source
from webapp.users.store import AccountStore, connect
path, prefix = sys.argv[1:]
store = AccountStore(connect("us-west-2", timeout=10), prefix, 2)
print(bring_in(store, Source(path), prefix, Path(path + ".rejected.jsonl")).whole)
"""


def test_killed_again_and_again_an_import_ends_as_if_nothing_had_happened(fresh, rows, gate, state):
    store = fresh()
    people = [person(n, created="2020-01-01") for n in range(1500)]
    for n in range(50, 1500, 100):
        people[n] = {"name": f"user-{n - 7}"}  # of another content: taken
    people[1203]["password"] = "plain"
    path = rows(*people)
    command = [sys.executable, "-c", IMPORT, path, store.records.prefix]
    for batches in (2, 9, 30, 50, 25):
        seen = len(gate.operations)
        process = subprocess.Popen(command, cwd=ROOT, preexec_fn=die_with_parent, stdout=subprocess.DEVNULL)
        while gate.operations[seen:].count("BatchPutAttributes") < batches:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    found = everything(store)
    names = {each["name"] for each in people} - {"user-1203"}
    assert {item for item in found if not item.startswith("EMAIL ")} == names
    claims = {item: pairs for item, pairs in found.items() if item.startswith("EMAIL ")}
    assert all(found[pairs["account"]]["id"] == pairs["id"] for pairs in claims.values()) and len(claims) == 1484
    report = [json.loads(line) for line in Path(f"{path}.rejected.jsonl").read_text().splitlines()]
    assert [each["line"] for each in report] == sorted([*range(51, 1500, 100), 1204])
    assert report[0]["reason"] == "the name user-43 is taken by line 44"
    assert not list(state.iterdir())


def test_progress_of_a_stage_that_is_gone_is_not_believed(fresh, rows, state):
    store = fresh()
    path = rows(*map(person, range(5)))
    progress = Progress.open(f"{store.records.prefix}-{Source(path).key}")
    counts = {"imported": 5, "present": 0, "rejected": 0, "without_email": 0}
    progress.save(5, "2026-01-01T00:00:00.000000Z", counts, [])
    progress.close(finished=False)
    assert load(store, path)[0].imported == 5
