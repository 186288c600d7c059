"""Short links in the JSON API: the rules of the pages, and nobody else's links."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as mysql
from django.test.utils import CaptureQueriesContext

from tests.web.conftest import Browser
from tests.web.linked import TARGET, end_the_minute
from tests.web.test_api import SECRET, App, kind, mistakes, signed_in
from webapp.links.making import MAKING
from webapp.links.models import Day, Link, Total
from webapp.links.rollup import roll_up
from webapp.users.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_links")]


@pytest.fixture
def app(name):
    """Signed in as that user."""
    return signed_in(name)


@pytest.fixture
def slug(app):
    """A link of that user's."""
    return app("post", "/links", {"target": TARGET}).json()["slug"]


def follow(slug, times=1, **headers):
    for _ in range(times):
        assert Browser().get(f"/l/{slug}", headers=headers)["Location"] == TARGET


def test_a_link_that_is_made_leads_and_is_shown_with_what_was_counted(app):
    made = app("post", "/links", {"target": f" {TARGET} "})
    link = made.json()
    assert (made.status_code, made["Location"]) == (201, f"/api/v1/links/{link['slug']}")
    assert link["short"] == f"https://testserver/l/{link['slug']}"
    assert (link["target"], link["ends"], link["disabled"], link["state"]) == (TARGET, None, False, "on")
    follow(link["slug"], 2, Referer="https://www.google.com/")
    follow(link["slug"], 1)
    end_the_minute()
    roll_up()
    shown = app("get", f"/links/{link['slug']}").json()
    assert shown == link | {"clicks": 3, "visitors": 1}
    assert datetime.fromisoformat(shown["created"]) > datetime.now(UTC) - timedelta(minutes=1)


def test_statistics_are_of_this_moment(app, slug):
    follow(slug, 2, Referer="https://www.google.com/")
    follow(slug, 1)
    Browser(headers={"User-Agent": "Googlebot/2.1"}).get(f"/l/{slug}")
    told = app("get", f"/links/{slug}/statistics").json()
    assert (told["live"], told["clicks"], told["automatic"]) == (True, 3, 1)
    assert (told["visitors"], told["visitors_today"]) == (1, 1)
    assert told["sources"] == [{"family": "Google", "clicks": 2}, {"family": "Direct", "clicks": 1}]
    assert (len(told["minutes"]), len(told["days"])) == (60, 30)
    assert sum(each["clicks"] for each in told["minutes"]) == sum(each["clicks"] for each in told["days"]) == 3
    assert told["days"][-1]["day"] == told["at"][:10]


@pytest.mark.parametrize(
    ("body", "pointer", "said"),
    [
        ({"target": "javascript:alert(1)"}, "#/target", "beginning with http"),
        ({"target": "https://testserver/l/bbbbbbbbbb"}, "#/target", "leads back here"),
        ({"target": "https://example.org/\r\nX: y"}, "#/target", "no blanks"),
        ({"target": "http://2130706433/"}, "#/target", "no public address"),
        ({"target": f"https://example.org/{'x' * 3000}"}, "#/target", "2048"),
        ({"target": "https://example.org/\ud800"}, "#/target", ""),
        ({"target": ""}, "#/target", "required"),
        ({}, "#/target", "required"),
        ({"target": 1}, "#/target", "string"),
        ({"target": TARGET, "ends": "2001-01-01T00:00:00Z"}, "#/ends", "has passed"),
        ({"target": TARGET, "ends": "soon"}, "#/ends", ""),
        ({"target": TARGET, "ends": "9999-12-31T23:59:59-14:00"}, "#/ends", "between 1970 and 9999"),
        ({"target": TARGET, "slug": "mine"}, "#/slug", ""),
    ],
)
def test_what_is_wrong_with_a_new_link_is_said_by_its_field(app, body, pointer, said):
    answer = app("post", "/links", body)
    assert (answer.status_code, kind(answer)) == (422, "invalid")
    assert said in mistakes(answer)[pointer] and len(mistakes(answer)) == 1
    assert not Link.objects.exists()


@pytest.mark.usefixtures("still")
def test_who_makes_too_many_waits_on_the_pages_and_in_the_api_alike(app, name, monkeypatch):
    monkeypatch.setitem(vars(MAKING), "address", replace(MAKING.address, free=2))
    assert app("post", "/links", {"target": TARGET}).status_code == 201
    browser = Browser()
    browser.post("/sign-in/", {"username": name, "password": SECRET})
    assert browser.post("/links/new/", {"target": TARGET}).status_code == 302
    assert app("post", "/links", {"target": "nonsense"}).status_code == 422  # what makes nothing is not counted
    answer = app("post", "/links", {"target": TARGET})
    assert (answer.status_code, kind(answer), answer["Retry-After"]) == (429, "too-many-attempts", "10")
    assert Link.objects.count() == 2


def test_an_end_is_a_moment_anywhere_on_earth(app):
    made = app("post", "/links", {"target": TARGET, "ends": "2099-06-01T01:30:00+02:00"}).json()
    assert made["ends"] == "2099-05-31T23:30:00Z"
    made = app("post", "/links", {"target": TARGET, "ends": "2099-06-01T01:30"}).json()
    assert made["ends"] == "2099-06-01T01:30:00Z"


def test_what_is_changed_counts_with_the_next_click_and_what_is_not_sent_stays(app, slug):
    follow(slug)
    path = f"/links/{slug}"
    later = app("patch", path, {"ends": "2099-01-01T00:00:00Z"}).json()
    assert (later["ends"], later["disabled"], later["state"]) == ("2099-01-01T00:00:00Z", False, "on")
    off = app("patch", path, {"disabled": True}).json()
    assert (off["ends"], off["disabled"], off["state"]) == ("2099-01-01T00:00:00Z", True, "disabled")
    assert Browser().get(f"/l/{slug}").status_code == 410
    assert app("patch", path, {}).json() == off
    on = app("patch", path, {"disabled": False, "ends": None}).json()
    assert (on["ends"], on["state"]) == (None, "on")
    follow(slug)
    assert app("patch", path, {"ends": "2001-01-01T00:00:00Z"}).json()["state"] == "ended"
    assert Browser().get(f"/l/{slug}").status_code == 410
    Link.objects.get(slug=slug).change(stopped=True)
    assert app("patch", path, {"ends": None, "disabled": False}).json()["state"] == "stopped"
    assert Browser().get(f"/l/{slug}").status_code == 410


def test_clients_that_change_different_things_at_once_undo_nothing_of_each_other(app, slug, monkeypatch):
    change = Link.change

    def other_is_quicker(link, **fields):
        change(Link.objects.get(slug=slug), disabled=True)
        change(link, **fields)

    monkeypatch.setattr(Link, "change", other_is_quicker)
    app("patch", f"/links/{slug}", {"ends": "2099-01-01T00:00:00Z"})
    told = app("get", f"/links/{slug}").json()
    assert (told["ends"], told["disabled"]) == ("2099-01-01T00:00:00Z", True)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"ends": "never"}, "#/ends"),
        ({"ends": "1066-01-01T00:00:00Z"}, "#/ends"),
        ({"disabled": None}, "#/disabled"),
        ({"target": "https://example.org/other"}, "#/target"),
    ],
)
def test_what_is_wrong_with_a_change_changes_nothing(app, slug, body, pointer):
    answer = app("patch", f"/links/{slug}", {"disabled": True, **body})
    assert (answer.status_code, list(mistakes(answer))) == (422, [pointer])
    follow(slug)


def test_a_deleted_link_is_gone(app, slug):
    follow(slug)
    assert app("delete", f"/links/{slug}").status_code == 204
    assert Browser().get(f"/l/{slug}").status_code == 404
    assert kind(app("get", f"/links/{slug}")) == kind(app("delete", f"/links/{slug}")) == "not-found"


def test_the_links_of_others_are_not_there(app, slug, new_name):
    other = signed_in(User.objects.create_user(new_name(), "", SECRET).username)
    asked = [("get", ""), ("get", "/statistics"), ("patch", ""), ("delete", "")]
    for method, rest in asked:
        body = {"disabled": True} if method == "patch" else None
        answers = [other(method, f"/links/{which}{rest}", body) for which in (slug, "zzzzzzzzzz", "%00", "x")]
        assert {(answer.status_code, kind(answer)) for answer in answers} == {(404, "not-found")}
        assert len({answer.content for answer in answers}) == 1
        assert kind(App()(method, f"/links/{slug}{rest}", body)) == "no-token"
    assert other("get", "/links").json() == {"links": [], "count": 0, "page": 1, "pages": 1}
    assert kind(App()("get", "/links")) == kind(App()("post", "/links", {"target": TARGET})) == "no-token"
    follow(slug)


def test_links_are_listed_by_pages_the_newest_first_and_found_by_part_of_their_address(app, name):
    owner = User.objects.get(username=name)
    made = [Link.objects.make(owner, f"https://example.org/page-{number:02}") for number in range(30)]

    def asked(query):
        told = app("get", f"/links{query}").json()
        return [each["slug"] for each in told["links"]], told["count"], told["page"], told["pages"]

    newest = [link.slug for link in reversed(made)]
    assert asked("") == (newest[:25], 30, 1, 2)
    assert asked("?page=2") == (newest[25:], 30, 2, 2)
    assert asked("?page=3&size=7") == (newest[14:21], 30, 3, 5)
    assert asked("?page=9") == ([], 30, 9, 2)
    assert asked("?q=PAGE-07") == ([made[7].slug], 1, 1, 1)
    assert asked(f"?q={made[3].slug}")[0] == asked(f"?q={made[3].short}")[0] == [made[3].slug]
    assert asked("?q=page_0")[0] == asked("?q=100%25")[0] == asked("?q=%F0%9F%98%80")[0] == []
    assert asked("?q=%00")[1] == 30


@pytest.mark.parametrize("query", ["page=0", "page=x", "size=101", "size=0", f"q={'x' * 201}"])
def test_what_is_wrong_with_a_query_is_said_by_the_parameter(app, query):
    answer = app("get", f"/links?{query}")
    assert (answer.status_code, list(mistakes(answer))) == (422, [f"#/{query.partition('=')[0]}"])


def test_nothing_asks_more_for_more(app, name, slug):
    owner, link = User.objects.get(username=name), Link.objects.get(slug=slug)

    def queries(path):
        with CaptureQueriesContext(mysql) as counted:
            assert app("get", path).status_code == 200
        return len(counted)

    paths = ["/links", "/links?q=example", f"/links/{slug}", f"/links/{slug}/statistics"]
    before = [queries(path) for path in paths]
    for number in range(20):
        Total.objects.create(link=Link.objects.make(owner, TARGET), clicks=1)
        Day.objects.create(link=link, day=datetime.now(UTC).date() - timedelta(days=number), clicks=1)
    assert [queries(path) for path in paths] == before
    assert max(before) <= 3  # the token is one of them


def test_without_redis_links_are_read_and_not_changed(app, slug, no_redis):
    Total.objects.create(link=Link.objects.get(slug=slug), clicks=7)
    no_redis()
    told = app("get", f"/links/{slug}/statistics").json()
    assert (told["clicks"], told["live"]) == (7, False)
    answer = app("patch", f"/links/{slug}", {"disabled": True})
    assert (answer.status_code, kind(answer), answer["Retry-After"]) == (503, "store-away", "5")
    assert app("get", f"/links/{slug}").json()["state"] == "on"
    assert kind(app("delete", f"/links/{slug}")) == "store-away"


def test_the_page_of_the_api_tells_of_parameters_and_of_what_is_in_a_list(browser):
    page = browser.get("/api/").text
    assert "GET /api/v1/links/{slug}/statistics" in page
    assert "number, 1 to 100, 25 if missing" in page
    assert "<code>minutes</code> (of each <code>at</code>, <code>clicks</code>)" in page
    assert "Accounts and short links" in json.loads(browser.get("/api/v1/openapi.json").content)["info"]["description"]
