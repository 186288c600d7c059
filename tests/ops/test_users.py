"""The tasks on accounts: what they do, what they say, and what they refuse in one sentence."""

import io
import json
import sys

import pytest

from fabfile import sdb
from fabfile.engine.errors import Refusal
from fabfile.users import hashed
from webapp.users.slots import plain

PASSWORD = "correct horse battery"


@pytest.fixture
def stage(rehearse):
    """A stage of four shards with user-0, user-1 and user-2, each with an address."""
    return rehearse(4).made().with_users(3, "{0}@example.org")


@pytest.fixture
def type_in(monkeypatch):
    """Puts lines on standard input."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text + "\n"))


def said(task, stage, *words, **options):
    """The sentence with which it is refused."""
    with pytest.raises(Refusal) as refused:
        task.body(stage.run(), *words, **options)
    assert "\n" not in refused.value.message and refused.value.code == 1
    return refused.value.message


def found(stage, name, capsys):
    capsys.readouterr()
    sdb.find.body(stage.run(), name, json=True)
    return json.loads(capsys.readouterr().out)


def test_an_account_is_found_by_name_in_any_spelling_and_by_address(stage, capsys):
    account = stage.store().get("user-1")
    for spelling in ("user-1", "USER-1", "1@Example.ORG"):
        row = found(stage, spelling, capsys)
        assert (row["name"], row["domain"], row["active"]) == ("user-1", account.home, True)
        assert "password" not in row and "stamp" not in row


def test_an_account_is_found_where_it_was_moved_to(stage, capsys):
    stage.divided(8)
    for number in range(3):
        row = found(stage, f"user-{number}", capsys)
        account = stage.store().get(f"user-{number}")
        assert (row["domain"], row["version"]) == (account.home, plain(account.version))


def test_a_name_that_holds_an_at_sign_is_a_name_first(stage, capsys):
    stage.store().create("2@example.org", "argon2$x")
    assert found(stage, "2@example.org", capsys)["name"] == "2@example.org"


def test_whoever_is_not_there_is_told_with_where_he_would_be(stage):
    assert said(sdb.find, stage, "nobody").startswith(f"There is no account nobody: it would be in {stage.prefix}-0")
    assert "no account has that address" in said(sdb.find, stage, "nobody@example.org")


@pytest.mark.parametrize("task", [sdb.passwd, sdb.disable, sdb.enable, sdb.deluser], ids=lambda task: task.name)
def test_a_change_to_nobody_or_to_what_is_no_name_is_refused(stage, task):
    assert said(task, stage, "nobody").startswith("There is no account nobody: nothing was changed")
    assert said(task, stage, " nobody") == "A name must not begin or end with a blank: nothing was changed"
    assert "the address is user-2's: say that name" in said(task, stage, "2@example.org")


def test_a_missing_domain_is_told_with_how_to_make_it(rehearse):
    stage = rehearse(4)
    assert "does not exist: make it with" in said(sdb.find, stage, "ada")
    assert f"`fab {stage.name} create_user_domains`" in said(sdb.disable, stage, "ada")


class TestMaking:
    def test_the_password_comes_from_standard_input_and_is_kept_as_a_hash(self, stage, type_in, capsys):
        type_in(PASSWORD)
        sdb.adduser.body(stage.run(), "Ada", "ada@example.org", password_stdin=True)
        account = stage.store().get("ada")
        assert capsys.readouterr().out.endswith(f"Ada can sign in; the account is in {account.home}.\n")
        assert account.password.startswith("argon2$argon2id$") and PASSWORD not in account.password

    def test_a_name_or_an_address_that_is_taken_is_told_as_what_it_is(self, stage, type_in):
        type_in(PASSWORD)
        assert said(sdb.adduser, stage, "USER-0") == "The name USER-0 is taken: choose another name"
        type_in(PASSWORD)
        told = said(sdb.adduser, stage, "ada", "0@EXAMPLE.org")
        assert told == "The e-mail address 0@EXAMPLE.org is taken by user-0: nothing was made, give another"
        assert stage.store().get("ada") is None

    def test_what_is_no_name_or_no_address_is_refused_before_a_password_is_asked_for(self, stage, monkeypatch):
        monkeypatch.setattr(sys, "stdin", None)
        assert said(sdb.adduser, stage, "ada ").startswith("A name must not begin or end with a blank")
        assert said(sdb.adduser, stage, "ada", "at-home").startswith("'at-home' is no e-mail address")

    def test_an_address_too_long_for_simpledb_is_refused(self, stage, type_in):
        type_in(PASSWORD)
        told = said(sdb.adduser, stage, "ada", "a" * 1020 + "@example.org")
        assert told == "Email must not be longer than 1024 bytes in UTF-8: nothing was made"


class TestPasswords:
    def test_a_new_password_ends_the_sessions(self, stage, type_in):
        before = stage.store().get("user-0")
        type_in(PASSWORD)
        sdb.passwd.body(stage.run(), "user-0")
        after = stage.store().get("user-0")
        assert after.stamp != before.stamp and after.password != before.password

    def test_a_short_password_changes_nothing(self, stage, type_in):
        before = stage.store().get("user-0")
        type_in("short")
        assert "at least 8 characters" in said(sdb.passwd, stage, "user-0")
        assert stage.store().get("user-0") == before

    def test_who_is_locked_stays_locked_and_this_is_said(self, stage, type_in, capsys):
        stage.store().lock("user-0")
        type_in(PASSWORD)
        sdb.passwd.body(stage.run(), "user-0")
        assert "it stays locked" in capsys.readouterr().out
        assert not stage.store().get("user-0").active

    def test_the_hash_is_one_that_django_takes(self):
        from argon2 import PasswordHasher

        algorithm, _, rest = hashed(PASSWORD).partition("$")
        assert algorithm == "argon2" and PasswordHasher().verify("$" + rest, PASSWORD)


class TestLocking:
    def test_an_account_is_locked_and_let_in_again_with_its_password_as_it_was(self, stage, capsys):
        before = stage.store().get("user-0")
        sdb.disable.body(stage.run(), "USER-0")
        assert found(stage, "user-0", capsys)["active"] is False
        sdb.enable.body(stage.run(), "user-0")
        after = stage.store().get("user-0")
        assert after.active and after.password == before.password

    def test_doing_it_twice_is_told_and_writes_nothing(self, stage, capsys):
        sdb.disable.body(stage.run(), "user-0")
        locked = stage.store().get("user-0")
        sdb.disable.body(stage.run(), "user-0")
        assert "user-0 was locked already" in capsys.readouterr().out
        assert stage.store().get("user-0").version == locked.version

    def test_a_locked_account_is_shown_with_how_to_unlock_it(self, stage, capsys):
        stage.store().lock("user-0")
        capsys.readouterr()
        sdb.find.body(stage.run(), "user-0")
        assert f"no, locked: `fab {stage.name} sdb.enable user-0` lets it in" in capsys.readouterr().out


class TestDeleting:
    @pytest.mark.parametrize("yes", ["", "user-1", "USER-0"])
    def test_the_name_is_asked_for_again(self, stage, yes):
        assert "to mean it, add `--yes user-0`" in said(sdb.deluser, stage, "user-0", yes=yes)
        assert stage.store().get("user-0")

    def test_the_name_and_the_address_can_be_taken_again(self, stage):
        sdb.deluser.body(stage.run(), "user-0", yes="user-0")
        assert stage.store().get("user-0") is None
        assert stage.store().create("user-0", "argon2$x", "0@example.org")


class TestRepair:
    def test_a_plan_tells_and_changes_nothing(self, stage, capsys):
        self.break_a_claim(stage)
        with pytest.raises(SystemExit) as ended:
            sdb.repair.body(stage.run(), plan=True)
        assert ended.value.code == 2
        assert "~ the claim to 1@example.org is an orphan" in capsys.readouterr().out
        assert self.claim(stage)

    def test_an_orphan_is_removed_and_the_next_run_finds_nothing(self, stage, capsys):
        self.break_a_claim(stage)
        sdb.repair.body(stage.run())
        assert "1 orphans removed" in capsys.readouterr().out
        assert not self.claim(stage)
        sdb.repair.body(stage.run(), json=True)
        told = json.loads(capsys.readouterr().out)
        assert (told["accounts"], told["claims"], set(told["found"].values())) == (2, 2, {0})

    @staticmethod
    def break_a_claim(stage):
        """The account user-1 goes and its claim, which is old, stays."""
        store = stage.store()
        account, slot = store.get("user-1"), TestRepair.claim(stage)
        store.records.delete("user-1", account.home, account.version)
        old = dict(slot.pairs) | {"at": "2020-01-01T00:00:00.000000Z", "version": "0000000002.aa"}
        store.records.replace("EMAIL 1@example.org", slot.home, slot.text, old)

    @staticmethod
    def claim(stage):
        return stage.store().records.get("EMAIL 1@example.org")
