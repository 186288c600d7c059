"""What the tests of imports have in common: stores on domains of their own, files of rows, and what became of them."""

import json
import os
from itertools import count
from pathlib import Path

import pytest

from webapp.users.bulk.importing import bring_in
from webapp.users.bulk.sources import Source
from webapp.users.shards import domains
from webapp.users.store import AccountStore, connect

HASH = "pbkdf2_sha256$1000000$aGVsbG8$" + "A" * 43 + "="
NUMBERS = count(1)


@pytest.fixture
def state(tmp_path, monkeypatch):
    """Where the progress of imports is kept."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/hydra/imports"


@pytest.fixture
def fresh(servers, state):
    """Stores on domains of their own: fresh() gives a new set, fresh(store) another client of the same."""

    def make(like=None, shards=2, **calls):
        prefix = like.records.prefix if like else f"bulk{os.getpid()}-{next(NUMBERS)}"
        client = connect("us-west-2", timeout=10)
        if not like:
            for name in domains(prefix, shards):
                client.create_domain(DomainName=name)
        return AccountStore(client, prefix, shards, **calls)

    return make


@pytest.fixture
def rows(tmp_path):
    """A file of these rows, a JSON line each."""

    def write(*records, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(each) + "\n" for each in records))
        return str(path)

    return write


def person(number, **more):
    """A row with an address."""
    return {"name": f"user-{number}", "password": HASH, "email": f"user-{number}@example.org", **more}


def load(store, path, **options):
    """The Summary of an import, and the lines of its report."""
    report = Path(f"{path}.rejected.jsonl")
    summary = bring_in(store, Source(path), store.records.prefix, report, **options)
    return summary, [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []


def everything(store):
    """Every item of every domain, with all its pairs; fails where an attribute has two values."""
    found = {}
    for name in domains(store.records.prefix, store.maps.now().count):
        asked = f"select * from `{name}` limit 2500"
        for page in store.calls.client.get_paginator("select").paginate(SelectExpression=asked, ConsistentRead=True):
            for item in page.get("Items", []):
                pairs = [(each["Name"], each["Value"]) for each in item["Attributes"]]
                assert len(pairs) == len(dict(pairs)), item
                found[item["Name"]] = dict(pairs)
    return found


def meanwhile(store, operation, act, times=1):
    """Let `act` run just before this client's next calls of `operation` are sent: so at the same moment."""
    left = [act] * times

    def hook(**_):
        if left:
            left.pop()()

    store.calls.client.meta.events.register_first(f"before-call.simpledb.{operation}", hook)
