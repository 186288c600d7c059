"""The first page of whoever is signed in: what each store holds of him, and what it says of one that is away."""

import pytest

from webapp.sessions.store import redis_key
from webapp.users import accounts
from webapp.users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def name(browser, new_name, password):
    """The name of who is signed in."""
    name = new_name("Zoë")
    browser.post("/sign-up/", {"username": name, "email": "", "password1": password, "password2": password})
    return name


def test_each_store_says_where_it_keeps_him_and_how_long_it_took_to_tell(browser, name):
    page = browser.get("/")
    stores = {store["name"]: store for store in page.context["stores"]}
    facts = {name: dict(store["facts"]) for name, store in stores.items()}
    assert list(stores) == ["Redis", "MySQL", "SimpleDB"], "in the order in which they are asked who this is"
    assert facts["Redis"]["Session"] == redis_key(browser.session.session_key)[:24] + "…"
    assert facts["MySQL"]["Your row"] == f"users_user {User.objects.get(username=name).pk}"
    assert facts["SimpleDB"]["Domain"] == accounts.find(name).home
    assert all(not store["away"] and store["milliseconds"] > 0 for store in stores.values())
    assert page.text.count("answered in") == 3


def test_a_store_that_goes_away_meanwhile_is_said_kindly_and_the_others_still_tell(browser, name, gate):
    gate.let(1)  # who he is
    try:
        page = browser.get("/")
    finally:
        gate.let(None)
    assert page.status_code == 200
    assert {store["name"]: store["away"] for store in page.context["stores"]} == {
        "Redis": False,
        "MySQL": False,
        "SimpleDB": True,
    }
    assert "SimpleDB does not answer just now" in page.text
    assert f"users_user {User.objects.get(username=name).pk}" in page.text
