"""Rows of an import: what is taken, what is refused and in which words."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.hashers import get_hashers, make_password

from webapp.users.account import Account
from webapp.users.bulk.rows import HASHES, Unfit, row_of

NOW = "2026-03-01T12:00:00.000000Z"
HASH = "pbkdf2_sha256$1000000$aGVsbG8$" + "A" * 43 + "="


def refused(record):
    """Why a record is refused."""
    with pytest.raises(Unfit) as unfit:
        row_of(1, record, NOW)
    return str(unfit.value)


def test_a_name_alone_becomes_an_account_nobody_can_sign_in_to_yet():
    row = row_of(7, {"name": "Zoë"}, NOW)
    assert (row.line, row.item, row.claim) == (7, "zoë", "")
    account = row.account
    assert (account.name, account.active, account.email, account.last_login) == ("Zoë", True, "", "")
    assert account.password[0] == "!" and len(account.password) == 41
    assert account.created == account.updated == NOW


def test_the_same_record_gives_the_same_account_and_another_one_another():
    record = {"name": "ada", "password": HASH, "email": "ada@example.org"}
    assert row_of(1, record, NOW).account == row_of(2, dict(record), NOW).account
    other = row_of(1, record | {"email": "ada@example.com"}, NOW).account
    assert other.id != row_of(1, record, NOW).account.id
    assert other.version != row_of(1, record, NOW).account.version


def test_what_an_export_says_of_an_account_is_kept():
    account = Account.new("ada", HASH, "ada@example.org", False, datetime(2025, 1, 2, tzinfo=UTC))
    assert row_of(1, account.values(), NOW).account == account


def test_a_user_of_djangos_table_is_told_by_his_key_whatever_else_changes():
    django = {
        "pk": 5,
        "model": "auth.user",
        "fields": {
            "username": "Ada",
            "password": HASH,
            "email": "ada@example.org",
            "is_active": False,
            "is_superuser": True,
            "first_name": "Ada",
            "groups": [],
            "date_joined": "2020-01-02T03:04:05.678Z",
            "last_login": "2021-01-02T03:04:05Z",
        },
    }
    account = row_of(1, django, NOW).account
    assert (account.name, account.active, account.password) == ("Ada", False, HASH)
    assert (account.created, account.last_login) == ("2020-01-02T03:04:05.678000Z", "2021-01-02T03:04:05.000000Z")
    later = {**django, "fields": django["fields"] | {"last_login": "2026-01-01T00:00:00Z"}}
    assert row_of(1, later, NOW).account.id == account.id
    assert row_of(1, {"id": "5", **django["fields"]}, NOW).account.id == account.id


@pytest.mark.parametrize(
    "text, kept",
    [
        ("2020-01-02 03:04:05", "2020-01-02T03:04:05.000000Z"),
        ("2020-01-02T03:04:05.25+02:00", "2020-01-02T01:04:05.250000Z"),
        (datetime(2020, 1, 2, 3, 4, 5), "2020-01-02T03:04:05.000000Z"),
        ("NULL", NOW),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_times_come_in_many_forms_and_without_a_zone_are_utc(text, kept):
    assert row_of(1, {"name": "ada", "created": text}, NOW).account.created == kept


@pytest.mark.parametrize("text", [True, 1, "1", "yes", "True", "", None])
def test_yes_comes_in_many_forms(text):
    assert row_of(1, {"name": "ada", "active": text}, NOW).account.active


@pytest.mark.parametrize(
    "record, reason",
    [
        ({}, "it has no name"),
        ({"name": ""}, "it has no name"),
        ({"name": 5}, "the name is not a text"),
        ({"name": " ada"}, "a name must not begin or end with a blank"),
        ({"name": "a" * 1025}, "a name must not be longer than 1024 bytes in UTF-8"),
        ({"name": "ada\x00"}, "a name must not contain control characters or characters that do not exist"),
        ({"name": "ada\udcff"}, "a name must not contain control characters or characters that do not exist"),
        ({"name": "ada", "password": "!\udcff"}, "it is not valid UTF-8"),
        ({"name": "ada", "e-mail": "ada@example.org"}, "nothing here is called 'e-mail'"),
        ({"username": "ada", "active": True}, "nothing here is called 'active'"),
        ({"name": "ada", "email": "ada"}, "the e-mail address is none"),
        ({"name": "ada", "email": ["a@b"]}, "email is not a text"),
        ({"name": "ada", "active": "perhaps"}, "active is neither yes nor no"),
        ({"name": "ada", "created": "yesterday"}, "created is not a time as in 2026-01-31T12:00:00Z"),
        ({"name": "ada", "created": "0001-01-01T00:00:00+14:00"}, "created is not a time as in 2026-01-31T12:00:00Z"),
        ({"name": "ada", "id": "5"}, "id is not 32 hexadecimal digits: leave it out and one is made"),
        ({"name": "ada", "password": 5}, "password is not a text"),
        ({"name": "ada", "password": HASH + "A" * 1000}, "password is longer than 1024 bytes"),
    ],
)
def test_what_is_wrong_with_a_row_is_said(record, reason):
    assert refused(record) == reason


@pytest.mark.parametrize("plain", ["correct horse", "!secret!", "pbkdf2_sha256$", "argon2$x", "!" + "a b" * 14])
def test_a_plain_password_is_refused_and_not_told(plain):
    reason = refused({"name": "ada", "password": plain})
    assert "plain passwords are not imported" in reason and plain not in reason


def test_a_hash_that_the_application_cannot_take_is_refused_with_a_way_out():
    reason = refused({"name": "ada", "password": "bcrypt$$2b$12$abcdefghijklmnopqrstuv"})
    assert reason.startswith("the application has no hasher for bcrypt: leave the password empty")


def test_every_hasher_of_the_application_is_known_and_its_hashes_are_taken(settings):
    assert {hasher.algorithm for hasher in get_hashers()} - {"unittest"} <= set(HASHES)
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.Argon2PasswordHasher",
        "django.contrib.auth.hashers.ScryptPasswordHasher",
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    ]
    for algorithm in HASHES:
        encoded = make_password("correct horse", hasher=algorithm)
        assert row_of(1, {"name": "ada", "password": encoded}, NOW).account.password == encoded
    unusable = make_password(None)
    assert row_of(1, {"name": "ada", "password": unusable}, NOW).account.password == unusable
