"""All accounts read and counted, shard by shard, beside each other."""

import threading

import pytest

from webapp.users.shards import domain, domains
from webapp.users.store import AccountStore, Unavailable, connect

PREFIX = "walked"


@pytest.fixture(scope="module")
def accounts(servers):
    """The names in a store of their own, with names that need quoting among them."""
    client = connect("us-west-2")
    for name in domains(PREFIX, 4):
        client.create_domain(DomainName=name)
    store = AccountStore(client, PREFIX, 4)
    made = [store.create(f"o'neill {number} \"`%", "x", f"{number}@example.org") for number in range(60)]
    yield {account.name: account for account in made}
    for name in domains(PREFIX, 4):
        client.delete_domain(DomainName=name)


def test_every_account_is_given_once_and_claims_are_not(accounts):
    found = list(AccountStore(connect("us-west-2"), PREFIX, 4))
    assert len(found) == len(accounts)
    assert {account.name: account for account in found} == accounts


def test_they_are_counted_without_being_read(accounts, gate):
    store = AccountStore(connect("us-west-2"), PREFIX, 4)
    with gate.counting() as operations:
        assert store.count() == len(accounts)
    assert operations.count("Select") == 4


def test_pages_follow_each_other_however_small_they_are(accounts, monkeypatch):
    monkeypatch.setattr("webapp.users.walk.page.__defaults__", ("", 7))
    assert sorted(account.name for account in AccountStore(connect("us-west-2"), PREFIX, 4)) == sorted(accounts)


def test_whoever_stops_early_leaves_no_thread_behind(accounts):
    for account in AccountStore(connect("us-west-2"), PREFIX, 4):
        assert account.name in accounts
        break
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("shard")]


def test_a_shard_that_cannot_be_read_is_told_at_the_end_when_the_others_were_given(accounts):
    client = connect("us-west-2")
    client.delete_domain(DomainName=f"{PREFIX}-02")
    try:
        given = []
        with pytest.raises(Unavailable, match=f"{PREFIX}-02"):
            for account in AccountStore(client, PREFIX, 4):
                given.append(account.name)
        assert sorted(given) == sorted(name for name in accounts if domain(name, PREFIX, 4) != f"{PREFIX}-02")
    finally:
        client.create_domain(DomainName=f"{PREFIX}-02")
        for account in accounts.values():
            if account.home == f"{PREFIX}-02":
                attributes = [{"Name": name, "Value": value} for name, value in account.values().items()]
                client.put_attributes(DomainName=account.home, ItemName=account.name, Attributes=attributes)
