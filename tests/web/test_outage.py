"""SimpleDB out of reach: every page says to try again, keeps what was typed, and believes nothing to be wrong."""

import re

import pytest
from django.contrib.auth.signals import user_login_failed

from tests.web.conftest import SECRET, Browser
from webapp.users import accounts
from webapp.users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def failures():
    """How often a sign-in was said to have failed."""
    seen = []
    receiver = lambda **told: seen.append(told)  # noqa: E731 - kept alive by its name
    user_login_failed.connect(receiver)
    yield seen
    user_login_failed.disconnect(receiver)


def sign_in(browser, name, password=SECRET, query=""):
    return browser.post(f"/sign-in/{query}", {"username": name, "password": password})


def values(page):
    """What stands in the fields of a page."""
    fields = re.findall(r"<input[^>]*>", page.text)
    return {
        re.search(r'name="([^"]*)"', field)[1]: (re.search(r'value="([^"]*)"', field) or ["", ""])[1]
        for field in fields
        if "csrf" not in field
    }


@pytest.mark.parametrize("how", ["refused", "no answer"])
def test_sign_in_says_try_again_and_keeps_the_name(browser, name, gate, failures, how):
    if how == "refused":
        with gate.shut():
            page = sign_in(browser, name, query="?next=/password/")
    else:
        gate.lose = 10
        page = sign_in(browser, name, query="?next=/password/")
        gate.lose = 0
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert "Please try again in a moment" in page.text
    assert "correct username" not in page.text
    assert values(page) == {"username": name, "password": "", "next": "/password/"}
    assert SECRET not in page.text
    assert "no-store" in page["Cache-Control"]
    assert failures == []
    assert sign_in(browser, name, query="?next=/password/").url == "/password/"


def test_a_wrong_password_is_no_more_wrong_than_a_right_one(browser, name, new_name, gate, failures):
    with gate.shut():
        pages = [sign_in(Browser(), *who) for who in [(name,), (name, "wrong"), (new_name(),)]]
    alike = {re.sub(r'value="[^"]*"', "", page.text) for page in pages}
    assert ({page.status_code for page in pages}, len(alike)) == ({503}, 1)
    assert failures == []


def test_nobody_is_locked_out_however_often_it_failed(browser, name, gate):
    with gate.shut():
        for _ in range(3):
            sign_in(browser, name)
    assert sign_in(browser, name).status_code == 302


def test_a_short_throttling_is_not_noticed(browser, name, gate):
    gate.busy = 2
    assert sign_in(browser, name).status_code == 302


def test_whoever_is_signed_in_stays_so_when_he_signs_in_again_during_an_outage(browser, name, gate):
    sign_in(browser, name)
    key = browser.session.session_key
    with gate.shut():
        page = sign_in(browser, name)
    assert page.status_code == 503
    assert "Please try again in a moment" in page.text
    assert "sessionid" not in str(page.cookies)
    assert browser.session.session_key == key
    assert name in browser.get("/").text


def test_a_failure_while_the_hash_is_strengthened_or_the_sign_in_noted_keeps_nobody_out(name, gate):
    user = User.objects.get(username=name)
    assert user.account
    with gate.shut():
        assert accounts.strengthen(user.account, SECRET) == user.account


def test_sign_up_keeps_name_and_address(browser, new_name, gate):
    name = new_name()
    form = {"username": name, "email": f"{name}@example.org", "password1": SECRET, "password2": SECRET}
    with gate.shut():
        page = browser.post("/sign-up/", form)
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert values(page) == {"username": name, "email": f"{name}@example.org", "password1": "", "password2": ""}
    assert accounts.find(name) is None
    assert browser.post("/sign-up/", form).status_code == 302


def test_a_new_password_during_an_outage_changes_nothing(browser, name, gate):
    sign_in(browser, name)
    new = "staple battery horse"
    form = {"old_password": SECRET, "new_password1": new, "new_password2": new}
    with gate.shut():
        page = browser.post("/password/", form)
    assert page.status_code == 503
    assert new not in page.text
    assert browser.post("/password/", form).status_code == 302


def test_an_outage_between_proof_and_writing_shows_the_form_again(browser, name, gate):
    sign_in(browser, name)
    new = "staple battery horse"
    gate.let(2)  # who he is, and that the old password is right
    try:
        page = browser.post("/password/", {"old_password": SECRET, "new_password1": new, "new_password2": new})
    finally:
        gate.let(None)
    assert page.status_code == 503
    assert "<h1>Change password</h1>" in page.text
    assert values(page) == {"old_password": "", "new_password1": "", "new_password2": ""}
    assert sign_in(Browser(), name).status_code == 302


def test_the_pages_that_need_no_account_are_there(browser, gate):
    with gate.shut():
        for path in ("/", "/sign-in/", "/sign-up/", "/password/forgotten/"):
            assert browser.get(path).status_code == 200, path
