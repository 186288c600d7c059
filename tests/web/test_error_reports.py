"""What an error report shows: never a password, and never a hash."""

import asyncio
import sys

import pytest
from django.contrib.auth import aauthenticate
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.signals import got_request_exception
from django.views.debug import ExceptionReporter

from tests.web.conftest import Browser
from webapp.users import accounts
from webapp.users.models import User

pytestmark = pytest.mark.django_db
SECRET = "-".join(["a", "secret", "not", "to", "be", "shown"])  # not in one piece: a report quotes lines of this file
HASH = "argon2" + "$"


class BrokenHasher(Argon2PasswordHasher):
    """A hasher with a bug in it."""

    def encode(self, password, salt):
        raise RuntimeError("a bug in the hasher")

    def verify(self, password, encoded):
        raise RuntimeError("a bug in the hasher")


@pytest.fixture
def user(new_name):
    """Somebody whose password is secret."""
    name = new_name()
    return User.objects.create_user(name, f"{name}@example.org", SECRET)


@pytest.fixture
def reports():
    """What the administrators would be sent of each error of a request, in HTML and in text."""
    seen = []

    def note(sender, request, **_):
        reporter = ExceptionReporter(request, *sys.exc_info())
        seen.append(reporter.get_traceback_html() + reporter.get_traceback_text())

    got_request_exception.connect(note)
    yield seen
    got_request_exception.disconnect(note)


def forms(user):
    twice = {"password1": SECRET, "password2": SECRET}
    return {
        "/sign-in/": {"username": user.username, "password": SECRET},
        "/sign-up/": {"username": f"new-{user.username}", **twice},
        "/password/": {"old_password": SECRET, "new_password1": SECRET, "new_password2": SECRET},
        "/admin/login/": {"username": user.username, "password": SECRET},
        "/admin/users/user/add/": {"username": f"added-{user.username}", "usable_password": "true", **twice},
    }


@pytest.mark.parametrize("path", ["/sign-in/", "/sign-up/", "/password/", "/admin/login/", "/admin/users/user/add/"])
def test_a_bug_in_the_hasher_is_reported_without_the_password(browser, user, reports, settings, path):
    user.is_staff = user.is_superuser = True
    user.save()
    if path not in ("/sign-in/", "/sign-up/", "/admin/login/"):
        browser.post("/sign-in/", {"username": user.username, "password": SECRET})
    settings.PASSWORD_HASHERS = ["tests.web.test_error_reports.BrokenHasher", *settings.PASSWORD_HASHERS[1:]]
    browser.raise_request_exception = False
    assert browser.post(path, forms(user)[path]).status_code == 500
    (report,) = reports
    assert "a bug in the hasher" in report
    assert SECRET not in report
    assert accounts.find(user.username).password not in report


def test_a_bug_below_the_store_is_reported_without_password_and_hash(browser, user, reports, monkeypatch):
    def break_down(**_):
        raise RuntimeError("a bug in the client")

    browser.post("/sign-in/", {"username": user.username, "password": SECRET})
    encoded = accounts.find(user.username).password
    client = accounts.store().calls.client
    for operation in ("put_attributes", "get_attributes"):
        monkeypatch.setattr(client, operation, break_down)
        for path in ("/sign-in/", "/sign-up/"):
            stranger = Browser()
            stranger.raise_request_exception = False
            stranger.post(path, forms(user)[path])
    assert len(reports) == 3, "a sign-in within the hour writes nothing"
    for report in reports:
        assert "a bug in the client" in report
        assert SECRET not in report
        assert encoded not in report
        assert HASH not in report


def test_the_frames_of_every_way_in_are_bare(user, rf, gate):
    def sign_in():
        accounts.prove(user.username, SECRET)

    def check():
        User.objects.get(pk=user.pk).check_password(SECRET)

    def check_async():
        asyncio.run(User.objects.get(pk=user.pk).acheck_password(SECRET))

    def create():
        User.objects.create_user(f"other-{user.username}", "", SECRET)

    def acreate():
        asyncio.run(User.objects.acreate_user(f"third-{user.username}", "", SECRET))

    def prove_async():
        asyncio.run(aauthenticate(None, username=user.username, password=SECRET))

    def change():
        user.set_password(SECRET)
        user.save()

    assert user.account
    for act in (sign_in, prove_async, check, check_async, create, acreate, change):
        with gate.shut():
            try:
                act()
            except accounts.StoreError:
                reporter = ExceptionReporter(rf.get("/"), *sys.exc_info())
        report = reporter.get_traceback_html()
        assert "webapp/users" in report, act.__name__
        assert SECRET not in report, act.__name__
        assert HASH not in report, act.__name__
