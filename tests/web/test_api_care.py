"""The API where nobody looks: error reports, the administration of tokens, the log."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from tests.web.conftest import Browser
from tests.web.test_api import App, signed_in
from tests.web.test_error_reports import reports  # noqa: F401 - a fixture
from webapp.api import tokens
from webapp.api.models import ApiToken
from webapp.users import accounts
from webapp.users.models import User

pytestmark = pytest.mark.django_db
SECRET = "-".join(["a", "secret", "not", "to", "be", "shown"])  # not in one piece: a report quotes lines of this file


@pytest.fixture
def name(new_name):
    return User.objects.create_user(new_name("Zoë"), "", SECRET).username


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("post", "/tokens", {"device": "x"}),
        ("post", "/accounts", {}),
        ("put", "/account/password", {"new_password": SECRET}),
        ("patch", "/account", {"email": ""}),
        ("post", "/account/deletion", {}),
    ],
)
def test_a_bug_is_reported_without_password_and_token(name, reports, settings, method, path, more):  # noqa: F811
    app = signed_in(name, SECRET)
    body = {"password": SECRET, **more}
    if path in ("/tokens", "/accounts"):
        body["name"] = name if path == "/tokens" else f"new-{name}"
    settings.PASSWORD_HASHERS = ["tests.web.test_error_reports.BrokenHasher", *settings.PASSWORD_HASHERS[1:]]
    app.browser.raise_request_exception = False
    answer = app(method, path, body)
    assert answer.status_code == 500
    (report,) = reports
    assert "a bug in the hasher" in report
    for secret in (SECRET, app.token, accounts.find(name).password):
        assert secret not in report


def test_a_bug_while_a_token_is_looked_for_is_reported_without_it(name, reports, monkeypatch):  # noqa: F811
    app = signed_in(name, SECRET)

    def bug(_):
        raise RuntimeError("a bug in the digest")

    monkeypatch.setattr(tokens, "digest", bug)
    app.browser.raise_request_exception = False
    assert app("get", "/account").status_code == 500
    (report,) = reports
    assert "a bug in the digest" in report
    assert app.token not in report


def test_the_log_holds_neither_password_nor_token(name, caplog):
    with caplog.at_level(logging.DEBUG):
        app = signed_in(name, SECRET)
        app("get", "/account")
        app("put", "/account/password", {"password": "wrong " + SECRET, "new_password": SECRET})
        App()("post", "/tokens", {"name": name, "password": SECRET, "device": "x", "days": "many"})
    logged = "\n".join(record.getMessage() for record in caplog.records if record.name != "botocore")
    assert app.token not in logged
    assert SECRET not in logged


def test_staff_find_and_revoke_tokens_and_cannot_make_or_see_one(name, new_name):
    app = signed_in(name, SECRET)
    token = ApiToken.objects.get(digest=tokens.digest(app.token))
    staff, browser = User.objects.create_superuser(new_name("staff"), "", SECRET), Browser()
    browser.post("/sign-in/", {"username": staff.username, "password": SECRET})
    page = browser.get("/admin/api/apitoken/", {"q": name})
    assert "a phone" in page.text and name in page.text
    shown = browser.get(f"/admin/api/apitoken/{token.pk}/change/")
    assert shown.status_code == 200
    assert token.digest not in shown.text and token.stamp not in shown.text
    assert browser.get("/admin/api/apitoken/add/").status_code == 403
    browser.post(f"/admin/api/apitoken/{token.pk}/delete/", {"post": "yes"})
    assert app("get", "/account").status_code == 401


def test_staff_lock_out_a_user_and_his_tokens_end(name, new_name):
    app = signed_in(name, SECRET)
    staff, browser = User.objects.create_superuser(new_name("staff"), "", SECRET), Browser()
    browser.post("/sign-in/", {"username": staff.username, "password": SECRET})
    pk = User.objects.get(username=name).pk
    browser.post("/admin/users/user/", {"action": "lock", "_selected_action": [pk]})
    assert not accounts.find(name).active
    assert app("get", "/account").status_code == 401
    browser.post("/admin/users/user/", {"action": "unlock", "_selected_action": [pk]})
    assert app("get", "/account").status_code == 200


def test_an_answer_is_json_whatever_the_client_would_accept(name):
    app = signed_in(name, SECRET)
    answer = app("get", "/account", HTTP_ACCEPT="text/html")
    assert json.loads(answer.content)["name"] == name


def test_a_form_of_another_site_does_nothing(name):
    app = signed_in(name, SECRET)
    forged = Browser(enforce_csrf_checks=True)
    answer = forged.post("/api/v1/account/deletion", {"password": SECRET}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 401
    with_token = Browser(enforce_csrf_checks=True)
    headers = {"Authorization": f"Bearer {app.token}"}
    assert with_token.delete("/api/v1/tokens/current", headers=headers).status_code == 204


def test_whoever_gets_a_token_removes_some_that_have_expired_whoever_had_them(name, new_name, monkeypatch):
    monkeypatch.setattr(tokens, "SWEPT", 2)
    other, now = User.objects.create_user(new_name(), "", SECRET), datetime.now(UTC)
    for days in (1, 2, 3, 4):
        tokens.issue(other, f"{days} days", days, now)
    signed_in(name, SECRET)
    assert ApiToken.objects.filter(user=other).count() == 4
    for left in (2, 0, 0):
        tokens.issue(User.objects.get(username=name), "x", now=now + timedelta(days=5))
        assert ApiToken.objects.filter(user=other).count() == left
