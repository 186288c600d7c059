"""Accounts from the command line; the password comes by standard input."""

import io

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

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
