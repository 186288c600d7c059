"""Accounts from the command line; the password comes by standard input."""

import io

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from webapp.users import accounts

pytestmark = pytest.mark.django_db


@pytest.fixture
def say(monkeypatch):
    """Puts a line on standard input and runs a command; returns what it printed."""

    def run(line, *command):
        monkeypatch.setattr("sys.stdin", io.StringIO(line))
        printed = io.StringIO()
        call_command(*command, stdout=printed)
        return printed.getvalue()

    return run


def test_an_account_made_by_command_can_sign_in(say, new_name, password):
    name = new_name()
    assert (
        say(password + "\n", "createaccount", name, "--email", f"{name}@example.org")
        == f"The account {name} is made.\n"
    )
    assert authenticate(None, username=name, password=password).email == f"{name}@example.org"


def test_a_superuser_can_be_made_without_a_terminal(say, browser, new_name, password):
    name = new_name()
    say(password, "createaccount", name, "--superuser")
    browser.post("/sign-in/", {"username": name, "password": password})
    assert browser.get("/admin/users/user/").status_code == 200


def test_a_password_changed_by_command_counts(say, new_name, password):
    name = new_name()
    say(password, "createaccount", name)
    say("staple battery horse", "changeaccountpassword", name)
    assert authenticate(None, username=name, password="staple battery horse")
    assert authenticate(None, username=name, password=password) is None


def test_what_is_wrong_is_one_sentence(say, new_name, password):
    name = new_name()
    say(password, "createaccount", name)
    with pytest.raises(CommandError, match="is taken"):
        say(password, "createaccount", name.upper())
    with pytest.raises(CommandError, match="too short"):
        say("short", "createaccount", new_name())
    with pytest.raises(CommandError, match="No password was given"):
        say("", "createaccount", new_name())
    with pytest.raises(CommandError, match="valid username"):
        say(password, "createaccount", "with blanks inside")
    with pytest.raises(CommandError, match="There is no account"):
        say(password, "changeaccountpassword", new_name())


@pytest.fixture
def terminal(monkeypatch):
    """Answers Django's commands as somebody at a terminal would: lines, then passwords."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def answer(lines, passwords):
        lines, passwords = iter(lines), iter(passwords)
        monkeypatch.setattr("builtins.input", lambda _="": next(lines))
        monkeypatch.setattr("getpass.getpass", lambda *_, **__: next(passwords))
        return Terminal()

    return answer


def test_createsuperuser_asks_at_a_terminal_until_the_name_is_free(terminal, new_name, password):
    taken = accounts.store().create(new_name("Taken"), "!")
    name, said = new_name(), io.StringIO()
    stdin = terminal([taken.name.upper(), "with blanks", name, "nonsense", f"{name}@example.org"], [password, password])
    call_command("createsuperuser", stdin=stdin, stdout=io.StringIO(), stderr=said)
    assert "This name is taken." in said.getvalue()
    assert "Enter a valid username" in said.getvalue()
    assert "Enter a valid email address" in said.getvalue()
    user = authenticate(None, username=name, password=password)
    assert (user.is_superuser, user.is_staff, user.email) == (True, True, f"{name}@example.org")


def test_createsuperuser_without_a_terminal_takes_all_from_the_environment(new_name, password, monkeypatch):
    name = new_name()
    monkeypatch.setenv("DJANGO_SUPERUSER_USERNAME", name)
    monkeypatch.setenv("DJANGO_SUPERUSER_EMAIL", f"{name}@example.org")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)
    call_command("createsuperuser", "--noinput", verbosity=0)
    assert authenticate(None, username=name, password=password).is_superuser
    with pytest.raises(CommandError, match="already taken"):
        call_command("createsuperuser", "--noinput", verbosity=0)


def test_createsuperuser_says_in_a_sentence_what_simpledb_refuses(new_name, password, gate, monkeypatch):
    taken = accounts.store().create(new_name("Taken"), "!", f"{new_name()}@example.org")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)
    with pytest.raises(CommandError, match="This name is taken"):
        call_command("createsuperuser", "--noinput", username=taken.name.upper(), email="", verbosity=0)
    with pytest.raises(CommandError, match="e-mail address"):
        call_command("createsuperuser", "--noinput", username=new_name(), email=taken.email, verbosity=0)
    with gate.shut(), pytest.raises(CommandError, match="failed"):
        call_command("createsuperuser", "--noinput", username=new_name(), email="", verbosity=0)


def test_changepassword_works_for_an_account_never_seen_here(terminal, new_name, password):
    account = accounts.store().create(new_name(), "!")
    terminal([], ["short", "short", password, password])
    said = io.StringIO()
    call_command("changepassword", account.name, stdout=io.StringIO(), stderr=said)
    assert "too short" in said.getvalue()
    assert authenticate(None, username=account.name, password=password)


def test_changepassword_says_in_a_sentence_what_is_wrong(terminal, new_name, password, gate):
    with pytest.raises(CommandError, match="does not exist"):
        call_command("changepassword", new_name())
    account = accounts.store().create(new_name(), "!")
    with pytest.raises(CommandError, match="does not exist"):
        call_command("changepassword", account.name.swapcase())
    with gate.shut(), pytest.raises(CommandError, match="failed"):
        call_command("changepassword", account.name)
