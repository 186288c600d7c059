"""`manage.py importaccounts`: files, and Django's own table of users."""

import io
import json

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password
from django.core.management import CommandError, call_command
from django.db import connection

from webapp.users import accounts

pytestmark = pytest.mark.django_db

TABLE = """CREATE TEMPORARY TABLE auth_user (
    id int AUTO_INCREMENT PRIMARY KEY, password varchar(128) NOT NULL, last_login datetime(6),
    is_superuser tinyint NOT NULL, username varchar(150) NOT NULL, first_name varchar(150) NOT NULL,
    last_name varchar(150) NOT NULL, email varchar(254) NOT NULL, is_staff tinyint NOT NULL,
    is_active tinyint NOT NULL, date_joined datetime(6) NOT NULL)"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command in a folder of its own; returns what it printed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def command(*words):
        printed = io.StringIO()
        call_command("importaccounts", *words, stdout=printed)
        return printed.getvalue()

    return command


@pytest.fixture
def table():
    """add(**columns) puts a user into a table auth_user, which is gone after the test."""
    with connection.cursor() as cursor:
        cursor.execute(TABLE.replace("TEMPORARY ", ""))

    def add(**columns):
        given = {"password": "", "is_superuser": 0, "first_name": "", "last_name": "", "email": "", "is_staff": 0}
        given |= {"is_active": 1, "date_joined": "2020-01-02 03:04:05"} | columns
        with connection.cursor() as cursor:
            names, marks = ", ".join(given), ", ".join(["%s"] * len(given))
            cursor.execute(f"INSERT INTO auth_user ({names}) VALUES ({marks})", list(given.values()))

    yield add
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE auth_user")


@pytest.mark.django_db(transaction=True)
def test_the_users_of_djangos_table_can_sign_in_here(run, table, new_name, password):
    name, other = new_name("Ada"), new_name()
    table(username=name, password=make_password(password), email=f"{name}@example.org")
    table(username=other, is_active=0, last_login="2021-01-01")
    assert run("--from-table", "auth_user").startswith("2 accounts imported")
    assert authenticate(None, username=name, password=password).email == f"{name}@example.org"
    account = accounts.find(other)
    assert (account.active, account.created) == (False, "2020-01-02T03:04:05.000000Z")
    assert account.last_login == "2021-01-01T00:00:00.000000Z"
    table(username=new_name())
    assert run("--from-table", "auth_user").startswith("1 accounts imported (0 without their e-mail address), 2 were")


@pytest.mark.django_db(transaction=True)
def test_a_table_of_something_else_is_refused(run):
    with pytest.raises(CommandError, match="has no table no_such_table"):
        run("--from-table", "no_such_table")
    with pytest.raises(CommandError, match="the table users_user has no column password"):
        run("--from-table", "users_user")
    with pytest.raises(CommandError, match="no database elsewhere"):
        run("--from-table", "users_user", "--database", "elsewhere")


def test_a_file_is_imported_and_what_was_rejected_reported(run, new_name, tmp_path):
    name = new_name()
    (tmp_path / "users.jsonl").write_text(json.dumps({"name": name}) + '\n{"name": " x"}\n')
    with pytest.raises(CommandError, match=r"1 rows were rejected: users\.jsonl\.rejected\.jsonl"):
        run("users.jsonl")
    assert json.loads((tmp_path / "users.jsonl.rejected.jsonl").read_text())["line"] == 2
    assert accounts.find(name)


def test_what_cannot_be_done_is_said_in_a_sentence(run):
    for words, said in (
        ((), "Name a file, or a table"),
        (("missing.jsonl",), "missing.jsonl cannot be read"),
        (("missing.jsonl", "--report", "no/where"), "no is no folder"),
    ):
        with pytest.raises(CommandError, match=said):
            run(*words)
