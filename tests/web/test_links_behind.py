"""MySQL behind Redis: how that is told, and that nothing is lost or doubled when the worker comes back."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from tests.web.conftest import Browser
from tests.web.linked import end_the_minute, unrolled
from webapp.links import connection, counter
from webapp.links.models import Day, LateClick, Link, Minute, Total
from webapp.links.rollup import roll_up
from webapp.links.statistics import figures_of
from webapp.users.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_links")]


def follow(link, times=1, **more):
    for _ in range(times):
        assert Browser(**more).get(f"/l/{link.slug}").status_code == 302


def wait_in_redis(link, minutes):
    """As if so many minutes had passed since the worker's last pass, each with one click by a visitor of its own."""
    now = connection.redis().time()[0] // 60
    with connection.redis().pipeline(transaction=False) as pipeline:
        for minute in range(now - minutes, now):
            pipeline.hset(f"clicks:{minute}-1-a", f"{link.pk}|Direct", 1)
            pipeline.sadd(counter.BATCHES, f"{minute}-1-a")
            pipeline.pfadd(counter.visitors_key(link.pk, minute // 1440), f"visitor {minute}")
        pipeline.execute()


def told(client):
    """The numbers of ours that /metrics shows, by name."""
    lines = client.get("/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.partition(" ") for line in lines) if "hydra_links" in name}


def test_a_day_that_waits_in_redis_is_shown_whole(link):
    wait_in_redis(link, 1440)
    figures = figures_of(link.pk)
    assert figures.clicks == sum(clicks for _, clicks in figures.days) == 1440
    assert sum(clicks for _, clicks in figures.minutes) >= 59


def test_every_minute_of_an_outage_is_in_mysql_under_its_own_time(link):
    wait_in_redis(link, 90)
    shown = figures_of(link.pk)
    assert roll_up().clicks == 90
    after = figures_of(link.pk)
    assert (after.clicks, after.days) == (shown.clicks, shown.days)
    # A minute may end between the two.
    assert dict(shown.minutes[1:-1]).items() <= dict(after.minutes).items()
    assert Minute.objects.filter(link=link, clicks=1).count() == 90
    assert Total.objects.get(link=link).visitors == pytest.approx(90, abs=3)
    assert list(connection.redis().scan_iter("clicks:*")) == []


def test_the_metrics_tell_how_old_the_oldest_waiting_click_is(client, link):
    assert told(client) == {"hydra_links_waiting_seconds": 0, "hydra_links_waiting_batches": 0}
    wait_in_redis(link, 5)
    late = told(client)
    assert 240 <= late["hydra_links_waiting_seconds"] <= 360 and late["hydra_links_waiting_batches"] == 5
    call_command("rolluplinks")
    done = told(client)
    assert (done["hydra_links_waiting_seconds"], done["hydra_links_waiting_batches"]) == (0, 0)
    assert done["hydra_links_pass_age_seconds"] < 60


def test_the_running_minute_is_not_late(client, link):
    follow(link)
    assert told(client)["hydra_links_waiting_seconds"] < 60


def test_a_worker_that_stopped_is_seen_by_the_age_of_its_last_pass(client):
    connection.redis().set(counter.PASSED, connection.redis().time()[0] - 3600)
    assert 3600 <= told(client)["hydra_links_pass_age_seconds"] < 3700


def test_without_redis_the_other_metrics_are_told(client, no_redis):
    no_redis()
    assert told(client) == {}
    assert "hydra_store_seconds" in client.get("/metrics").text


def test_totals_go_on_from_mysql_when_redis_is_emptied(browser, link):
    follow(link, 3)
    end_the_minute()
    roll_up()
    connection.redis().flushall()
    follow(link, 2, REMOTE_ADDR="198.51.100.7")
    figures = figures_of(link.pk)
    assert (figures.clicks, figures.visitors) == (5, 1)  # the visitors of before are known again with the next pass
    end_the_minute()
    roll_up()
    figures = figures_of(link.pk)
    assert (figures.clicks, figures.visitors, figures.today) == (5, 2, 2)


def test_clicks_that_were_lost_with_redis_leave_no_negative_and_no_double(link):
    follow(link, 4)
    end_the_minute()
    (name,) = counter.closed_batches()
    roll_up()
    # Redis comes back with what it had a second earlier: the batch with fewer clicks than MySQL has of it by now.
    connection.redis().hset(f"clicks:{name}", f"{link.pk}|Direct", 3)
    connection.redis().sadd(counter.BATCHES, name)
    connection.redis().set(counter.OPEN, name)
    assert figures_of(link.pk).clicks == 4
    end_the_minute()
    assert roll_up().clicks == 0
    assert Total.objects.get(link=link).clicks == 4
    follow(link)
    assert figures_of(link.pk).clicks == 5


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_machine_whose_clock_is_wrong_counts_by_that_of_redis(link, monkeypatch, hours):
    wrong, now = timedelta(hours=hours), time.time
    monkeypatch.setattr(time, "time", lambda: now() + hours * 3600)
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + wrong)
    follow(link, 2)
    figures = figures_of(link.pk)
    assert abs(figures.at - datetime.now(UTC)) < timedelta(minutes=1)
    assert sum(clicks for _, clicks in figures.minutes[-2:]) == 2
    end_the_minute()
    roll_up()
    assert sum(clicks for _, clicks in figures_of(link.pk).minutes[-2:]) == 2
    assert {day.day for day in Day.objects.filter(link=link)} <= {
        (figures.at + timedelta(minutes=n)).date() for n in (-1, 1)
    }


def test_an_owner_who_is_deleted_takes_the_clicks_along_that_wait(owner, link, new_name):
    other = Link.objects.make(User.objects.create_user(new_name(), "", None), link.target)
    for each in (link, other):
        follow(each)
        LateClick.objects.create(link_id=each.pk, at=timezone.now(), family="Direct", visitor="a" * 32)
    end_the_minute()
    owner.delete()
    done = roll_up()
    assert (done.clicks, done.late) == (1, 2)
    assert list(Total.objects.values_list("link_id", "clicks")) == [(other.pk, 2)]
    assert unrolled(link) == {} and not LateClick.objects.exists()
    assert not list(connection.redis().scan_iter(f"visitors:{link.pk}:*"))
