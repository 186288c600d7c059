"""Another e-mail address for an account, on the page and through the API."""

import pytest

from tests.web.conftest import Browser
from tests.web.test_api import signed_in
from webapp.users import accounts
from webapp.users.models import User

pytestmark = pytest.mark.django_db
SECRET = "correct horse battery"


@pytest.fixture
def address(new_name):
    """Gives addresses that nobody has."""
    return lambda: f"{new_name('zoe')}@example.org"


@pytest.fixture
def user(new_name, address):
    return User.objects.create_user(new_name("Zoë"), address(), SECRET)


@pytest.fixture
def owner(user):
    """A browser signed in as that user."""
    browser = Browser()
    browser.post("/sign-in/", {"username": user.username, "password": SECRET})
    return browser


def change(owner, email, password=SECRET):
    return owner.post("/account/email/", {"email": email, "password": password})


def test_the_page_shows_the_address_and_asks_for_the_password(owner, user, address):
    assert user.email in owner.get("/account/email/").text
    new = address()
    page = change(owner, new, "wrong")
    assert page.context["form"].errors == {"password": ["That is not your password."]}
    assert new in page.text and accounts.find(user.username).email == user.email
    assert change(owner, new).url == "/"
    assert accounts.find(user.username).email == new
    assert "Your e-mail address is changed." in owner.get("/").text


@pytest.mark.parametrize("way", ["page", "API"])
def test_the_old_address_is_told_and_the_new_one_is_not(owner, user, address, mailoutbox, way):
    old, new = user.email, address()
    if way == "page":
        change(owner, new)
    else:
        signed_in(user.username)("patch", "/account", {"email": new, "password": SECRET})
    (mail,) = mailoutbox
    assert mail.to == [old]
    assert "another e-mail address" in mail.body and "https://testserver/password/" in mail.body
    assert new not in mail.body


def test_nobody_is_told_when_there_was_none_or_it_is_the_same(owner, user, address, mailoutbox):
    change(owner, user.email.upper())
    assert mailoutbox == []
    change(owner, "")
    assert "no e-mail address any more" in mailoutbox.pop().body
    change(owner, address())
    assert mailoutbox == []


def test_what_is_wrong_is_said_beside_the_field(owner, new_name, address):
    taken = User.objects.create_user(new_name(), address(), SECRET).email
    for wrong, said in [
        (taken, "Another account has this e-mail address."),
        ("nobody", "Enter a valid email address."),
    ]:
        page = change(owner, wrong)
        assert page.context["form"].errors == {"email": [said]}
        assert page.status_code == 200 and wrong in page.text


def test_a_store_that_is_away_changes_nothing_and_keeps_what_was_typed(owner, user, address, gate, mailoutbox):
    new = address()
    gate.let(2)  # who he is, and that the password is right
    try:
        page = change(owner, new)
    finally:
        gate.let(None)
    assert page.status_code == 503
    assert new in page.text and SECRET not in page.text
    assert accounts.find(user.username).email == user.email
    assert mailoutbox == []


def test_only_who_is_signed_in_may(browser):
    assert browser.get("/account/email/").url == "/sign-in/?next=/account/email/"
