"""No page and no command asks the database more often because there is more in it."""

from datetime import UTC, datetime
from secrets import token_hex

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection as mysql
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.web.conftest import Browser
from tests.web.linked import end_the_minute
from webapp.api import tokens
from webapp.links import counter
from webapp.links.models import Day, LateClick, Link, Total
from webapp.links.rollup import roll_batch, roll_up
from webapp.links.visits import Visit
from webapp.users.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_links")]
MANY = 20


@pytest.fixture
def root(new_name):
    """Somebody who may do everything."""
    return User.objects.create_superuser(new_name("root"), "", "correct horse battery")


@pytest.fixture
def browser(root):
    """His browser."""
    browser = Browser()
    browser.force_login(root, backend="webapp.users.backend.SimpleDBBackend")
    return browser


def fill(user, number):
    """So many more users and groups, and links, tokens and sessions of this user."""
    for _ in range(number):
        name = token_hex(8)
        User.objects.bulk_create([User(username=name, account_id=name)])
        Group.objects.create(name=name)
        Total.objects.create(link=Link.objects.make(user, f"https://example.org/{name}"), clicks=1)
        tokens.issue(user, name)
        Browser().force_login(user, backend="webapp.users.backend.SimpleDBBackend")


def pages_of(root):
    """Every page that lists what there may be many of."""
    lists = [reverse(f"admin:{it._meta.app_label}_{it._meta.model_name}_changelist") for it in admin.site._registry]
    assert len(lists) >= 4
    searched = [f"{path}?q=e" for path in lists]
    one = [f"/admin/users/user/{root.pk}/{page}/" for page in ("change", "delete", "history")]
    return ["/", "/tokens/", "/sessions/", "/links/", "/admin/", *lists, *searched, *one]


def test_every_page_asks_each_store_as_often_for_many_rows_as_for_one(root, browser, gate):
    def asked(path):
        with CaptureQueriesContext(mysql) as queries, gate.counting() as operations:
            assert browser.get(path).status_code == 200, path
        return len(queries), len(operations)

    fill(root, 2)
    pages = pages_of(root)
    for path in pages:
        asked(path)  # what is asked once a process is asked now
    few = {path: asked(path) for path in pages}
    fill(root, MANY)
    assert {path: asked(path) for path in pages} == few
    assert max(queries for queries, _ in few.values()) <= 16


def test_the_api_lists_tokens_with_as_many_queries_for_many_as_for_one(root, browser):
    text, _ = tokens.issue(root, "a phone")

    def asked():
        with CaptureQueriesContext(mysql) as queries:
            answer = Browser().get("/api/v1/tokens", headers={"Authorization": f"Bearer {text}"})
        return len(answer.json()), len(queries)

    asked()  # writes down that it was used
    few = asked()
    fill(root, MANY)
    assert asked() == (few[0] + MANY, few[1])


def test_clicks_of_many_links_are_rolled_up_by_as_many_queries_as_those_of_a_few(root):
    def asked(number):
        for _ in range(number):
            link = Link.objects.make(root, f"https://example.org/{token_hex(8)}")
            assert counter.click(link.slug, Visit("a" * 32, "Direct"), link.entry)
        end_the_minute()
        counts, clicks = set(), 0
        for name in counter.closed_batches():  # two, if a minute has just ended
            with CaptureQueriesContext(mysql) as queries:
                clicks += roll_batch(name)
            counts.add(len(queries))
        assert clicks == number
        return counts

    assert len(asked(2) | asked(MANY)) == 1


def test_late_clicks_are_rolled_up_by_as_many_queries_for_many_as_for_a_few(root):
    link, at = Link.objects.make(root, "https://example.org/"), datetime(2026, 1, 1, tzinfo=UTC)

    def asked(number):
        late = [LateClick(link_id=link.pk, at=at, family="Direct", visitor="a" * 32) for _ in range(number)]
        LateClick.objects.bulk_create(late)
        with CaptureQueriesContext(mysql) as queries:
            assert roll_up().late == number
        return len(queries)

    assert asked(2) == asked(MANY)
    assert Day.objects.get(link=link).clicks == 2 + MANY
