"""An owner's pages: making and ending links, finding them, their figures and charts, their download."""

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import escape

import pytest
from django.db import connection as mysql
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.web.conftest import Browser
from tests.web.linked import TARGET, end_the_minute
from webapp.links import connection, counter
from webapp.links.chart import chart_of
from webapp.links.exports import cell, csv_response, pages
from webapp.links.making import MAKING
from webapp.links.models import Day, LateClick, Link, Minute, Rollup, Source, Total
from webapp.links.rollup import roll_up
from webapp.links.statistics import figures_of
from webapp.users.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_links")]


@pytest.fixture
def owner(browser, new_name, password):
    """A user, signed in with `browser`."""
    name = new_name("owner")
    browser.post("/sign-up/", {"username": name, "password1": password, "password2": password})
    return User.objects.get(username=name)


@pytest.fixture
def stranger(new_name, password):
    """Somebody else's browser, signed in."""
    browser = Browser()
    browser.post("/sign-up/", {"username": new_name("stranger"), "password1": password, "password2": password})
    return browser


def follow(link, times=1, **headers):
    for _ in range(times):
        assert Browser().get(f"/l/{link.slug}", headers=headers).status_code == 302


def rows(page):
    """What a download holds."""
    return list(csv.reader(io.StringIO(b"".join(page.streaming_content).decode())))


def test_from_a_form_to_a_link_that_works_and_its_page(browser, owner):
    answer = browser.post("/links/new/", {"target": f" {TARGET} ", "ends": ""})
    link = Link.objects.get(owner=owner)
    assert (answer.status_code, answer.url) == (302, f"/links/{link.slug}/")
    page = browser.get(answer.url)
    assert f"https://testserver/l/{link.slug}" in page.text
    assert "The link is made." in page.text
    assert browser.get(f"/l/{link.slug}")["Location"] == TARGET


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        ({"target": "javascript:alert(1)"}, "target", "beginning with http"),
        ({"target": "https://testserver/l/bbbbbbbbbb"}, "target", "leads back here"),
        ({"target": ""}, "target", "required"),
        ({"target": TARGET, "ends": "2001-01-01T00:00"}, "ends", "has passed"),
        ({"target": TARGET, "ends": "soon"}, "ends", "Write it as"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_what_was_typed_stays(browser, owner, typed, field, said):
    page = browser.post("/links/new/", typed)
    assert list(page.context["form"].errors) == [field]
    assert said in page.text
    assert re.search(rf'<input[^>]*name="{field}"[^>]*aria-invalid="true"[^>]*id_{field}_error', page.text)
    assert f'value="{escape(typed["target"])}"' in page.text or not typed["target"]
    assert not Link.objects.exists()


@pytest.mark.usefixtures("still")
def test_who_makes_too_many_is_told_when_to_go_on_and_loses_nothing(browser, owner, monkeypatch):
    monkeypatch.setitem(vars(MAKING), "address", replace(MAKING.address, free=2))
    for _ in range(2):
        assert browser.post("/links/new/", {"target": TARGET}).status_code == 302
    assert browser.post("/links/new/", {"target": "nonsense"}).status_code == 200  # what makes nothing is not counted
    page = browser.post("/links/new/", {"target": TARGET})
    assert (page.status_code, page["Retry-After"]) == (429, "10")
    assert f'value="{escape(TARGET)}"' in page.text
    assert Link.objects.filter(owner=owner).count() == 2


def test_an_end_is_kept_switching_off_counts_at_once_and_is_undone(browser, link):
    soon = (timezone.now() + timedelta(days=2)).replace(second=0, microsecond=0)
    where = f"/links/{link.slug}/change/"
    assert browser.post(where, {"ends": soon.strftime("%Y-%m-%dT%H:%M"), "disabled": "on"}).status_code == 302
    link.refresh_from_db()
    assert (link.ends, link.disabled) == (soon, True)
    assert Browser().get(f"/l/{link.slug}").status_code == 410
    page = browser.get(where)
    assert soon.strftime('value="%Y-%m-%dT%H:%M"') in page.text and "checked" in page.text
    browser.post(where, {"ends": ""})
    assert Browser().get(f"/l/{link.slug}").status_code == 302
    assert "Write it as" in browser.post(where, {"ends": "never"}).text


@pytest.mark.parametrize("path", ["", "change/", "delete/", "days.csv", "minutes.csv", "?part"])
def test_nobody_else_sees_a_link(browser, stranger, link, path):
    where = f"/links/{link.slug}/{path}"
    assert stranger.get(where).status_code == 404
    assert Browser().get(where).url.startswith("/sign-in/?next=")
    assert browser.get(where).status_code == 200


def test_nobody_else_changes_or_lists_a_link(stranger, link):
    assert stranger.post(f"/links/{link.slug}/change/", {"disabled": "on"}).status_code == 404
    assert stranger.post(f"/links/{link.slug}/delete/").status_code == 404
    assert link.slug not in stranger.get("/links/").text
    assert len(rows(stranger.get("/links/links.csv"))) == 1
    link.refresh_from_db()
    assert not link.disabled


def test_a_link_is_deleted_only_after_a_question(browser, link):
    follow(link)
    where = f"/links/{link.slug}/delete/"
    assert "cannot be undone" in browser.get(where).text
    follow(link)
    page = browser.post(where, follow=True)
    assert f"The link {link.slug} is deleted" in page.text
    assert Browser().get(f"/l/{link.slug}").status_code == 404
    end_the_minute()
    assert roll_up().clicks == 0


def test_links_are_listed_the_newest_first_by_pages_and_found_by_part_of_their_address(browser, owner):
    made = [Link.objects.make(owner, f"https://example.org/page-{number:02}") for number in range(30)]
    first, second = browser.get("/links/"), browser.get("/links/?page=2")
    assert [each.pk for each in first.context["page"]] == [link.pk for link in reversed(made[5:])]
    assert [each.pk for each in second.context["page"]] == [link.pk for link in reversed(made[:5])]
    assert "Page 1 of 2" in first.text and 'href="?page=2"' in first.text

    def found(wanted):
        return [link.pk for link in browser.get("/links/", {"q": wanted}).context["page"]]

    assert found("PAGE-07") == [made[7].pk]
    assert found(made[3].short) == found(made[3].slug) == [made[3].pk]
    assert found("100%") == found("page_0") == found("\\'") == []
    assert len(found("\0")) == 25
    assert "None of your links" in browser.get("/links/", {"q": "<script>"}).text
    assert "<script>”" not in browser.get("/links/", {"q": "<script>"}).text
    assert browser.get("/links/?page=nonsense").status_code == 200


def test_no_page_asks_more_for_more(browser, owner, link):
    def queries(path):
        with CaptureQueriesContext(mysql) as counted:
            page = browser.get(path)
            b"".join(page.streaming_content) if page.streaming else page.content
        return len(counted)

    def fill(number):
        for _ in range(number):
            each = Link.objects.make(owner, TARGET)
            Total.objects.create(link=each, clicks=1)
        for _ in range(number):
            Day.objects.create(link=link, day=date(2020, 1, 1) + timedelta(days=Day.objects.count()), clicks=1)
            at = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=Minute.objects.count())
            Minute.objects.create(link=link, at=at, clicks=1)
            Source.objects.create(link=link, family=f"{Source.objects.count()}", clicks=1)
            LateClick.objects.create(link_id=link.pk, at=at, family="Direct", visitor="a")

    paths = ["/links/", "/links/?q=example", "/links/new/", "/links/links.csv"]
    paths += [f"/links/{link.slug}/{more}" for more in ("", "?part", "change/", "days.csv", "minutes.csv")]
    fill(1)
    before = {path: queries(path) for path in paths}
    fill(20)
    assert {path: queries(path) for path in paths} == before
    assert max(before.values()) <= 4


def test_the_page_shows_every_click_at_once_before_and_after_it_is_rolled_up(browser, link):
    follow(link, 3, Referer="https://www.google.com/")
    follow(link, 1)
    for rolled in (False, True):
        if rolled:
            end_the_minute()
            assert roll_up().clicks == 4
        figures = browser.get(f"/links/{link.slug}/").context["figures"]
        assert (figures.clicks, figures.visitors, figures.today, figures.live) == (4, 1, 1, True)
        assert figures.sources == [("Google", 3), ("Direct", 1)]
        assert sum(clicks for _, clicks in figures.minutes) == sum(clicks for _, clicks in figures.days) == 4
    follow(link, 2)
    assert browser.get(f"/links/{link.slug}/").context["figures"].clicks == 6


def test_a_batch_that_is_in_mysql_but_not_yet_dropped_is_shown_once(link):
    follow(link)
    end_the_minute()
    (name,) = counter.closed_batches()
    batch = connection.redis().dump(f"clicks:{name}")
    roll_up()
    connection.redis().restore(f"clicks:{name}", 0, batch)
    connection.redis().sadd(counter.BATCHES, name)
    assert figures_of(link.pk).clicks == 1
    assert Rollup.objects.filter(batch=name).update(first_link=link.pk + 1, last_link=link.pk + 1) == 1
    assert figures_of(link.pk).clicks == 2  # the part with this link was not in MySQL, says that row


def test_clicks_that_redis_missed_are_shown_too(link):
    at = timezone.now().replace(second=0, microsecond=0)
    LateClick.objects.create(link_id=link.pk, at=at, family="Direct", visitor="a" * 32)
    figures = figures_of(link.pk)
    assert (figures.clicks, figures.sources) == (1, [("Direct", 1)])


def test_without_redis_the_figures_are_those_of_the_last_minute_and_say_so(link, no_redis):
    Total.objects.create(link=link, clicks=7, visitors=3)
    Day.objects.create(link=link, day=datetime.now(UTC).date(), clicks=7, visitors=3)
    no_redis()
    figures = figures_of(link.pk)
    assert (figures.clicks, figures.visitors, figures.today, figures.live) == (7, 3, 3, False)


def test_large_figures_are_written_so_that_one_can_read_them(browser, link):
    Total.objects.create(link=link, clicks=1234567, visitors=23456)
    for path in ("/links/", f"/links/{link.slug}/"):
        page = browser.get(path).text
        assert "1,234,567" in page and "23,456" in page


def test_the_script_gets_the_figures_alone_and_the_page_works_without_it(browser, link):
    follow(link, 2)
    page, part = browser.get(f"/links/{link.slug}/"), browser.get(f"/links/{link.slug}/?part")
    assert "<html" in page.text and "<html" not in part.text
    for text in (page.text, part.text):
        assert "2 clicks from" in text and "<rect" in text and "<table>" in text
    assert "no-store" in part["Cache-Control"]


def test_the_policy_needs_no_exception(browser, link):
    page = browser.get(f"/links/{link.slug}/")
    assert "unsafe" not in page["Content-Security-Policy"]
    assert not re.search(r"\sstyle=|\son\w+=|<script>|<style", page.text)
    assert {source.partition("?")[0][:8] for source in re.findall(r'src="([^"]*)"', page.text)} == {"/static/"}


def test_what_people_wrote_is_escaped(browser, owner):
    link = Link.objects.create(owner=owner, slug="bbbbbbbbbb", target='https://example.org/"><script>x</script>')
    for path in ("/links/", f"/links/{link.slug}/"):
        assert "<script>x" not in browser.get(path).text


def test_links_and_statistics_are_downloaded(browser, link):
    follow(link, 2)
    end_the_minute()
    roll_up()
    (head, line) = rows(browser.get("/links/links.csv"))
    assert head == ["short address", "target", "created", "ends", "switched off", "clicks", "visitors", "state"]
    assert (line[0], line[1], line[5:]) == (link.short, TARGET, ["2", "1", "on"])
    page = browser.get(f"/links/{link.slug}/days.csv")
    assert page["Content-Disposition"] == f'attachment; filename="{link.slug}-days.csv"'
    assert rows(page)[1][1:] == ["2", "1"]
    minutes = rows(browser.get(f"/links/{link.slug}/minutes.csv"))
    assert sum(int(clicks) for _, clicks in minutes[1:]) == 2


def test_no_column_of_a_download_begins_as_a_formula(browser, owner):
    # As no form would let it in: a row of an import, say.
    link = Link.objects.create(owner=owner, slug="bbbbbbbbbb", target="=HYPERLINK(1)")
    for model, when in ((Day, {"day": date(2020, 1, 1)}), (Minute, {"at": timezone.now()})):
        model.objects.create(link=link, clicks=1, **when)
    for path in ("links.csv", f"{link.slug}/days.csv", f"{link.slug}/minutes.csv"):
        cells = [cell for row in rows(browser.get(f"/links/{path}")) for cell in row]
        assert len(cells) > 3 and not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r", "\n")]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_is_a_formula(rf, text):
    assert cell(text) == "'" + text
    assert rows(csv_response(rf.get("/"), "x.csv", ["a"], [[text]]))[1][0].startswith("'")


def test_long_downloads_are_read_by_pages(owner, django_assert_num_queries):
    made = [Link.objects.make(owner, TARGET).pk for _ in range(7)]
    with django_assert_num_queries(4):
        assert [link.pk for link in pages(Link.objects.filter(owner=owner), size=3)] == made


def test_a_chart_shows_a_single_click_among_thousands_and_says_what_it_shows():
    chart = chart_of("Clicks", [("10:00", 1), ("10:01", 0), ("10:02", 5000)])
    assert [bar.height for bar in chart.bars] == [2, 0, 120]
    assert chart.summary == "5,001 clicks from 10:00 to 10:02; the most, 5,000, at 10:02."
    assert chart_of("Clicks", [("1 Nov", 1)], "on").summary == "1 click from 1 Nov to 1 Nov; the most, 1, on 1 Nov."
    assert chart_of("Clicks", [("10:00", 0)]).summary == "No clicks."
