"""The account store against the SimpleDB endpoint."""

import dataclasses
import re
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from webapp.users.account import Account
from webapp.users.shards import InvalidName
from webapp.users.slots import Slot
from webapp.users.store import AccountStore, Changed, NameTaken, Unavailable, connect


@pytest.fixture
def pauses():
    """The seconds the store would have slept."""
    return []


@pytest.fixture
def store(servers, pauses):
    """A store whose pauses are noted and not slept."""
    store = AccountStore(connect("us-west-2"), "test-users", sleep=pauses.append)
    store.maps.now()
    return store


def test_an_account_is_read_as_it_was_made(store, new_name):
    made = store.create(new_name("Zoë"), "argon2$x", "zoe@example.org")
    assert store.get(made.name) == made
    assert (made.active, made.last_login, made.created) == (True, "", made.updated)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", made.created)


def test_the_item_lies_under_the_canonical_name_with_the_name_as_typed_inside(store, new_name):
    name = new_name("ZOË")
    store.create(name, "argon2$x")
    other_spelling = store.get(name.swapcase())
    assert other_spelling.name == name


def test_a_name_nobody_has_is_none(store, new_name):
    assert store.get(new_name()) is None


def test_a_name_is_taken_once_whatever_its_spelling(store, new_name):
    name = new_name("Alice")
    first = store.create(name, "argon2$x")
    for spelling in (name, name.upper()):
        with pytest.raises(NameTaken):
            store.create(spelling, "argon2$other")
    assert store.get(name) == first


def test_of_many_clients_at_the_same_moment_one_takes_the_name(store, new_name):
    name = new_name()

    def take(number):
        try:
            return store.create(name, f"argon2${number}")
        except NameTaken:
            return None

    with ThreadPoolExecutor(16) as pool:
        made = [account for account in pool.map(take, range(32)) if account]
    assert made == [store.get(name)]


def test_a_change_based_on_an_old_reading_is_refused(store, new_name):
    old = store.create(new_name(), "argon2$x")
    new = store.change(old, email="new@example.org")
    assert store.get(old.name) == new
    with pytest.raises(Changed):
        store.change(old, email="late@example.org")
    assert store.get(old.name) == new


def test_a_new_password_brings_a_new_stamp_and_a_new_hash_does_not(store, new_name):
    made = store.create(new_name(), "argon2$x")
    rehashed = store.rehash(made, "argon2$stronger")
    assert dataclasses.replace(rehashed, password=made.password, version=made.version) == made
    changed = store.change_password(rehashed, "argon2$new")
    assert changed.stamp != made.stamp


def test_a_deleted_account_is_gone_and_stays_gone(store, new_name):
    made = store.create(new_name(), "argon2$x")
    store.delete(made)
    assert store.get(made.name) is None
    for act in (store.touch, store.delete, lambda account: store.change(account, email="x@example.org")):
        with pytest.raises(Changed):
            act(made)
    assert store.get(made.name) is None


def test_deleting_what_was_changed_meanwhile_is_refused(store, new_name):
    made = store.create(new_name(), "argon2$x")
    changed = store.change(made, active=False)
    with pytest.raises(Changed):
        store.delete(made)
    assert store.get(made.name) == changed


def test_a_sign_in_is_noted_without_a_new_version(store, new_name):
    made = store.create(new_name(), "argon2$x")
    touched = store.touch(made)
    assert touched.last_login
    assert store.get(made.name) == touched
    store.change(made, email="still@works.example")


def test_a_busy_domain_is_asked_again_after_longer_and_longer_pauses(store, pauses, new_name, gate):
    gate.busy = 3
    made = store.create(new_name(), "argon2$x")
    assert store.get(made.name) == made
    assert len(pauses) == 3
    assert all(0 <= pause <= 0.05 * 2**number for number, pause in enumerate(pauses, 1))


def test_a_domain_that_stays_busy_is_unavailable(store, new_name, gate):
    with gate.shut(), gate.counting() as operations, pytest.raises(Unavailable):
        store.get(new_name())
    assert operations == ["GetAttributes"] * 5


def test_no_attempt_begins_after_patience_has_run_out(servers, new_name, gate):
    hours = iter(range(0, 36_000, 3_600))
    hasty = AccountStore(connect("us-west-2"), "test-users", sleep=lambda _: None, clock=lambda: next(hours))
    with gate.shut(), gate.counting() as operations, pytest.raises(Unavailable):
        hasty.get(new_name())
    assert operations == ["GetAttributes"]


def test_an_account_made_by_an_attempt_whose_answer_was_lost_is_ours(store, new_name, gate):
    gate.lose = 1
    with gate.counting() as operations:
        made = store.create(new_name(), "argon2$x")
    assert operations == ["PutAttributes", "PutAttributes", "GetAttributes"]
    assert store.get(made.name) == made


def test_a_change_made_by_an_attempt_whose_answer_was_lost_is_done(store, new_name, gate):
    made = store.create(new_name(), "argon2$x")
    gate.lose = 1
    changed = store.change(made, password="argon2$new")
    assert store.get(made.name) == changed


def test_nobody_listening_is_unavailable(new_name, servers):
    nowhere = boto3.client("sdb", region_name="us-west-2", endpoint_url="http://127.0.0.1:9")
    lost = AccountStore(nowhere, "test-users", sleep=lambda _: None)
    with pytest.raises(Unavailable):
        lost.get(new_name())


def test_domains_that_do_not_exist_are_unavailable_at_once(store, new_name, gate):
    with gate.counting() as operations, pytest.raises(Unavailable, match="no-such-users"):
        AccountStore(connect("us-west-2"), "no-such-users").get(new_name())
    assert operations == ["GetAttributes"] * 2  # the shard map's and the account's


def test_limits_are_counted_in_bytes_before_anything_is_sent(store, new_name, gate):
    with gate.counting() as operations:
        with pytest.raises(ValueError, match="email"):
            store.create(new_name(), "argon2$x", "é" * 513)
        with pytest.raises(InvalidName):
            store.get("é" * 513)
    assert operations == []


def test_text_of_every_kind_comes_back_as_it_was(store, new_name):
    made = store.create(new_name('O\'Hara "%" `x` ]]> & <b> 山'), "argon2$x", "😀@example.org")
    assert store.get(made.name) == made


def test_an_account_hides_its_hash_when_shown(store, new_name):
    made = store.create(new_name(), "argon2$very-secret")
    assert "very-secret" not in repr(made)
    assert made.stamp not in repr(made)


def test_attributes_of_other_clients_are_left_alone(store, new_name):
    made = store.create(new_name(), "argon2$x")
    pairs = [{"Name": name, "Value": value} for name, value in made.values().items()]
    assert Account.read(Slot.read(made.home, [*pairs, {"Name": "shoe_size", "Value": "43"}])) == made
