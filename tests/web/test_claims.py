"""An e-mail address belongs to one account, whatever ends in between."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from webapp.users.account import Account, following
from webapp.users.claims import GRACE
from webapp.users.shards import InvalidName, claim
from webapp.users.store import AccountStore, Changed, EmailTaken, NameTaken, connect


@pytest.fixture
def store(servers):
    store = AccountStore(connect("us-west-2"), "test-users")
    store.maps.now()
    return store


@pytest.fixture
def later(servers):
    """A store whose clock has passed the grace."""
    return AccountStore(connect("us-west-2"), "test-users", now=lambda: datetime.now(UTC) + 2 * GRACE)


@pytest.fixture
def new_email(new_name):
    """Gives addresses that no test has had."""
    return lambda: f"{new_name('Zoë')}@Example.org"


def test_an_account_is_found_by_its_address_in_any_capitals(store, new_name, new_email):
    made = store.create(new_name(), "x", new_email())
    assert store.by_email(made.email.upper()) == made
    assert store.by_email(f"not-{made.email}") is None


def test_an_address_is_taken_once_and_the_name_of_whoever_is_refused_stays_free(store, new_name, new_email):
    email, name = new_email(), new_name()
    store.create(new_name(), "x", email)
    with pytest.raises(EmailTaken):
        store.create(name, "x", email.swapcase())
    assert store.create(name, "x").email == ""


def test_whose_name_is_taken_leaves_the_address_free(store, new_name, new_email):
    name, email = new_name(), new_email()
    store.create(name, "x")
    with pytest.raises(NameTaken):
        store.create(name, "x", email)
    assert store.create(new_name(), "x", email)


def test_of_many_at_the_same_moment_one_gets_the_address(store, new_name, new_email):
    email = new_email()

    def take(_):
        try:
            return store.create(new_name(), "x", email)
        except EmailTaken:
            return None

    with ThreadPoolExecutor(16) as pool:
        made = [account for account in pool.map(take, range(32)) if account]
    assert made == [store.by_email(email)]


def test_a_new_address_frees_the_old_one(store, new_name, new_email):
    old, new = new_email(), new_email()
    made = store.create(new_name(), "x", old)
    changed = store.change(made, email=new)
    assert store.by_email(old) is None
    assert store.by_email(new) == changed
    assert store.create(new_name(), "x", old)
    with pytest.raises(EmailTaken):
        store.change(changed, email=old)
    assert store.get(made.name) == changed


def test_other_capitals_are_no_other_address(store, new_name, new_email, gate):
    made = store.create(new_name(), "x", new_email())
    with gate.counting() as operations:
        changed = store.change(made, email=made.email.swapcase())
    assert operations == ["PutAttributes"]
    assert store.by_email(made.email) == changed


def test_a_deleted_account_frees_its_address(store, new_name, new_email):
    made = store.create(new_name(), "x", new_email())
    store.delete(made)
    assert store.by_email(made.email) is None
    assert store.create(new_name(), "x", made.email)


def test_a_claim_whose_account_was_never_made_gives_way_after_the_grace(store, later, new_name, new_email):
    """Its client was ended between the claim and the account."""
    email = new_email()
    store.claims.take(Account.new(new_name(), "x", email, True, store.now()), email)
    with pytest.raises(EmailTaken):
        store.create(new_name(), "x", email)
    made = later.create(new_name(), "x", email)
    assert store.by_email(email) == made


def test_a_claim_stays_with_its_account_however_old(store, later, new_name, new_email):
    made = store.create(new_name(), "x", new_email())
    with pytest.raises(EmailTaken):
        later.create(new_name(), "x", made.email)


def test_the_old_address_that_could_not_be_freed_is_nobodys(store, later, new_name, new_email):
    """Its client was ended between the change and the release."""
    old = new_email()
    made = store.create(new_name(), "x", old)
    values = replace(made, email=new_email(), version=following(made.version)).values()
    store.records.replace(made.name, made.home, made.text, values)
    assert store.by_email(old) is None
    assert later.create(new_name(), "x", old)


def test_a_name_never_meets_a_claim(store, new_email):
    """Both lie in the same domains, under names that the other kind cannot have."""
    email = new_email()
    as_name = store.create(email, "x")
    as_address = store.create(f"other-{email}", "x", email)
    assert store.get(email) == as_name
    assert store.by_email(email) == as_address
    assert store.get(claim(email)) is None or store.get(claim(email)).id == as_name.id


@pytest.mark.parametrize("email", ["é" * 513, " a@example.org", "a\n@example.org", "x" * 1020])
def test_what_can_be_no_address_is_refused(store, new_name, email):
    with pytest.raises(ValueError, match="address|email"):
        store.create(new_name(), "x", email)
    with pytest.raises(InvalidName):
        store.by_email(email)


def test_a_lock_holds_beside_whatever_else_changes_and_can_be_lifted(store, new_name):
    made = store.create(new_name(), "x")

    def rename(number):
        account = store.get(made.name)
        with suppress(Changed):  # the lock was first
            store.change(account, email=f"{number}-{made.name}@example.org")

    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(rename, number) for number in range(8)]
        locked = store.lock(made.name.upper())
        for other in others:
            other.result()
    assert not locked.active
    assert not store.get(made.name).active
    assert store.unlock(made.name).active
    assert store.lock(new_name()) is None
