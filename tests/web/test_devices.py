"""A browser by which an account's owner has signed in before is not held up by others who try his name."""

import time

import pytest
from django.test.utils import freeze_time

from tests.web.conftest import Browser
from webapp.limits.devices import MOST, cookie
from webapp.limits.rules import digest, folded
from webapp.sessions.connection import connection
from webapp.users.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("still")]
SECRET = "correct horse battery"
AWAY, FAR = "203.0.113.9", "203.0.113.10"


@pytest.fixture
def name(new_name):
    return User.objects.create_user(new_name("Zo\u00eb"), f"{new_name('zoe')}@example.org", SECRET).username


def sign_in(browser, name, password=SECRET, address=AWAY):
    return browser.post("/sign-in/", {"username": name, "password": password}, REMOTE_ADDR=address).status_code


def cookie_of(name):
    return cookie(digest(folded(name)))


def attack(name):
    """From so many places that whoever is not known has to wait."""
    for number in range(25):
        sign_in(Browser(), name, "wrong", address=f"192.0.2.{number}")


def known_to(browser, name):
    """That browser after its owner has signed in and out, with Redis as if that were long ago."""
    assert sign_in(browser, name, address="198.51.100.7") == 302
    browser.post("/sign-out/")
    connection().flushdb()
    return browser


def test_the_owner_comes_in_from_a_new_address_while_others_try_his_name(browser, name):
    known_to(browser, name)
    attack(name)
    assert sign_in(Browser(), name) == 429
    assert sign_in(browser, name, name.upper()) == 200
    assert sign_in(browser, name.replace("\u00eb", "e\u0308")) == 302


def test_a_browser_has_no_more_tries_than_an_address_has_wherever_it_is(browser, name):
    known_to(browser, name)
    answers = [sign_in(browser, name, "wrong", address=f"192.0.2.{number}") for number in range(6)]
    assert answers == [200] * 5 + [429]


def test_the_cookie_is_signed_for_one_name_and_no_script_reads_it(browser, name, new_name):
    known_to(browser, name)
    kept = browser.cookies[cookie_of(name)]
    assert kept.key.startswith("__Host-known-") and kept["secure"] and kept["httponly"] and kept["path"] == "/"
    assert kept["samesite"] == "Lax" and not kept["domain"]
    other = User.objects.create_user(new_name(), "", SECRET).username
    attack(other)
    for value in (kept.value, "0" * 32, "\u00ff", ""):
        forger = Browser()
        forger.cookies[cookie_of(other)] = value
        assert sign_in(forger, other) == 429
    assert name not in kept.OutputString()


def test_a_browser_is_known_for_each_of_its_names(browser, name, new_name):
    other = User.objects.create_user(new_name(), "", SECRET).username
    for each in (name, other):
        known_to(browser, each)
    for each in (name, other):
        attack(each)
        assert sign_in(browser, each, address=FAR) == 302
        browser.post("/sign-out/")


def test_a_browser_that_many_share_forgets_whoever_was_there_longest_ago(browser, new_name):
    """All cookies come with each request: a hundred would be more than nginx takes."""
    names = [User.objects.create_user(new_name(), "", SECRET).username for _ in range(MOST + 1)]
    began = time.time() - 1000
    for number, name in enumerate([*names[:MOST], names[0], names[MOST]]):
        with freeze_time(began + number):
            assert sign_in(browser, name, address=f"192.0.2.{number}") == 302
    kept = [name for name in names if browser.cookies[cookie_of(name)].value]
    assert kept == [name for name in names if name != names[1]]


def test_signing_up_makes_a_browser_known_too_and_a_wrong_password_none(browser, new_name):
    name = new_name()
    browser.post("/sign-up/", {"username": name, "email": "", "password1": SECRET, "password2": SECRET})
    assert cookie_of(name) in browser.cookies
    stranger = Browser()
    assert sign_in(stranger, name, "wrong") == 200
    assert cookie_of(name) not in stranger.cookies
