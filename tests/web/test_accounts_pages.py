"""Signing up, in and out, and a new password, as a browser sees it."""

import pytest
from tests.web.conftest import Browser

from webapp.users import accounts
from webapp.users.models import User

pytestmark = pytest.mark.django_db


def sign_up(browser, name, password, **more):
    form = {"username": name, "email": "", "password1": password, "password2": password, **more}
    return browser.post("/sign-up/", form)


def sign_in(browser, name, password):
    return browser.post("/sign-in/", {"username": name, "password": password})


def signed_in_as(browser):
    user = browser.get("/").context["user"]
    return user.username if user.is_authenticated else None


def test_whoever_signs_up_is_signed_in_and_has_an_account_and_a_row(browser, new_name, password):
    name = new_name("Zoë")
    answer = sign_up(browser, name, password, email="zoe@example.org")
    assert (answer.status_code, answer.url) == (302, "/")
    assert signed_in_as(browser) == name
    account = accounts.find(name)
    assert (account.name, account.email, account.active) == (name, "zoe@example.org", True)
    assert account.password.startswith("argon2$")
    assert User.objects.get(username=name).account_id == account.id
