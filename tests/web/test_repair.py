"""Claims and accounts that are not in line are brought in line again, beside people who sign up."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from webapp.users.division import Division
from webapp.users.errors import Unavailable
from webapp.users.repair import Finding, Repair
from webapp.users.shards import claim, domains
from webapp.users.store import AccountStore, connect

LATER = timedelta(minutes=10)  # past every grace
SHARDS = 4


class Clock:
    """The time of day, moved by hand."""

    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(servers, new_name, clock):
    """A store with shards of its own, and nobody in it."""
    client, prefix = connect("us-west-2"), new_name("repair")
    for name in domains(prefix, SHARDS):
        client.create_domain(DomainName=name)
    return AccountStore(client, prefix, SHARDS, now=clock, sleep=lambda pause: None)


def repaired(store, change=True):
    """What a run finds, in order of name, and its report."""
    findings = []
    report = Repair(store, findings.append, change=change).run()
    return sorted(findings, key=lambda it: (it.kind, it.account)), report


def drop_account(store, name):
    """As if the client ended between the account's going and the claim's."""
    account = store.get(name)
    store.records.delete(name, account.home, account.version)


def drop_claim(store, address):
    """As if the account were from before there were claims."""
    slot = store.records.get(claim(address))
    store.records.delete(claim(address), slot.home, slot.text)


def test_where_all_is_in_line_nothing_is_found(store, clock):
    for number in range(60):
        store.create(f"user-{number}", "argon2$x", f"{number}@example.org" if number % 2 else "")
    clock.ahead = LATER
    findings, report = repaired(store)
    assert findings == []
    assert (report.accounts, report.claims, set(report.found.values())) == (60, 30, {0})


def test_what_is_in_line_is_read_in_pages_and_not_one_by_one(store, clock, gate):
    for number in range(100):
        store.create(f"user-{number}", "argon2$x", f"{number}@example.org")
    clock.ahead = LATER
    with gate.counting() as asked:
        repaired(store)
    assert len(asked) < 60 and set(asked) <= {"Select", "GetAttributes"}


def test_an_orphan_is_removed_once_the_grace_is_over(store, clock):
    store.create("ada", "argon2$x", "Ada@Example.org")
    drop_account(store, "ada")
    assert repaired(store)[0] == []
    clock.ahead = LATER
    expected = [Finding("orphan", "ada@example.org", "ada")]
    assert repaired(store, change=False)[0] == expected
    assert repaired(store)[0] == expected
    assert store.records.get(claim("ada@example.org")) is None
    assert repaired(store)[0] == []


def test_a_claim_of_an_earlier_account_of_that_name_is_an_orphan(store, clock):
    store.create("ada", "argon2$x", "ada@example.org")
    drop_account(store, "ada")
    store.create("ada", "argon2$other", "new@example.org")
    clock.ahead = LATER
    assert repaired(store)[0] == [Finding("orphan", "ada@example.org", "ada")]
    assert store.by_email("new@example.org").name == "ada"


def test_an_account_without_its_claim_gets_it_once_the_grace_is_over(store, clock):
    made = store.create("ada", "argon2$x", "Ada@Example.org")
    drop_claim(store, "ada@example.org")
    assert repaired(store)[0] == []
    clock.ahead = LATER
    expected = [Finding("unclaimed", "Ada@Example.org", "ada")]
    assert repaired(store, change=False)[0] == expected and store.by_email("ada@example.org") is None
    assert repaired(store)[0] == expected
    assert store.by_email("ada@example.org") == made
    assert repaired(store)[0] == []


def test_a_claim_whose_account_is_gone_goes_to_the_account_that_has_the_address(store, clock):
    store.create("ada", "argon2$x", "ada@example.org")
    drop_claim(store, "ada@example.org")
    store.create("ghost", "argon2$x", "ada@example.org")
    drop_account(store, "ghost")
    clock.ahead = LATER
    repaired(store)
    assert store.by_email("ada@example.org").name == "ada"
    assert repaired(store)[0] == []


def test_accounts_that_share_an_address_are_told_of_and_left_alone(store, clock):
    store.create("ada", "argon2$x", "ada@example.org")
    drop_claim(store, "ada@example.org")
    other = store.create("eve", "argon2$x", "ada@example.org")
    clock.ahead = LATER
    for change in (False, True, True):
        assert repaired(store, change)[0] == [Finding("shared", "ada@example.org", "ada", "eve")]
    assert store.by_email("ada@example.org") == other


def test_of_two_without_a_claim_one_gets_it_and_the_other_is_told_of_as_planned(store, clock):
    for name in ("ada", "eve"):
        store.create(name, "argon2$x", "ada@example.org")
        drop_claim(store, "ada@example.org")
    clock.ahead = LATER
    planned, _ = repaired(store, change=False)
    done, report = repaired(store)
    for findings in (planned, done):
        assert [finding.kind for finding in findings] == ["shared", "unclaimed"]
        assert {finding.account for finding in findings} == {"ada", "eve"}
    assert report.found == {"orphan": 0, "unclaimed": 1, "shared": 1, "invalid": 0}


def test_an_address_that_can_be_no_claim_is_told_of(store, clock):
    account = store.create("ada", "argon2$x")
    store.records.replace("ada", account.home, account.version, {"email": "a\tb@example.org", "version": "2.aa"})
    clock.ahead = LATER
    assert repaired(store)[0] == [Finding("invalid", "a\tb@example.org", "ada")]


@pytest.mark.parametrize("shards", [SHARDS, 2 * SHARDS])
def test_it_works_the_same_while_users_move_and_after(store, clock, shards):
    for number in range(40):
        store.create(f"user-{number}", "argon2$x", f"{number}@example.org")
    for number in range(10):
        drop_account(store, f"user-{number}")
        drop_claim(store, f"{number + 10}@example.org")
    clock.ahead = LATER
    division = Division(store, pace=lambda domain: None, settling=0)
    if shards == SHARDS:
        division._make(f"{store.records.prefix}-map")
        division._begin(division.now())  # and no further
    else:
        division.run(shards)
    # The time in which every process learns of the new map is not waited for here: only a new one knows it.
    store = AccountStore(connect("us-west-2"), store.records.prefix, SHARDS, now=clock)
    findings, _ = repaired(store)
    assert [finding.kind for finding in findings] == ["orphan"] * 10 + ["unclaimed"] * 10
    assert repaired(store)[0] == []
    assert all(store.by_email(f"{number}@example.org") for number in range(10, 40))


def test_beside_people_who_sign_up_change_and_leave_nobody_loses_an_address(store, clock):
    for number in range(30):
        store.create(f"old-{number}", "argon2$x", f"old-{number}@example.org")
        drop_claim(store, f"old-{number}@example.org")
    clock.ahead = LATER

    def live(number):
        made = store.create(f"new-{number}", "argon2$x", f"new-{number}@example.org")
        changed = store.change(made, email=f"other-{number}@example.org")
        if number % 3 == 0:
            store.delete(changed)

    with ThreadPoolExecutor(8) as pool:
        people = [pool.submit(live, number) for number in range(60)]
        runs = [pool.submit(repaired, store) for _ in range(3)]
        for future in [*people, *runs]:
            future.result()
    assert all(store.by_email(f"old-{number}@example.org").name == f"old-{number}" for number in range(30))
    for number in range(60):
        holder = store.by_email(f"other-{number}@example.org")
        assert (holder is None) == (number % 3 == 0)
    clock.ahead += LATER
    assert [finding.kind for finding in repaired(store)[0] if finding.kind != "orphan"] == []


def test_a_store_out_of_reach_is_told_and_what_was_mended_stays_so(store, clock, gate):
    store.create("ada", "argon2$x", "ada@example.org")
    drop_account(store, "ada")
    clock.ahead = LATER
    with gate.shut(), pytest.raises(Unavailable):
        repaired(store)
    assert repaired(store)[0] == [Finding("orphan", "ada@example.org", "ada")]
