"""The account store of this process, and what Django's hashers have to do with it."""

import functools
import logging

from django.conf import settings
from django.contrib.auth.hashers import make_password, verify_password
from django.views.decorators.debug import sensitive_variables

from webapp.environment import AccountsPart
from webapp.parts import part
from webapp.store_calls import measure_simpledb
from webapp.users.account import Account
from webapp.users.breaker import Breaker
from webapp.users.shards import InvalidName
from webapp.users.store import AccountStore, StoreError, connect

log = logging.getLogger(__name__)


@functools.cache
def store() -> AccountStore:
    """The accounts of the stage that the environment names; threads may share it."""
    environment = part(AccountsPart)
    client = measure_simpledb(connect(environment.aws_region))
    return AccountStore(client, environment.user_domains, environment.user_shards, breaker=Breaker())


@sensitive_variables()
def find(name: str) -> Account | None:
    """The account that answers to `name`, or None, also for what can be nobody's name."""
    if not isinstance(name, str):
        return None
    try:
        return store().get(name)
    except InvalidName:
        return None


def by_email(email: str) -> Account | None:
    """The account with this e-mail address, in any capitals, or None, also for what can be no address."""
    try:
        return store().by_email(email)
    except InvalidName:
        return None


def is_text(text: object) -> bool:
    """Whether it is a text that can be written in UTF-8; half of a surrogate pair, which JSON can carry, cannot."""
    try:
        return isinstance(text, str) and text.encode() is not None
    except UnicodeEncodeError:
        return False


@sensitive_variables()
def prove(name: str, password: str) -> Account | None:
    """The active account with this name and password, or None.

    Whatever the answer, it takes one read and one run of the hasher, so that time tells nobody whether a name exists.
    The name must be exactly the one given at sign-up, unless the setting EXACT_NAMES is false.
    """
    account = find(name)
    if account is None:
        make_password("")
        return None
    proven = verify(account, password)
    same = account.name == name or not getattr(settings, "EXACT_NAMES", True)
    return proven if account.active and same else None


@sensitive_variables()
def verify(account: Account, password: str | None) -> Account | None:
    """The account if this is its password, hashed anew where the hash was weaker than today's; None if it is not."""
    if not isinstance(password, bytes) and not is_text(password):
        password = None  # no hasher takes it; None costs a run of the hasher too
    try:
        right, outdated = verify_password(password, account.password)
    except (ValueError, AssertionError, TypeError) as error:
        # The hash begins like one and is none: no hasher could take it apart, so none has run yet.
        log.error("the password hash of account %s is damaged: %s", account.id, type(error).__name__)
        make_password("")
        return None
    if not right:
        return None
    return strengthen(account, password) if outdated else account


@sensitive_variables()
def strengthen(account: Account, password: str) -> Account:
    """The account with its password hashed as it would be today. A racing change of password wins."""
    try:
        return store().rehash(account, make_password(password))
    except StoreError as error:
        log.warning("the password hash of account %s stays as it is: %s", account.id, error)
        return account
