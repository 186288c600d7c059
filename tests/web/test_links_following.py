"""Following a short link: where it leads, what is counted, and what happens when a store is away."""

import asyncio
import signal
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import OperationalError, transaction
from django.db import connection as mysql
from django.test import AsyncClient
from django.utils import timezone
from prometheus_client import REGISTRY

from tests.web.conftest import Browser
from tests.web.linked import TARGET, end_the_minute, unrolled
from webapp.limits.rules import Rule
from webapp.links import connection, counter, following
from webapp.links.models import Day, LateClick, Link, Minute, Source, Total
from webapp.links.rollup import roll_up
from webapp.links.slugs import new_slug
from webapp.users.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_links")]


@pytest.fixture
def commands(servers):
    """What Redis is asked for, as it says itself."""

    class Commands:
        def __enter__(self):
            self.before = self.read()
            return self

        def __exit__(self, *_):
            after = self.read()
            self.seen = {name: after[name] - self.before.get(name, 0) for name in after}
            # INFO itself, and what a new connection says of itself
            for own in ("cmdstat_info", "cmdstat_auth", "cmdstat_hello", "cmdstat_client|setinfo"):
                self.seen.pop(own, None)
            self.seen = {name: number for name, number in self.seen.items() if number}

        def read(self):
            return {name: told["calls"] for name, told in connection.redis().info("commandstats").items()}

    return Commands()


def gone(*_):
    """What the client library says of every statement when the server is away."""
    raise OperationalError(2006, "Server has gone away")


def short(link):
    return f"/l/{link.slug}"


def test_a_link_leads_to_its_target_and_every_click_is_counted_at_once(browser, link):
    answers = [browser.get(short(link)) for _ in range(3)]
    for page in answers:
        assert (page.status_code, page["Location"], page["Cache-Control"]) == (302, TARGET, "no-store")
        assert page["Content-Length"] == "0"  # without it each answer would be sent in chunks
    assert unrolled(link) == {"Direct": 3}


def test_the_target_is_told_what_browsers_tell_of_where_the_visitor_was(browser, link):
    assert browser.get(short(link))["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert browser.get("/l/bbbbbbbbbb")["Referrer-Policy"] == "same-origin"


def test_a_warm_redirect_is_one_round_trip_and_no_query(
    browser, link, commands, django_assert_num_queries, monkeypatch
):
    browser.get(short(link))
    sent = []
    send = connection.clicks().connection_class.send_command
    monkeypatch.setattr(
        connection.clicks().connection_class,
        "send_command",
        lambda self, *words, **more: sent.append(words[0]) or send(self, *words, **more),
    )
    with django_assert_num_queries(0):
        assert browser.get(short(link)).status_code == 302
    assert sent == ["EVALSHA"]


def test_neither_session_nor_user_is_looked_at(browser, link, commands, new_name, password):
    name = new_name()
    browser.post("/sign-up/", {"username": name, "password1": password, "password2": password})
    browser.get(short(link))
    with commands:
        page = browser.get(short(link))
    assert not page.cookies
    assert commands.seen == {f"cmdstat_{name}": 1 for name in ("evalsha", "time", "pfadd", "hincrby")} | {
        "cmdstat_get": 2  # the link, and which batch is open
    }


def test_redis_emptied_is_filled_again_and_the_click_counts(browser, link, django_assert_num_queries):
    browser.get(short(link))
    connection.redis().flushall()
    with django_assert_num_queries(1):
        assert browser.get(short(link))["Location"] == TARGET
    assert unrolled(link) == {"Direct": 1}
    with django_assert_num_queries(0):
        assert browser.get(short(link))["Location"] == TARGET


def test_a_redis_that_forgot_our_script_is_told_again(browser, link):
    browser.get(short(link))
    connection.redis().script_flush()
    assert browser.get(short(link))["Location"] == TARGET
    assert unrolled(link) == {"Direct": 2}


def test_without_redis_links_are_followed_and_the_clicks_wait_in_mysql(browser, link, no_redis, settings):
    here = settings.ENVIRONMENT
    no_redis()
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        assert browser.get(short(link), REMOTE_ADDR=address)["Location"] == TARGET
    assert LateClick.objects.count() == 3
    assert browser.get("/l/zzzzzzzzzz").status_code == 404

    settings.ENVIRONMENT = here
    connection.forget()
    assert roll_up().late == 3
    link.refresh_from_db()
    assert (link.total.clicks, link.total.visitors, LateClick.objects.count()) == (3, 2, 0)
    assert roll_up().late == 0


def test_a_redis_that_failed_is_not_asked_again_for_a_while(browser, link, no_redis, monkeypatch):
    no_redis()
    monkeypatch.setattr(connection.fuse, "clock", lambda: 0.0)
    tries = []
    monkeypatch.setattr(connection.clicks(), "get_connection", lambda: tries.append(1) or 1 / 0)
    connection.fuse.blow()
    for _ in range(5):
        assert browser.get(short(link)).status_code == 302
    assert tries == []


def test_after_the_pause_one_thread_tries_and_the_others_wait_for_what_it_finds():
    now = [0.0]
    fuse = connection.Fuse(lambda: now[0])
    assert fuse.closed()
    fuse.blow()
    assert not fuse.closed()
    now[0] = connection.PAUSE
    assert [fuse.closed(), fuse.closed()] == [True, False]
    fuse.mend()
    assert [fuse.closed(), fuse.closed()] == [True, True]


def test_a_hung_redis_delays_one_click_and_is_counted_nowhere_for_it_may_have_counted(
    browser, link, servers, monkeypatch
):
    browser.get(short(link))
    monkeypatch.setattr(connection.fuse, "clock", lambda: 0.0)
    servers.processes["redis"].send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert browser.get(short(link))["Location"] == TARGET
        assert time.monotonic() - began < connection.WORK_TIMEOUT  # a bound, not a speed
        assert LateClick.objects.count() == 0
        assert browser.get(short(link))["Location"] == TARGET
        assert LateClick.objects.count() == 1
    finally:
        servers.processes["redis"].send_signal(signal.SIGCONT)


def test_with_a_full_redis_links_are_followed_and_the_clicks_wait_in_mysql(browser, link):
    browser.get(short(link))
    connection.redis().config_set("maxmemory", "1mb")
    try:
        assert [browser.get(short(link))["Location"] for _ in range(2)] == [TARGET, TARGET]
    finally:
        connection.redis().config_set("maxmemory", "0")
    assert LateClick.objects.count() == 2
    assert unrolled(link) == {"Direct": 1}
    end_the_minute()
    roll_up()
    assert Total.objects.get(link=link).clicks == 3


def test_a_slug_that_nobody_has_is_404_and_asked_of_mysql_once(browser, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert [browser.get("/l/bbbbbbbbbb").status_code for _ in range(2)] == [404, 404]


@pytest.fixture
def seconds(monkeypatch):
    """The clock of the limit on misses, of which five are free."""
    now = [1_000]
    # Redis forgets by its own clock: not before the test is over.
    meter = replace(following.MISSES.address, free=5, leak=3600)
    rule = Rule("link-miss", meter, clock=lambda: now[0] * 1000)
    monkeypatch.setattr(following, "MISSES", rule)
    return now


def guess(browser, number):
    """Ask for so many slugs that nobody has; what was answered."""
    return [browser.get(f"/l/{slug}").status_code for slug in (new_slug() for _ in range(number))]


def test_who_guesses_slugs_is_told_to_wait_and_asks_mysql_no_more(browser, link, seconds, django_assert_num_queries):
    with django_assert_num_queries(5):
        assert guess(browser, 20) == [404] * 5 + [429] * 15
        page = browser.get(f"/l/{new_slug()}")
    assert (page["Retry-After"], page["Cache-Control"]) == ("1", "no-store")
    assert "try again in 1 second" in page.text
    assert Browser(REMOTE_ADDR="198.51.100.7").get(short(link)).status_code == 302
    assert guess(Browser(REMOTE_ADDR="198.51.100.7"), 1) == [404]


def test_who_shares_an_address_with_a_guesser_follows_what_is_warm_and_the_rest_a_second_later(
    browser, owner, link, seconds
):
    browser.get(short(link))
    guess(browser, 6)
    assert browser.get(short(link)).status_code == 302
    cold = Link.objects.make(owner, TARGET)
    assert browser.get(short(cold)).status_code == 429
    seconds[0] += 1
    assert browser.get(short(cold)).status_code == 302


def test_links_that_are_there_are_no_guesses(browser, owner, seconds):
    made = [Link.objects.make(owner, TARGET) for _ in range(12)]
    assert {browser.get(short(link)).status_code for link in made} == {302}
    assert guess(browser, 6) == [404] * 5 + [429]


def test_guesses_within_an_event_loop_are_limited_too(seconds):
    browser = AsyncClient()

    async def ask():
        return [(await browser.get(f"/l/{new_slug()}", secure=True)).status_code for _ in range(7)]

    assert asyncio.run(ask()) == [404] * 5 + [429] * 2


def test_an_outage_of_mysql_is_no_guess(browser, seconds):
    with mysql.execute_wrapper(gone):
        assert guess(browser, 6) == [503] * 6
    assert guess(browser, 6) == [404] * 5 + [429]


@pytest.mark.parametrize("path", ["/l/", "/l/short", "/l/aeiouaeiou", "/l/bbbbbbbbbb/", "/l/bbbbbbbbbbb", "/l/%00"])
def test_what_can_be_no_slug_is_404_without_asking_anybody(browser, path, commands, django_assert_num_queries):
    with commands, django_assert_num_queries(0):
        assert browser.get(path).status_code == 404
    assert commands.seen == {}


def test_slugs_differ_by_capitals_alone(browser, owner):
    one = Link.objects.create(owner=owner, slug="bbbbbbbbbc", target="https://example.org/one")
    two = Link.objects.create(owner=owner, slug="bbbbbbbbbC", target="https://example.org/two")
    assert [browser.get(short(each))["Location"] for each in (one, two)] == [one.target, two.target]


@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize("change", [{"ends": None, "disabled": True}, {"ends": -1, "disabled": False}])
def test_a_link_that_was_ended_is_410_with_the_next_click(browser, link, warm, change):
    if warm:
        browser.get(short(link))
    if change["ends"]:
        change["ends"] = timezone.now() - timedelta(seconds=1)
    link.change(**change)
    page = browser.get(short(link))
    assert (page.status_code, page.headers.get("Location")) == (410, None)
    assert "This link has ended" in page.text
    assert unrolled(link) == ({"Direct": 1} if warm else {})


def test_a_link_ends_by_itself_in_redis_too(browser, link):
    link.change(ends=timezone.now() + timedelta(hours=1), disabled=False)
    connection.redis().delete(counter.link_key(link.slug))
    assert browser.get(short(link)).status_code == 302
    connection.redis().set(counter.link_key(link.slug), f"{link.pk} {int(time.time())} {TARGET}")
    assert browser.get(short(link)).status_code == 410


def test_what_was_read_before_a_change_is_not_remembered_after_it(browser, link):
    old = link.entry
    link.change(ends=None, disabled=True)
    counter.click(link.slug, None, old)  # a request that had read it from MySQL before
    assert browser.get(short(link)).status_code == 410


def test_without_redis_a_link_is_not_changed(link, no_redis):
    no_redis()
    with pytest.raises(counter.SessionsUnavailable):
        link.change(ends=None, disabled=True)
    link.refresh_from_db()
    assert not link.disabled


def test_head_is_answered_and_not_counted_and_post_is_refused(browser, link):
    assert browser.head(short(link))["Location"] == TARGET
    assert browser.post(short(link)).status_code == 405
    assert unrolled(link) == {}


def test_a_redirect_is_refused_by_http_as_everything_is(client, link):
    answer = client.get(short(link))
    assert (answer.status_code, answer["Location"]) == (301, f"https://testserver{short(link)}")


def test_with_both_stores_away_it_is_503(browser, link, no_redis):
    no_redis()
    with mysql.execute_wrapper(gone):
        page = browser.get(short(link))
    assert (page.status_code, page["Retry-After"]) == (503, "5")


def test_with_mysql_away_warm_links_are_followed(browser, link):
    browser.get(short(link))
    with mysql.execute_wrapper(gone):
        assert browser.get(short(link)).status_code == 302


def test_an_account_that_is_deleted_takes_its_links_with_it_and_what_was_counted(browser, owner, link):
    browser.get(short(link))
    end_the_minute()
    roll_up()
    counted = [model.objects.filter(link=link.pk) for model in (Total, Day, Minute, Source)]
    assert all(rows.exists() for rows in counted)
    owner.delete()
    assert browser.get(short(link)).status_code == 404
    assert not any(rows.exists() for rows in [*counted, Link.objects.filter(pk=link.pk)])


@pytest.mark.parametrize("kind", [Link, User])
def test_many_that_are_deleted_at_once_leave_nothing_either(browser, owner, link, kind):
    browser.get(short(link))
    end_the_minute()
    roll_up()
    kind.objects.filter(pk=link.pk if kind is Link else owner.pk).delete()
    assert browser.get(short(link)).status_code == 404
    assert not any(model.objects.filter(link=link.pk).exists() for model in (Total, Day, Minute, Source))


def test_without_redis_no_account_is_deleted_whose_links_it_knows(owner, link, no_redis):
    no_redis()
    with pytest.raises(counter.SessionsUnavailable), transaction.atomic():
        owner.delete()
    assert User.objects.get(pk=owner.pk).account and Link.objects.filter(pk=link.pk).exists()


def test_a_link_is_followed_within_an_event_loop_too(link):
    connection.redis().set(counter.link_key(link.slug), link.entry)
    browser = AsyncClient()
    answer = asyncio.run(browser.get(short(link), secure=True))
    assert (answer.status_code, answer["Location"]) == (302, TARGET)
    assert unrolled(link) == {"Direct": 1}


def test_a_click_is_in_the_metrics_under_its_view_and_its_call(browser, link):
    def counted(name, **labels):
        return REGISTRY.get_sample_value(name, labels) or 0

    samples = [
        ("hydra_requests_total", {"view": "follow", "method": "GET", "status": "302"}),
        ("hydra_store_seconds_count", {"store": "redis", "operation": "click"}),
    ]
    browser.get(short(link))
    before = [counted(name, **labels) for name, labels in samples]
    browser.get(short(link))
    assert [counted(name, **labels) for name, labels in samples] == [each + 1 for each in before]
