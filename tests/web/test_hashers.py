"""What the hasher is asked at a sign-in: once whatever happens, and for a better hash where it is right."""

import asyncio
from typing import ClassVar

import pytest
from django.contrib.auth import aauthenticate, authenticate
from django.contrib.auth.hashers import (
    PBKDF2PasswordHasher,
    get_hasher,
    identify_hasher,
    make_password,
)
from django.contrib.auth.password_validation import MinimumLengthValidator

from webapp.users import accounts
from webapp.users.models import User

pytestmark = pytest.mark.django_db


class NotedPBKDF2(PBKDF2PasswordHasher):
    """PBKDF2 with few rounds that notes what it is asked."""

    iterations = 100
    asked: ClassVar[list[str]] = []

    def verify(self, password, encoded):
        self.asked.append("verify")
        return super().verify(password, encoded)

    def harden_runtime(self, password, encoded):
        self.asked.append("harden")
        super().harden_runtime(password, encoded)


class NotedValidator(MinimumLengthValidator):
    """Notes each password it is told of."""

    told: ClassVar[list[str]] = []

    def password_changed(self, password, user):
        self.told.append(password)


@pytest.fixture
def noted(settings):
    """PBKDF2 is today's hasher, and notes what it is asked."""
    others = [path for path in settings.PASSWORD_HASHERS if not path.endswith(".PBKDF2PasswordHasher")]
    settings.PASSWORD_HASHERS = ["tests.web.test_hashers.NotedPBKDF2", *others]
    NotedPBKDF2.asked.clear()
    return NotedPBKDF2.asked


@pytest.fixture
def account_with(new_name):
    """Makes an account with this encoded hash."""
    return lambda encoded: accounts.store().create(new_name(), encoded)


def sign_in(account, password):
    return authenticate(None, username=account.name, password=password)


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize(
    ("rounds", "password", "asked"),
    [
        (100, "wrong", ["verify"]),
        (50, "wrong", ["verify", "harden"]),
        (100, "right", ["verify"]),
        (50, "right", ["verify"]),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_only_a_wrong_password_beside_an_old_work_factor_is_made_to_take_longer(
    account_with, noted, rounds, password, asked, how
):
    account = account_with(NotedPBKDF2().encode("right", "a salt of sufficient length", rounds))
    if how == "sync":
        user = sign_in(account, password)
    else:
        user = asyncio.run(aauthenticate(None, username=account.name, password=password))
    assert (user is not None) == (password == "right")
    assert noted == asked


@pytest.mark.parametrize(
    "old",
    [
        lambda: NotedPBKDF2().encode("right", "a salt of sufficient length", 50),
        lambda: NotedPBKDF2().encode("right", "short"),
        lambda: make_password("right", hasher="pbkdf2_sha1"),
        lambda: make_password("right", hasher="scrypt"),
    ],
    ids=["few rounds", "short salt", "SHA-1", "scrypt"],
)
def test_a_weaker_hash_is_replaced_at_sign_in_and_nobody_is_told_of_a_new_password(account_with, noted, old, settings):
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": "tests.web.test_hashers.NotedValidator"}]
    NotedValidator.told.clear()
    account = account_with(old())
    assert sign_in(account, "wrong") is None
    assert accounts.find(account.name) == account
    user = sign_in(account, "right")
    now = accounts.find(account.name)
    assert now.password != account.password
    assert not get_hasher().must_update(now.password)
    assert (now.stamp, now.updated, now.name) == (account.stamp, account.updated, account.name)
    assert NotedValidator.told == []
    user.set_password("another one")
    user.save()
    assert NotedValidator.told == ["another one"]


@pytest.mark.parametrize("algorithm", ["argon2", "scrypt", "pbkdf2_sha256", "pbkdf2_sha1", "bcrypt_sha256"])
def test_every_algorithm_of_django_lets_in(account_with, algorithm):
    account = account_with(make_password("right", hasher=algorithm))
    assert sign_in(account, "wrong") is None
    assert sign_in(account, "right")
    assert identify_hasher(accounts.find(account.name).password).algorithm == "argon2"
    assert sign_in(account, "right")


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "!",
        "garbage",
        "md5$salt$0123456789abcdef0123456789abcdef",
        "argon2$",
        "argon2$argon2id$v=19$m=8,t=1,p=1$c2FsdA$",
        "argon2$garbage",
        "pbkdf2_sha256$garbage",
        "pbkdf2_sha256$x$salt$hash",
        "pbkdf2_sha256$1$$",
        "scrypt$1$2",
    ],
)
def test_a_damaged_hash_or_one_of_a_hasher_that_is_gone_lets_nobody_in_at_the_same_cost(account_with, encoded, hasher):
    account = account_with(encoded)
    for password in ("", "anything", encoded):
        hasher.runs.clear()
        assert sign_in(account, password) is None
        assert len(hasher.runs) <= 1, "one run of today's hasher, or one of the hash's own"
    assert User(username=account.name, account_id=account.id).check_password("anything") is False
