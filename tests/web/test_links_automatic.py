"""Crawlers, previews and browsers that fetch ahead are led on like everybody, and counted apart."""

import pytest

from tests.web.conftest import Browser
from tests.web.linked import TARGET, end_the_minute, unrolled
from webapp.links import connection, counter
from webapp.links.models import Day, LateClick, Link, Minute, Source, Total
from webapp.links.rollup import roll_up
from webapp.links.statistics import figures_of
from webapp.links.visits import AUTOMATIC, visit_of
from webapp.users.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_links")]
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.mark.parametrize(
    "agent",
    [
        GOOGLEBOT,
        "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) Chrome/131 Mobile Safari/537.36 (compatible; bingbot/2.0)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "WhatsApp/2.23.20.0 A",
        "TelegramBot (like TwitterBot)",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
        "http.rb/5.1.1 (Mastodon/4.2.1; +https://mastodon.example/)",
        "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36",
    ],
)
def test_what_calls_itself_a_robot_is_automatic(rf, agent):
    assert visit_of(rf.get("/", HTTP_USER_AGENT=agent)).family == AUTOMATIC


@pytest.mark.parametrize(
    "agent",
    [
        CHROME,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile [FBAN/FBIOS;FBAV/489.0]",
        "Mozilla/5.0 (Linux; Android 10; CUBOT X30) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537.36",
        "curl/8.9.1",
        "python-requests/2.32.3",
        "",
    ],
)
def test_what_people_use_is_not(rf, agent):
    assert visit_of(rf.get("/", HTTP_USER_AGENT=agent)).family == "Direct"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Moz": "prefetch"},
        {"X-Purpose": "preview"},
    ],
)
def test_a_browser_that_fetches_ahead_is_automatic(rf, headers):
    assert visit_of(rf.get("/", headers={"User-Agent": CHROME, **headers})).family == AUTOMATIC


def test_a_robot_is_led_on_and_counted_apart_before_and_after_the_roll_up(browser, link):
    def follow(agent, times):
        for _ in range(times):
            page = browser.get(f"/l/{link.slug}", headers={"User-Agent": agent, "Referer": "https://google.com/"})
            assert (page.status_code, page["Location"]) == (302, TARGET)

    follow(GOOGLEBOT, 3)
    follow(CHROME, 2)
    for rolled in (False, True):
        if rolled:
            end_the_minute()
            assert roll_up().clicks == 2
        figures = figures_of(link.pk)
        assert (figures.clicks, figures.automatic, figures.visitors, figures.today) == (2, 3, 1, 1)
        assert figures.sources == [("Google", 2)]
        assert sum(clicks for _, clicks in figures.minutes) == sum(clicks for _, clicks in figures.days) == 2
    assert dict(Source.objects.filter(link=link).values_list("family", "clicks")) == {"Google": 2, AUTOMATIC: 3}
    assert [model.objects.get(link=link).clicks for model in (Total, Day, Minute)] == [2, 2, 2]


def test_a_link_that_only_robots_follow_has_no_clicks_and_no_visitors(link):
    for _ in range(2):
        Browser(headers={"User-Agent": GOOGLEBOT}).get(f"/l/{link.slug}")
    end_the_minute()
    assert roll_up().clicks == 0
    figures = figures_of(link.pk)
    assert (figures.clicks, figures.automatic, figures.visitors) == (0, 2, 0)
    assert not any(model.objects.filter(link=link).exists() for model in (Total, Day, Minute))
    assert not list(connection.redis().scan_iter("visitors:*"))


def test_robots_that_came_while_redis_was_away_are_counted_apart_too(browser, link, no_redis, settings):
    here = settings.ENVIRONMENT
    no_redis()
    for agent in (GOOGLEBOT, GOOGLEBOT, CHROME):
        assert browser.get(f"/l/{link.slug}", headers={"User-Agent": agent})["Location"] == TARGET
    assert LateClick.objects.filter(family=AUTOMATIC).count() == 2
    settings.ENVIRONMENT = here
    connection.forget()
    for late in (3, 0):
        figures = figures_of(link.pk)
        assert (figures.clicks, figures.automatic) == (1, 2)
        assert roll_up().late == late
    assert figures_of(link.pk).visitors == 1


def test_a_robot_costs_no_further_round_trip(browser, link, monkeypatch):
    browser.get(f"/l/{link.slug}")
    sent = []
    kind = connection.clicks().connection_class
    send = kind.send_command
    monkeypatch.setattr(
        kind, "send_command", lambda self, *words, **more: sent.append(words[0]) or send(self, *words, **more)
    )
    browser.get(f"/l/{link.slug}", headers={"User-Agent": GOOGLEBOT})
    assert sent == ["EVALSHA"]
    assert unrolled(link) == {"Direct": 1, AUTOMATIC: 1}
    assert counter.unrolled(link.pk)[1] == 1


def test_the_page_says_how_many_requests_were_automatic(browser, new_name, password):
    name = new_name()
    browser.post("/sign-up/", {"username": name, "password1": password, "password2": password})
    link = Link.objects.make(User.objects.get(username=name), TARGET)
    assert "automatic" not in browser.get(f"/links/{link.slug}/").text
    Source.objects.create(link=link, family=AUTOMATIC, clicks=18941)
    page = browser.get(f"/links/{link.slug}/").text
    assert "18,941 automatic requests" in page and "Nobody has followed this link yet." in page
