"""An application told of more shards than there are: it asks for patience, and never says that somebody is unknown."""

import pytest
from django.contrib.auth.hashers import make_password

from webapp.users import accounts
from webapp.users.shards import shard
from webapp.users.store import AccountStore, connect

pytestmark = pytest.mark.django_db


@pytest.fixture
def named(new_name):
    """named(True) is a new name whose domain is there by 32 shards as by 16; named(False) one whose domain is not."""
    return lambda there: next(name for name in iter(new_name, None) if (shard(name, 32) < 16) == there)


@pytest.fixture
def by_32(servers, monkeypatch):
    """The application with USER_SHARDS=32, where 16 domains are and no shard map."""
    store = AccountStore(connect("us-west-2"), "test-users", 32)
    monkeypatch.setattr(accounts, "store", lambda: store)


@pytest.mark.parametrize(("there", "status"), [(True, 302), (False, 503)])
def test_whoever_lies_elsewhere_is_asked_for_patience_and_all_others_sign_in(
    browser, named, password, by_32, there, status
):
    account = AccountStore(connect("us-west-2"), "test-users").create(named(there), make_password(password))
    answer = browser.post("/sign-in/", {"username": account.name, "password": password})
    assert answer.status_code == status
    assert "correct username" not in answer.content.decode()


def test_nobody_can_take_a_name_whose_domain_is_missing(browser, named, password, by_32):
    form = {"username": named(False), "email": "", "password1": password, "password2": password}
    assert browser.post("/sign-up/", form).status_code == 503
