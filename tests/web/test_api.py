"""The JSON API, as a client that is no browser sees it."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.hashers import make_password
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.web.conftest import SECRET, Browser
from webapp.api import tokens
from webapp.api.models import ApiToken
from webapp.sessions.connection import connection
from webapp.users import accounts
from webapp.users.models import User

pytestmark = pytest.mark.django_db
NEW = "staple battery horse"


class App:
    """A client with at most a token; each answer is kept from having a cookie."""

    def __init__(self, token="", **more):
        self.browser, self.token, self.more = Browser(**more), token, more

    def __call__(self, method, path, body=None, **more):
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        answer = getattr(self.browser, method)(f"/api/v1{path}", headers=headers, **sent, **more)
        assert not answer.cookies
        assert answer["Cache-Control"] == "no-store"
        if answer.status_code >= 400:
            assert answer["Content-Type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code
        return answer


def kind(answer):
    """Which problem an answer is, by its name."""
    return answer.json()["type"].removeprefix("/api/#")


def mistakes(answer):
    return {each["pointer"]: each["detail"] for each in answer.json()["errors"]}


def signed_in(name, password=SECRET, **more):
    answer = App()("post", "/tokens", {"name": name, "password": password, "device": "a phone", **more})
    assert answer.status_code == 201, answer.content
    return App(answer.json()["token"])


@pytest.fixture
def app(name):
    """Signed in as that user."""
    return signed_in(name)


def test_whoever_signs_up_can_sign_in_at_once(new_name):
    name, email = new_name("Zoë"), f"{new_name('zoe')}@example.org"
    made = App()("post", "/accounts", {"name": name, "password": SECRET, "email": email})
    assert made.status_code == 201
    assert (made.json()["name"], made.json()["email"], made.json()["last_sign_in"]) == (name, email, None)
    told = signed_in(name)("get", "/account").json()
    assert (told["name"], told["email"]) == (name, email)
    assert datetime.fromisoformat(told["last_sign_in"]) > datetime.now(UTC) - timedelta(minutes=1)


def test_all_that_is_wrong_with_a_sign_up_is_said_at_once_by_field(name):
    answer = App()("post", "/accounts", {"name": name.upper(), "password": "short", "email": "nobody"})
    assert (answer.status_code, kind(answer)) == (422, "invalid")
    assert mistakes(answer).keys() == {"#/name", "#/password", "#/email"}
    assert mistakes(answer)["#/name"] == "This name is taken."
    assert "short" not in answer.text.replace("too short", "")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "x", "password": SECRET}, "#/device"),
        ({"name": "x", "password": SECRET, "device": " "}, "#/device"),
        ({"name": "x", "password": SECRET, "device": "a\nb"}, "#/device"),
        ({"name": "x", "password": SECRET, "device": "x" * 101}, "#/device"),
        ({"name": 1, "password": SECRET, "device": "x"}, "#/name"),
        ({"name": "x", "password": None, "device": "x"}, "#/password"),
        ({"name": "x", "password": SECRET * 999, "device": "x"}, "#/password"),
        ({"name": "x", "password": SECRET, "device": "x", "days": 0}, "#/days"),
        ({"name": "x", "password": SECRET, "device": "x", "days": 367}, "#/days"),
        ({"name": "x", "password": SECRET, "device": "x", "colour": "red"}, "#/colour"),
        ([], "#"),
    ],
)
def test_what_is_wrong_with_a_body_is_said_by_pointer_and_never_with_the_password(body, pointer, hasher):
    answer = App()("post", "/tokens", body)
    assert (answer.status_code, list(mistakes(answer))) == (422, [pointer])
    assert SECRET not in answer.text
    assert hasher.runs == []


def test_what_is_no_json_is_said_so():
    answer = App()("post", "/tokens", None, data="{", content_type="application/json")
    assert (answer.status_code, kind(answer)) == (400, "malformed")


@pytest.mark.parametrize("text", ["\ud800", "\x00", "x" * 1000, " zoe", ""])
def test_a_name_that_can_be_nobodys_is_a_wrong_one_or_invalid(text):
    answer = App()("post", "/tokens", {"name": text, "password": SECRET, "device": "x"})
    assert kind(answer) in ("wrong-credentials", "invalid")


def test_every_refusal_to_sign_in_is_the_same(name, new_name):
    locked = accounts.store().create(new_name(), make_password(SECRET), active=False)
    tries = [(name, "wrong"), (new_name(), SECRET), (locked.name, SECRET), (name.upper(), SECRET)]
    answers = [App()("post", "/tokens", {"name": who, "password": what, "device": "x"}) for who, what in tries]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert kind(answers[0]) == "wrong-credentials"


@pytest.mark.usefixtures("still")
def test_tries_are_counted_together_with_those_on_the_page(name, hasher):
    for _ in range(5):
        Browser().post("/sign-in/", {"username": name, "password": "wrong"})
    hasher.runs.clear()
    answer = App()("post", "/tokens", {"name": name, "password": SECRET, "device": "x"})
    assert (answer.status_code, kind(answer), answer["Retry-After"]) == (429, "too-many-attempts", "1")
    assert answer.json()["detail"] == "Too many attempts. Please try again in 1 second."
    assert hasher.runs == []


def test_a_token_is_kept_as_a_digest_alone(app):
    assert re.fullmatch(r"hydra_[\w-]{43}", app.token)
    row = ApiToken.objects.values().get(digest=tokens.digest(app.token))
    assert app.token not in str(row)


def test_a_token_counts_in_its_header_alone(app):
    assert app("get", "/account").status_code == 200
    for path, headers in [
        ("/account", {}),
        (f"/account?token={app.token}&access_token={app.token}", {}),
        ("/account", {"Cookie": f"token={app.token}"}),
        ("/account", {"Authorization": f"Basic {app.token}"}),
        ("/account", {"Authorization": app.token}),
        ("/account", {"Authorization": f"Bearer {app.token}x"}),
        ("/account", {"Authorization": "Bearer " + "hydra_" + "x" * 43}),
        ("/account", {"Authorization": "Bearer ü"}),
    ]:
        answer = Browser().get(f"/api/v1{path}", headers=headers)
        assert (answer.status_code, kind(answer)) == (401, "no-token"), headers
        assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_session_opens_nothing(name):
    browser = Browser()
    browser.post("/sign-in/", {"username": name, "password": SECRET})
    assert browser.get("/api/v1/account").status_code == 401


def test_a_request_with_a_token_asks_each_store_once_and_redis_not_at_all(app, gate, django_assert_num_queries):
    app("get", "/account")
    before = connection().info("stats")["total_commands_processed"]
    with gate.counting() as asked, django_assert_num_queries(1):
        app("get", "/account")
    assert asked == ["GetAttributes"]
    assert connection().info("stats")["total_commands_processed"] == before + 1


def test_tokens_are_listed_with_what_their_owner_knows_them_by(app, name):
    other = signed_in(name, device="Zoë's tablet", days=7)
    listed = other("get", "/tokens").json()
    assert [(each["device"], each["current"]) for each in listed] == [("Zoë's tablet", True), ("a phone", False)]
    days = datetime.fromisoformat(listed[0]["expires"]) - datetime.fromisoformat(listed[0]["created"])
    assert days == timedelta(days=7)
    assert app.token not in json.dumps(listed)


def test_a_use_is_written_down_once_in_five_minutes(app, django_assert_num_queries):
    token = ApiToken.objects.get()
    now = datetime.now(UTC)
    with django_assert_num_queries(2):
        assert tokens.find(app.token, now).last_used == now
    with django_assert_num_queries(1):
        assert tokens.find(app.token, now + timedelta(minutes=4)).last_used == now
    later = now + timedelta(minutes=6)
    assert tokens.find(app.token, later).last_used == later
    token.refresh_from_db()
    assert token.last_used == later


def test_one_token_is_revoked_and_the_others_count_on(app, name):
    other = signed_in(name)
    id = next(each["id"] for each in app("get", "/tokens").json() if not each["current"])
    assert app("delete", f"/tokens/{id}").status_code == 204
    assert other("get", "/account").status_code == 401
    assert app("get", "/account").status_code == 200
    assert kind(app("delete", f"/tokens/{id}")) == "not-found"
    assert kind(app("delete", "/tokens/what")) == "not-found"


def test_nobody_revokes_the_tokens_of_others(app, new_name):
    stranger = signed_in(User.objects.create_user(new_name(), "", SECRET).username)
    id = app("get", "/tokens").json()[0]["id"]
    assert kind(stranger("delete", f"/tokens/{id}")) == "not-found"
    assert stranger("delete", "/tokens").status_code == 204
    assert app("get", "/account").status_code == 200


@pytest.mark.parametrize(("path", "left"), [("/tokens/current", 200), ("/tokens", 401)])
def test_signing_out_here_and_everywhere(app, name, path, left):
    other = signed_in(name)
    assert app("delete", path).status_code == 204
    assert app("get", "/account").status_code == 401
    assert other("get", "/account").status_code == left


@pytest.mark.parametrize(
    "end", ["expired", "locked", "deleted", "locked out here", "password changed elsewhere", "row deleted"]
)
def test_a_token_ends_at_once_with_what_it_stands_on(app, name, end):
    account = accounts.find(name)
    match end:
        case "expired":
            ApiToken.objects.update(expires=datetime.now(UTC))
        case "locked":
            accounts.store().change(account, active=False)
        case "deleted":
            accounts.store().delete(account)
        case "locked out here":
            User.objects.filter(username=name).update(is_active=False)
        case "password changed elsewhere":
            accounts.store().change_password(account, make_password("another"))
        case "row deleted":
            User.objects.get(username=name).delete()
    assert kind(app("get", "/account")) == "no-token"


def test_a_stronger_hash_of_the_same_password_ends_no_token(app, name):
    accounts.store().rehash(accounts.find(name), make_password(SECRET, hasher="pbkdf2_sha256"))
    assert app("get", "/account").status_code == 200


def test_a_new_password_ends_sessions_and_all_other_tokens(app, name):
    other, browser = signed_in(name), Browser()
    browser.post("/sign-in/", {"username": name, "password": SECRET})
    assert app("put", "/account/password", {"password": SECRET, "new_password": NEW}).status_code == 204
    assert app("get", "/account").status_code == 200
    assert other("get", "/account").status_code == 401
    assert not browser.get("/").context["user"].is_authenticated
    assert [each["current"] for each in app("get", "/tokens").json()] == [True]
    assert kind(App()("post", "/tokens", {"name": name, "password": SECRET, "device": "x"})) == "wrong-credentials"
    signed_in(name, NEW)


def test_a_new_password_must_be_a_good_one_and_the_old_one_known(app):
    weak = app("put", "/account/password", {"password": SECRET, "new_password": "password12"})
    assert list(mistakes(weak)) == ["#/new_password"]
    wrong = app("put", "/account/password", {"password": "wrong", "new_password": NEW})
    assert (wrong.status_code, kind(wrong)) == (403, "wrong-password")
    assert NEW not in wrong.text


def test_another_address_asks_for_the_password_and_must_be_free(app, name, new_name):
    taken, free = (f"{new_name('zoe')}@example.org" for _ in range(2))
    User.objects.create_user(new_name(), taken, SECRET)
    change = lambda email, password=SECRET: app("patch", "/account", {"email": email, "password": password})  # noqa: E731
    assert kind(change(free, "wrong")) == "wrong-password"
    assert mistakes(change(taken)) == {"#/email": "Another account has this e-mail address."}
    assert mistakes(change("nobody")) == {"#/email": "Enter a valid email address."}
    assert (change(free).status_code, accounts.find(name).email) == (202, "")
    assert change("").json()["email"] == accounts.find(name).email == ""


@pytest.mark.usefixtures("still")
def test_the_password_cannot_be_guessed_with_a_stolen_token(app, hasher):
    for _ in range(5):
        assert app("post", "/account/deletion", {"password": "wrong"}).status_code == 403
    hasher.runs.clear()
    answer = app("patch", "/account", {"email": "", "password": SECRET})
    assert (answer.status_code, kind(answer)) == (429, "too-many-attempts")
    assert hasher.runs == []


def test_deleting_the_account_takes_all_that_is_its_own(app, name):
    browser = Browser()
    browser.post("/sign-in/", {"username": name, "password": SECRET})
    assert kind(app("post", "/account/deletion", {"password": "wrong"})) == "wrong-password"
    assert app("post", "/account/deletion", {"password": SECRET}).status_code == 204
    assert accounts.find(name) is None
    assert not User.objects.filter(username=name).exists() and not ApiToken.objects.exists()
    assert app("get", "/account").status_code == 401
    assert not browser.get("/").context["user"].is_authenticated
    assert App()("post", "/accounts", {"name": name, "password": SECRET}).status_code == 201


def test_an_account_has_a_hundred_tokens_at_most_and_those_that_ended_do_not_count(app, name, monkeypatch):
    monkeypatch.setattr(tokens, "MOST", 3)
    signed_in(name)
    signed_in(name)
    body = {"name": name, "password": SECRET, "device": "x"}
    answer = App()("post", "/tokens", body)
    assert (answer.status_code, kind(answer)) == (409, "too-many-tokens")
    ApiToken.objects.filter(digest=tokens.digest(app.token)).update(expires=datetime.now(UTC))
    assert App()("post", "/tokens", body).status_code == 201
    assert ApiToken.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_parallel_sign_ins_find_no_room_for_more_than_there_is(name, monkeypatch):
    monkeypatch.setattr(tokens, "MOST", 3)
    user = User.objects.get(username=name)
    assert user.account

    def issue(number):
        from django.db import connection as mysql

        try:
            return tokens.issue(user, f"device {number}")
        except tokens.TooManyTokens:
            return None
        finally:
            mysql.close()

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(issue, range(8)))
    assert sum(each is not None for each in made) == 3


def test_an_account_changed_meanwhile_is_a_conflict(app, name, monkeypatch):
    other = accounts.store()
    real = other.change

    def raced(account, **changes):
        monkeypatch.setattr(other, "change", real)
        real(accounts.find(name), last_login="")
        return real(account, **changes)

    monkeypatch.setattr(other, "change", raced)
    answer = app("put", "/account/password", {"password": SECRET, "new_password": NEW})
    assert (answer.status_code, kind(answer)) == (409, "changed")


def test_without_simpledb_every_answer_is_try_again_and_no_token_is_lost(app, name, gate):
    with gate.shut():
        answers = [
            app("get", "/account"),
            App()("post", "/tokens", {"name": name, "password": SECRET, "device": "x"}),
            App()("post", "/accounts", {"name": "somebody-else", "password": SECRET}),
        ]
    for answer in answers:
        assert (answer.status_code, kind(answer), answer["Retry-After"]) == (503, "store-away", "5")
    assert app("get", "/account").status_code == 200


def test_without_redis_tokens_count_on_and_no_password_is_tried(app, name, monkeypatch, hasher):
    monkeypatch.setattr("webapp.limits.rules.connection", lambda: Redis(port=1, retry=Retry(NoBackoff(), 0)))
    assert app("get", "/account").status_code == 200
    assert app("get", "/tokens").status_code == 200
    hasher.runs.clear()
    for method, path, body in [
        ("post", "/tokens", {"name": name, "password": SECRET, "device": "x"}),
        ("post", "/accounts", {"name": "somebody-else", "password": SECRET}),
        ("put", "/account/password", {"password": SECRET, "new_password": NEW}),
        ("post", "/account/deletion", {"password": SECRET}),
    ]:
        answer = app(method, path, body)
        assert (answer.status_code, kind(answer), answer["Retry-After"]) == (503, "store-away", "5")
    assert hasher.runs == []
    assert app("delete", "/tokens/current").status_code == 204


def test_whatever_else_goes_wrong_has_the_same_shape(app, monkeypatch):
    assert kind(app("get", "/nothing/here")) == "not-found"
    assert kind(app("get", "/")) == "not-found"
    wrong = app("put", "/tokens", {})
    assert (wrong.status_code, kind(wrong)) == (405, "method-not-allowed")
    assert {word.strip() for word in wrong["Allow"].split(",")} == {"POST", "GET", "DELETE"}
    strange = app("get", "/account", HTTP_HOST="evil.example")
    assert (strange.status_code, kind(strange)) == (400, "malformed")

    def bug(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(tokens, "living", bug)
    app.browser.raise_request_exception = False
    assert kind(app("get", "/tokens")) == "error"
