"""What is noted of a request: an id that everybody can quote, and a line that gives nothing away."""

import io
import json
import logging

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from webapp import logs, request_ids, requests
from webapp.api import tokens
from webapp.users.models import User

pytestmark = pytest.mark.django_db
OWN = "trace-0123456789"


@pytest.fixture
def lines(settings):
    """What the log shows, as it would stand in the journal: a function that gives each line as an object."""
    stream = io.StringIO()
    (ours,) = (each for each in logging.getLogger().handlers if each.filters)
    formatter, before = ours.formatter, ours.setStream(stream)
    ours.setFormatter(logs.formatter(settings.ENVIRONMENT.secrets, stream))
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    ours.setFormatter(formatter)
    ours.setStream(before)


def requests_of(lines):
    return [line for line in lines() if line["logger"] == "webapp.requests"]


def test_a_request_is_one_line_with_its_account_but_no_query(browser, lines, new_name, password):
    user = User.objects.create_user(new_name(), "", password)
    browser.post("/sign-in/?next=/password/", {"username": user.username, "password": password})
    answer = browser.get("/password/?secret=query", headers={"X-Request-ID": OWN})
    signed_in, looked = requests_of(lines)
    assert signed_in["status"] == 302
    assert looked.pop("milliseconds") > 0
    assert looked.pop("time").endswith("Z")
    assert looked.pop("message").startswith("GET /password/ 200 in ")
    assert looked == {
        "level": "INFO",
        "logger": "webapp.requests",
        "request_id": OWN,
        "method": "GET",
        "path": "/password/",
        "view": "change-password",
        "status": 200,
        "account": user.account_id,
    }
    assert answer["X-Request-ID"] == OWN
    told = json.dumps(lines())
    for secret in (password, user.username, browser.session.session_key, browser.cookies["__Host-csrftoken"].value):
        assert secret not in told


def test_a_client_of_the_api_is_named_by_its_account_and_its_token_is_in_no_line(browser, lines, new_name, password):
    user = User.objects.create_user(new_name(), "", password)
    form = {"name": user.username, "password": password, "device": "a phone"}
    token = browser.post("/api/v1/tokens", form, content_type="application/json").json()["token"]
    request = browser.get("/api/v1/account", headers={"Authorization": f"Bearer {token}"}).wsgi_request
    assert requests_of(lines)[-1]["account"] == user.account_id
    requests.begin(request)
    logging.getLogger("webapp").warning("a careless line: %s", token)
    assert lines()[-1]["message"] == "a careless line: [hidden]"
    request_ids.end()
    assert token not in json.dumps(lines()) and password not in json.dumps(lines())


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "a" * 20 + "\n", 'with "quotes" in it', "<script>alert(1)"])
def test_an_id_that_could_do_harm_is_not_taken(browser, given):
    made = browser.get("/", headers={"X-Request-ID": given})["X-Request-ID"]
    assert made != given and request_ids.SANE.fullmatch(made)


@pytest.mark.parametrize("response", [HttpResponse("a body"), StreamingHttpResponse(iter(["a ", "body"]))])
def test_to_head_no_body_is_sent_that_a_server_would_have_to_drop(rf, response):
    response.headers["Content-Length"] = "6"
    answer = requests.RequestMiddleware(lambda request: response)(rf.head("/"))
    assert (b"".join(answer), answer["Content-Length"]) == (b"", "6")


def test_two_requests_have_two_ids(browser):
    assert browser.get("/")["X-Request-ID"] != browser.get("/")["X-Request-ID"]


def test_after_a_request_no_line_carries_its_id(browser, lines):
    browser.get("/")
    logging.getLogger("webapp").warning("something else")
    assert "request_id" not in lines()[-1]


@pytest.mark.parametrize("how", ["whole", "cut off", "by http", "behind it"])
def test_a_token_in_an_address_is_in_no_line(browser, client, lines, new_name, password, how):
    user = User.objects.create_user(new_name(), f"{new_name()}@example.org", password)
    token = PasswordResetTokenGenerator().make_token(user)
    token = token[:9] if how == "cut off" else token
    path = f"/password/new/{urlsafe_base64_encode(force_bytes(user.pk))}/{token}/"
    (client if how == "by http" else browser).get(path + ("more" if how == "behind it" else ""))
    (line,) = requests_of(lines)
    if how == "behind it":  # no address of ours: nothing in it opens anything
        assert line["status"] == 404
    else:
        assert line["path"].endswith("/[hidden]/")
        assert token not in json.dumps(lines())


def test_an_error_is_its_kind_and_one_text_and_the_page_names_the_request(browser, lines, monkeypatch, settings):
    def break_down(*_):
        raise RuntimeError(f"the password is {settings.ENVIRONMENT.mysql_password.get_secret_value()}")

    monkeypatch.setattr("webapp.health.views.render", break_down)
    browser.raise_request_exception = False
    page = browser.get("/", headers={"X-Request-ID": OWN})
    assert (page.status_code, page["X-Request-ID"]) == (500, OWN)
    assert f"<code>{OWN}</code>" in page.text
    (error,) = [line for line in lines() if "traceback" in line]
    assert (error["logger"], error["level"], error["error"]) == ("django.request", "ERROR", "RuntimeError")
    assert error["request_id"] == OWN
    assert error["traceback"].endswith("RuntimeError: the password is [hidden]")
    assert len([line for line in lines() if line["request_id"] == OWN]) == 2, "the error, and the request's line"


def test_the_page_that_says_try_again_names_the_request(browser, gate, new_name, password):
    user = User.objects.create_user(new_name(), "", password)
    browser.force_login(user, "webapp.users.backend.SimpleDBBackend")
    with gate.shut():
        page = browser.get("/")
    assert page.status_code == 503
    assert f"<code>{page['X-Request-ID']}</code>" in page.text


@pytest.mark.parametrize("path", ["/", "/account/email/", "/api/v1/account"])
def test_a_store_that_is_away_is_told_once_and_by_its_name(browser, gate, lines, new_name, password, path):
    user = User.objects.create_user(new_name(), "", password)
    browser.force_login(user, "webapp.users.backend.SimpleDBBackend")
    token = tokens.issue(user, "a phone")[0]
    before = len(lines())
    with gate.shut():
        page = browser.get(path, headers={"X-Request-ID": OWN, "Authorization": f"Bearer {token}"})
    assert page.status_code == 503
    outage, request = lines()[before:]
    assert (outage["logger"], outage["level"], outage["store"]) == ("webapp.outage", "ERROR", "simpledb")
    assert outage["message"].startswith("SimpleDB is out of reach: ")
    assert (request["logger"], request["status"]) == ("webapp.requests", 503)
    assert {outage["request_id"], request["request_id"]} == {OWN}


def test_a_page_that_is_not_there_is_told_once(browser, lines):
    browser.get("/no-such-page")
    (line,) = lines()
    assert (line["status"], line["view"], line["account"]) == (404, "none", None)


def test_what_asks_every_second_is_no_line_unless_it_fails(client, gate, lines):
    for path in ("/healthz", "/readyz", "/version", "/metrics"):
        client.get(path)
    assert lines() == []
    with gate.shut():
        client.get("/readyz")
    assert [line["logger"] for line in lines()] == [
        "webapp.health.middleware",
        "webapp.requests",
    ]


def test_at_a_terminal_a_line_is_for_people():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    record = logging.makeLogRecord({"name": "webapp", "levelno": 30, "levelname": "WARNING", "msg": "ring \x1b[31m"})
    request_ids.begin(OWN)
    line = logs.formatter((), Terminal()).format(record)
    request_ids.end()
    assert line[8:] == " WARNING webapp: ring \\x1b[31m  [trace-01]"


def test_a_host_that_is_not_ours_is_a_warning_that_fills_no_log(browser, lines):
    browser.get("/", headers={"host": "evil.example"})
    refused, request = lines()
    assert (refused["logger"], refused["level"]) == ("django.security.DisallowedHost", "WARNING")
    assert "evil.example" in refused["message"] and "traceback" not in refused
    assert request["status"] == 400


def test_a_line_stays_one_line_whatever_is_said():
    record = logging.makeLogRecord({"name": "webapp", "msg": 'one\ntwo "three"', "request": object(), "shard": 3})
    line = logs.JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == 'one\ntwo "three"'
    assert (json.loads(line)["shard"], "request" in json.loads(line)) == (3, False)
