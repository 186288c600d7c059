"""The shards are divided while clients use them, and whoever divides them is killed."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fabfile.localcloud.simpledb.changes import Put
from fabfile.localcloud.simpledb.parameters import Attribute
from fabfile.localcloud.simpledb.store import Store
from tests.web.customer import name_of, password_of
from webapp.users.account import Account
from webapp.users.division import Division, Impossible
from webapp.users.pace import Pace
from webapp.users.shards import domain, domains
from webapp.users.store import AccountStore, connect

ROOT = Path(__file__).resolve().parent.parent.parent
PREFIX = "divided"
LEASE, SETTLING = 2.0, 6.0  # seconds
CLIENTS = 8


def load(folder: Path, users: int, shards: int) -> None:
    """Put so many users into the files of an endpoint that is not running."""
    store = Store(folder)
    homes = {name: [] for name in domains(PREFIX, shards)}
    for number in range(users):
        account = Account.new(name_of(number), password_of(number), "", True, datetime.now(UTC))
        attributes = tuple(Attribute(name, value, False) for name, value in account.values().items())
        homes[domain(account.name, PREFIX, shards)].append(Put(account.name, attributes))
    for home, puts in homes.items():
        store.create_domain("us-west-2", home)
        store.change("us-west-2", home, puts)
    store.close()


class Endpoint:
    """SimpleDB as a process of its own on a folder of users."""

    def __init__(self, folder: Path, users: int, shards: int):
        load(folder, users, shards)
        command = [sys.executable, "-m", "fabfile.localcloud.simpledb", "--port", "0", "--data", str(folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        self.shards = shards
        self.environment = {
            **os.environ,
            "AWS_ENDPOINT_URL_SIMPLEDB": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def run(self, module: str, *arguments) -> subprocess.Popen:
        """Start one of our programs."""
        command = [
            sys.executable,
            "-m",
            f"tests.web.{module}",
            PREFIX,
            str(self.shards),
            str(LEASE),
            *map(str, arguments),
        ]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, **pipes)

    def store(self) -> AccountStore:
        """A store of the test's own."""
        return AccountStore(connect("us-west-2"), PREFIX, self.shards, lease=LEASE)

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def endpoint(tmp_path, monkeypatch):
    """Starts an endpoint with users: `endpoint(users, shards)`."""
    started = []

    def start(users, shards):
        started.append(Endpoint(tmp_path, users, shards))
        for name, value in started[0].environment.items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, value)
        return started[0]

    yield start
    for each in started:
        each.close()


def divide(endpoint: Endpoint, target: int, until: str | None = None, share: float = 0.0) -> bool:
    """Run the division; kill it as soon as it says that it is so far in the phase `until`. Whether it was killed."""
    driver = endpoint.run("divider", SETTLING, target)
    try:
        for line in driver.stdout:
            phase, _, done = line.strip().rpartition(": ")
            if phase == until and float(done) >= share:
                driver.kill()
                return True
        assert driver.wait(60) == 0
        return False
    finally:
        driver.kill()
        driver.wait()


def test_users_are_moved_from_16_to_64_shards_while_they_sign_in_and_the_mover_is_killed(endpoint):
    """20,000 users, 8 clients, five kills: no sign-in fails, nobody is lost or there twice."""
    users = 20_000
    at = endpoint(users, 16)
    part = users // CLIENTS
    clients = [at.run("customer", number, number * part, (number + 1) * part) for number in range(CLIENTS)]
    try:
        assert divide(at, 64, "make the domains", 0.5)
        assert divide(at, 64, "move", 0.3)
        assert divide(at, 64, "compare", 0.5)
        assert divide(at, 64, "sweep", 0.4)
        assert divide(at, 64, "move", 0.6)
        assert not divide(at, 64)
    finally:
        told = [json.loads(client.communicate("end\n", timeout=30)[0]) for client in clients]
    assert [each["failures"] for each in told] == [[]] * CLIENTS
    assert all(count > 0 for each in told for count in each["done"].values())
    passwords = {name: password for each in told for name, password in each["passwords"].items()}
    found = {}
    for account in at.store():
        assert account.name not in found, "a user is there twice"
        assert account.home == domain(account.name, PREFIX, 64)
        found[account.name] = account.password
    assert found == passwords
    assert items(at) == len(passwords), "something was left behind"


def items(at: Endpoint) -> int:
    """How many items all domains of users hold, whatever they are."""
    client = connect("us-west-2")
    names = [name for page in client.get_paginator("list_domains").paginate() for name in page["DomainNames"]]
    homes = [name for name in names if re.fullmatch(rf"{PREFIX}-[0-9a-f]{{2}}", name)]
    return sum(client.domain_metadata(DomainName=name)["ItemCount"] for name in homes)


def test_a_division_is_undone_with_all_that_was_changed_meanwhile(endpoint):
    at = endpoint(400, 4)
    assert divide(at, 8, "move", 0.5)
    store = at.store()
    moved = [account for account in store if account.home not in domains(PREFIX, 4)]
    assert moved
    changed, deleted = moved[:2]
    store.change_password(changed, "changed")
    store.delete(deleted)
    made = [store.create(f"made-{number}", "x") for number in range(20)]
    back = Division(store, Pace(10_000), settling=0.1)
    assert back.run(4).count == 4
    after = at.store()
    accounts = {account.name: account for account in after}
    assert len(accounts) == 400 - 1 + 20 == items(at)
    assert accounts[changed.name].password == "changed"
    assert after.get(deleted.name) is None
    assert all(after.get(account.name) == account for account in made)
    assert {account.home for account in accounts.values()} == set(domains(PREFIX, 4))
    with pytest.raises(Exception, match="does not exist"):
        store.records.calls("domain_metadata", f"{PREFIX}-04")


def test_addresses_move_with_the_shards_and_stay_unique(endpoint):
    at = endpoint(0, 2)
    store = at.store()
    made = [store.create(f"user{number}", "x", f"user{number}@example.org") for number in range(40)]
    Division(store, Pace(10_000), settling=0.1).run(4)
    after = at.store()
    assert [after.by_email(account.email.upper()) for account in made] == made
    assert items(at) == 80


def test_accounts_that_another_client_wrote_without_a_version_move_too(endpoint):
    at = endpoint(0, 2)
    client, names = connect("us-west-2"), [f"user{number}" for number in range(40)]
    for name in names:
        attributes = [{"Name": "id", "Value": name}, {"Name": "name", "Value": name}, {"Name": "hue", "Value": "red"}]
        client.put_attributes(DomainName=domain(name, PREFIX, 2), ItemName=name, Attributes=attributes)
    Division(at.store(), Pace(10_000), settling=0.1).run(4)
    after = at.store()
    assert [after.get(name).home for name in names] == [domain(name, PREFIX, 4) for name in names]
    assert all(("hue", "red") in after.records.get(name).pairs for name in names)
    assert items(at) == 40


def test_reading_asks_as_often_for_a_name_that_is_there_as_for_one_that_is_not(endpoint):
    at = endpoint(200, 4)
    assert divide(at, 8, "move", 0.5)
    store, asked = at.store(), []
    calls = store.calls.client.meta.events
    calls.register("before-call.simpledb", lambda **_: asked.append(1))
    store.maps.now()
    counts = {}
    for number in range(400):  # the second half of them nobody has
        asked.clear()
        store.get(name_of(number))
        moving = domain(name_of(number), PREFIX, 4) != domain(name_of(number), PREFIX, 8)
        counts.setdefault(moving, set()).add(len(asked))
    assert counts == {True: {2}, False: {1}}


@pytest.mark.parametrize(
    ("target", "told"),
    [(3, "cannot become fewer"), (2, "cannot become fewer"), (12, "ask for 8 or 16"), (512, "at most 128")],
)
def test_a_number_that_cannot_be_is_refused_before_anything_is_done(endpoint, target, told):
    at = endpoint(0, 4)
    with pytest.raises(Impossible, match=told):
        Division(at.store(), Pace(10)).run(target)
    assert connect("us-west-2").list_domains()["DomainNames"] == domains(PREFIX, 4)


def test_a_domain_that_holds_something_else_is_not_used(endpoint):
    at = endpoint(0, 2)
    client = connect("us-west-2")
    client.create_domain(DomainName=f"{PREFIX}-02")
    attributes = [{"Name": "a", "Value": "b"}]
    client.put_attributes(DomainName=f"{PREFIX}-02", ItemName="foreign", Attributes=attributes)
    with pytest.raises(Impossible, match="not empty"):
        Division(at.store(), Pace(10)).run(4)
