"""Many accounts at once: each row becomes an account, and never one over another that is there, whoever signs up."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from tests.web.bulk import HASH, everything, load, meanwhile, person
from webapp.users.account import Account
from webapp.users.shards import domain
from webapp.users.store import NameTaken, Unavailable

# What becomes of rows


def test_each_row_becomes_an_account_with_its_claim(fresh, rows):
    store = fresh()
    path = rows(*(person(n, active=n != 3, created="2020-01-01T00:00:00Z") for n in range(120)), {"name": "Without"})
    summary, report = load(store, path)
    assert (summary.imported, summary.rejected, summary.failed, report) == (121, 0, 0, []) and summary.whole
    account = store.by_email("USER-7@example.org")
    assert (account.name, account.password, account.active) == ("user-7", HASH, True)
    assert account.created == "2020-01-01T00:00:00.000000Z" and not store.get("user-3").active
    assert len(everything(store)) == 121 + 120
    assert store.change_password(account, HASH).stamp != account.stamp


def test_what_is_imported_again_is_there_already_and_stays_as_it_is(fresh, rows):
    store = fresh()
    path = rows(*map(person, range(30)))
    load(store, path)
    changed = store.change(store.get("user-1"), email="new@example.org", active=False)
    before = everything(store)
    summary, _ = load(store, path)
    assert (summary.imported, summary.present, summary.rejected) == (0, 30, 0)
    assert store.get("user-1") == changed
    assert everything(store) == before  # the address that was given up is nobody's


def test_a_row_that_is_wrong_is_reported_with_its_line_and_never_its_password(fresh, rows):
    store = fresh()
    summary, report = load(store, rows(person(0), person(1, password="plain secret"), {"name": " x"}, person(2)))
    assert (summary.imported, summary.rejected) == (2, 2) and not summary.whole
    assert [(each["line"], each["name"]) for each in report] == [(2, "user-1"), (3, " x")]
    assert "plain secret" not in str(report)


def test_a_name_and_an_address_that_somebody_has_stay_his(fresh, rows):
    store = fresh()
    ada = store.create("Ada", "argon2$x", "ada@example.org")
    path = rows(
        {"name": "ADA", "email": "other@example.org"}, {"name": "bob", "email": "Ada@example.org"}, {"name": "eve"}
    )
    summary, report = load(store, path)
    assert (summary.imported, summary.rejected) == (1, 2)
    assert report == [
        {"line": 1, "name": "ADA", "reason": "the name ADA is taken"},
        {"line": 2, "name": "bob", "reason": "the e-mail address Ada@example.org is taken"},
    ]
    assert store.get("ada") == ada and store.get("bob") is None
    assert set(everything(store)) == {"ada", "EMAIL ada@example.org", "eve"}  # the claim to other@ was given up


def test_a_taken_address_may_be_left_out(fresh, rows):
    store = fresh()
    store.create("ada", "argon2$x", "ada@example.org")
    summary, report = load(store, rows({"name": "bob", "email": "ada@example.org"}), drop_taken_emails=True)
    assert (summary.imported, summary.without_email, summary.whole) == (1, 1, True)
    assert store.get("bob").email == "" and report[0]["imported"] is True
    again, _ = load(store, rows({"name": "bob", "email": "ada@example.org"}), drop_taken_emails=True)
    assert (again.present, again.without_email) == (1, 1)


def test_of_rows_with_one_name_or_address_the_first_is_imported_and_the_others_told_so(fresh, rows):
    store = fresh()
    twice = [person(1), person(2), {"name": "USER-1"}, {"name": "eve", "email": "user-2@example.org"}, person(1)]
    summary, report = load(store, rows(*twice))
    assert (summary.imported, summary.present, summary.rejected) == (2, 1, 2)
    assert [each["reason"] for each in report] == [
        "the name USER-1 is taken by line 1",
        "the e-mail address user-2@example.org is taken by line 2",
    ]


def test_an_address_that_a_rejected_row_gave_up_goes_to_the_next_who_wants_it(fresh, rows):
    store = fresh()
    store.create("user-1", "argon2$x")
    wanted = "user-1@example.org"
    path = rows(person(1), {"name": "heir", "email": wanted}, {"name": "late", "email": wanted})
    summary, report = load(store, path)
    assert (summary.imported, summary.rejected) == (1, 2)
    assert [each["reason"] for each in report] == [
        "the name user-1 is taken",
        "the e-mail address user-1@example.org is taken by line 2",
    ]
    assert store.by_email("user-1@example.org").name == "heir"


def test_a_claim_that_was_left_behind_does_not_keep_a_row_from_its_address(fresh, rows):
    store = fresh()
    store.claims.take(Account.new("gone", "", "", True, store.now().replace(year=2020)), "user-1@example.org")
    old = fresh(store)
    slot = old.records.get("EMAIL user-1@example.org")
    old.records.replace(
        "EMAIL user-1@example.org",
        slot.home,
        slot.text,
        dict(slot.pairs) | {"at": "2020-01-01T00:00:00.000000Z", "version": "0000000002.0000000000000000"},
    )
    summary, _ = load(store, rows(person(1)))
    assert summary.imported == 1 and store.by_email("user-1@example.org").name == "user-1"


# While people sign up


def test_who_signs_up_at_the_same_moment_keeps_the_name_and_nothing_of_ours_is_left(fresh, rows):
    store = fresh()
    web = fresh(store)
    signed_up = []
    meanwhile(store, "BatchPutAttributes", lambda: signed_up.append(web.create("user-1", "argon2$theirs")))
    summary, report = load(store, rows({"name": "user-1", "password": HASH, "active": False}))
    assert (summary.imported, summary.rejected) == (0, 1)
    assert report[0]["reason"] == "the name user-1 is taken"
    assert web.get("user-1") == signed_up[0]
    everything(store)


def test_who_takes_an_address_at_the_same_moment_keeps_it(fresh, rows):
    store = fresh()
    web = fresh(store)
    meanwhile(store, "BatchPutAttributes", lambda: web.create("eve", "argon2$x", "user-1@example.org"))
    summary, report = load(store, rows(person(1)))
    assert (summary.imported, report[0]["reason"]) == (0, "the e-mail address user-1@example.org is taken")
    assert web.by_email("user-1@example.org").name == "eve"
    assert set(everything(store)) == {"eve", "EMAIL user-1@example.org"}


def test_who_signs_up_after_an_import_wrote_his_name_is_told_that_it_is_taken(fresh, rows):
    store = fresh()
    web = fresh(store)

    def sign_up():
        with pytest.raises(NameTaken):
            web.create("user-1", "argon2$theirs")

    load(store, rows({"name": "user-0"}))
    summary, _ = load(store, rows({"name": "user-1", "password": HASH}, name="second.jsonl"))
    sign_up()
    assert summary.imported == 1 and web.get("user-1").password == HASH


def test_a_change_made_between_two_attempts_of_one_batch_stays(fresh, rows, gate):
    store = fresh()

    def change(_):
        if account := web.get("user-1"):
            web.change(account, password="argon2$new", email="")

    web, losing = fresh(store), fresh(store, sleep=change)
    meanwhile(losing, "BatchPutAttributes", lambda: setattr(gate, "lose", 1))
    summary, _ = load(losing, rows({"name": "user-1", "password": HASH}))
    assert summary.imported == 1 and web.get("user-1").password == "argon2$new"
    everything(store)


def test_of_two_imports_that_meet_one_makes_the_account(fresh, rows):
    store = fresh()
    other = fresh(store)
    summaries = []
    mine, his = rows({"name": "user-1", "password": HASH}), rows({"name": "USER-1", "active": False}, name="his.jsonl")
    theirs = []

    def import_too():
        theirs.append(load(other, his)[0])

    meanwhile(store, "BatchPutAttributes", import_too)
    summaries.append(load(store, mine)[0])
    assert summaries[0].imported + theirs[0].imported == 1
    (item,) = everything(store).values()
    assert item["name"] in ("user-1", "USER-1")


def test_what_two_imports_left_that_both_withdrew_is_made_an_account_again(fresh, rows):
    store = fresh()
    home = domain("user-1", store.records.prefix, 2)
    left = [{"Name": "active", "Value": "yes"}, {"Name": "last_login", "Value": ""}]
    store.calls("put_attributes", home, ItemName="user-1", Attributes=left)
    summary, _ = load(store, rows(person(1)))
    assert summary.imported == 1 and store.get("user-1").password == HASH


def test_an_item_in_which_two_met_is_read_again_until_they_have_parted(fresh):
    store = fresh()
    account = store.create("ada", "argon2$x")
    other = [{"Name": "version", "Value": "0000000001.ffffffffffffffff"}, {"Name": "password", "Value": HASH}]
    store.calls("put_attributes", account.home, ItemName="ada", Attributes=other)

    def part(_):
        store.calls("delete_attributes", account.home, ItemName="ada", Attributes=other)

    for read in (lambda web: web.get("ada"), lambda web: next(iter(web))):
        store.calls("put_attributes", account.home, ItemName="ada", Attributes=other)
        assert read(fresh(store, sleep=part)) == account
    store.calls("put_attributes", account.home, ItemName="ada", Attributes=other)
    with pytest.raises(Unavailable, match="two versions"):
        fresh(store, sleep=lambda _: None).get("ada")


def test_an_item_that_a_kill_left_with_two_versions_is_put_right_by_the_next_run(fresh, rows):
    store = fresh()
    path = rows({"name": "user-1", "password": HASH, "created": "2020-01-01"})
    load(store, path)
    imported = store.get("user-1")
    store.delete(imported)
    theirs = store.create("user-1", "argon2$theirs")
    ours = [{"Name": name, "Value": value} for name, value in imported.values().items()]
    store.calls("put_attributes", theirs.home, ItemName="user-1", Attributes=ours)
    summary, report = load(store, path)
    assert (summary.rejected, report[0]["reason"]) == (1, "the name user-1 is taken")
    assert store.get("user-1") == theirs
    everything(store)


def later(minutes):
    """A clock that goes on by so many minutes whenever it is read."""
    ticks = count()
    return lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes * next(ticks))


def test_a_claim_that_grew_old_before_its_account_is_renewed(fresh, rows):
    store = fresh(now=later(5))
    assert load(store, rows(person(1)))[0].imported == 1
    claim = everything(store)["EMAIL user-1@example.org"]
    assert claim["version"].startswith("0000000002.") and claim["id"] == store.get("user-1").id


def test_a_claim_that_somebody_took_over_before_its_account_is_his(fresh, rows):
    store = fresh(now=later(5))
    web = fresh(store, now=lambda: datetime(2030, 1, 1, tzinfo=UTC))
    meanwhile(store, "GetAttributes", lambda: web.create("eve", "argon2$x", "user-1@example.org"))
    summary, report = load(store, rows(person(1)))
    assert (summary.imported, report[0]["reason"]) == (0, "the e-mail address user-1@example.org is taken")
    assert set(everything(store)) == {"eve", "EMAIL user-1@example.org"}
