"""Every click is in MySQL once: whoever is killed, however many work, whatever Redis comes back with."""

import os
import signal
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from django.core.management import CommandError, call_command
from django.db import connection as mysql
from django.utils import timezone
from pydantic import SecretStr
from redis.exceptions import RedisError

from tests.web.durable import PASSWORD, DurableRedis
from tests.web.linked import end_the_minute
from webapp.links import connection, counter, rollup
from webapp.links.models import Day, LateClick, Link, Minute, Rollup, Source, Total
from webapp.links.rollup import roll_up
from webapp.links.visits import Visit
from webapp.users.models import User

pytestmark = pytest.mark.usefixtures("fresh_links")


@pytest.fixture
def links(db, new_name):
    """Three links of one owner."""
    owner = User.objects.create_user(new_name(), "", None)
    return [Link.objects.make(owner, f"https://example.org/{number}") for number in range(3)]


@pytest.fixture
def durable(servers, settings, new_name):
    """The links' Redis is one that keeps files."""
    redis = DurableRedis(servers.folder / new_name("redis"))
    redis.start()
    changes = {"redis_url": redis.url, "redis_password": SecretStr(PASSWORD)}
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=changes)
    connection.forget()
    yield redis
    redis.kill()


def click(link, visitor="a" * 32, family="Direct", times=1):
    visit = Visit(visitor, family)
    for _ in range(times):
        assert (counter.click(link.slug, visit) or counter.click(link.slug, visit, link.entry)) == link.target.encode()


def totals(links):
    """The clicks of each link, which all tables must agree about."""
    found = dict(Total.objects.filter(link__in=links).values_list("link_id", "clicks"))
    for model in (Day, Minute, Source):
        sums = {}
        for link, clicks in model.objects.filter(link__in=links).values_list("link_id", "clicks"):
            sums[link] = sums.get(link, 0) + clicks
        assert sums == found, model
    return [found.get(link.pk, 0) for link in links]


def test_what_was_counted_is_in_every_table(links):
    one, two, _ = links
    click(one, "a" * 32, "Google", 3)
    click(one, "b" * 32, "Direct", 2)
    click(two, "a" * 32)
    end_the_minute()
    assert roll_up().clicks == 6
    assert totals(links) == [5, 1, 0]
    assert dict(Source.objects.filter(link=one).values_list("family", "clicks")) == {"Google": 3, "Direct": 2}
    assert [Total.objects.get(link=link).visitors for link in (one, two)] == [2, 1]
    assert list(connection.redis().scan_iter("clicks:*")) == []


def test_the_minute_that_is_still_running_is_left_alone(links):
    click(links[0])
    minutes = {connection.redis().time()[0] // 60}
    assert roll_up().clicks == 0 or connection.redis().time()[0] // 60 not in minutes


def test_batches_add_up_and_visitors_are_counted_once(links):
    for visitors in ("ab", "bc", "abc"):
        for visitor in visitors:
            click(links[0], visitor * 32)
        end_the_minute()
        roll_up()
    assert totals(links) == [7, 0, 0]
    total = Total.objects.get(link=links[0])
    assert (total.visitors, Day.objects.get(link=links[0]).visitors) == (3, 3)
    assert Minute.objects.filter(link=links[0]).count() <= 2  # the test may run over the end of a minute


def test_visitors_survive_a_redis_that_is_emptied(links):
    for visitor in "abc":
        click(links[0], visitor * 32)
    end_the_minute()
    roll_up()
    connection.redis().flushall()
    click(links[0], "a" * 32)
    click(links[0], "d" * 32)
    end_the_minute()
    roll_up()
    assert Total.objects.get(link=links[0]).visitors == 4
    assert counter.unrolled(links[0].pk)[1] == 4


def test_a_sketch_that_is_none_holds_up_no_clicks(links):
    Total.objects.create(link=links[0], clicks=4, visitors=4, sketch=b"nonsense")
    Day.objects.create(link=links[0], day=timezone.now().date(), clicks=4, visitors=4, sketch=b"HYLL nonsense")
    click(links[0])
    end_the_minute()
    assert roll_up().clicks == 1
    total = Total.objects.get(link=links[0])
    assert (total.clicks, total.visitors) == (5, 1)


def test_a_batch_that_fails_holds_up_no_other(links):
    click(links[0])
    end_the_minute()
    (name,) = counter.closed_batches()
    connection.redis().rename(f"clicks:{name}", "kept")
    connection.redis().set(f"clicks:{name}", "no hash")
    click(links[1], times=2)
    end_the_minute()
    with pytest.raises(RedisError, match="WRONGTYPE"):
        roll_up()
    assert totals(links) == [0, 2, 0]
    connection.redis().rename("kept", f"clicks:{name}")
    roll_up()
    assert totals(links) == [1, 2, 0]


def test_many_visitors_are_counted_nearly(links):
    with connection.redis().pipeline(transaction=False) as pipeline:
        day = rollup.day_number(datetime.now(UTC).date())
        for number in range(20_000):
            pipeline.pfadd(counter.visitors_key(links[0].pk, day), f"{number:032x}")
        pipeline.execute()
    click(links[0], f"{0:032x}")
    end_the_minute()
    roll_up()
    assert Total.objects.get(link=links[0]).visitors == pytest.approx(20_000, rel=0.03)


def test_a_batch_is_cut_into_parts_which_are_added_once(links, monkeypatch):
    monkeypatch.setattr(rollup, "PART", 2)
    one, two, three = (link.pk for link in links)
    connection.redis().hset("clicks:100-1-a", mapping={f"{link}|Direct": 1 for link in (three, one, two)})
    connection.redis().sadd(counter.BATCHES, "100-1-a")
    roll_up()
    assert totals(links) == [1, 1, 1]
    assert list(Rollup.objects.values_list("part", "first_link", "last_link")) == [(0, one, two), (1, three, three)]
    assert set(Minute.objects.values_list("at", flat=True)) == {datetime(1970, 1, 1, 1, 40, tzinfo=UTC)}


def test_clicks_on_a_link_that_was_deleted_meanwhile_hold_up_nobody(links):
    for link in links:
        click(link)
    end_the_minute()
    gone = links[1].pk
    links[1].delete()
    assert roll_up().clicks == 2
    assert not list(connection.redis().scan_iter(f"visitors:{gone}:*"))


def test_old_minutes_and_rollups_are_swept_out_and_days_are_kept(links, monkeypatch):
    monkeypatch.setattr(rollup, "SWEPT", 2)
    now = timezone.now()
    for age in (1, 89, 91, 92, 93, 94, 95):
        Minute.objects.create(link=links[0], at=now - timedelta(days=age), clicks=1)
    Day.objects.create(link=links[0], day=now.date() - timedelta(days=1000), clicks=1)
    assert rollup.sweep(now, lambda: True) == 0
    assert rollup.sweep(now) == 5
    assert (Minute.objects.count(), Day.objects.count()) == (2, 1)


# --- killed, crowded, brought back


class Killer:
    """Ends this process by SIGKILL before its so-manieth word to MySQL or Redis."""

    def __init__(self, number):
        self.left = number

    def __call__(self):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, monkeypatch):
        mysql.execute_wrappers.append(lambda execute, *told: (self(), execute(*told))[1])
        commit = mysql._commit
        monkeypatch.setattr(mysql, "_commit", lambda: (self(), commit())[1])
        kind = connection.clicks().connection_class
        send = kind.send_packed_command
        monkeypatch.setattr(kind, "send_packed_command", lambda *told, **more: (self(), send(*told, **more))[1])


def in_child(act):
    """Run `act` in a fork; gives a function that waits for it and tells whether it came to its end."""
    mysql.close()
    child = os.fork()
    if not child:
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    return lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_anywhere_loses_nothing_and_doubles_nothing(links, monkeypatch):
    monkeypatch.setattr(rollup, "PART", 2)
    sent, minute = [0, 0, 0], timezone.now().replace(second=0, microsecond=0)

    def work(number):
        Killer(number).watch(monkeypatch)
        roll_up()

    for number in count(1):
        for which, link in enumerate(links):
            click(link, f"{number:032x}", times=which + 1)
            sent[which] += which + 1
        end_the_minute()
        LateClick.objects.create(link_id=links[0].pk, at=minute, family="Google", visitor="f" * 32)
        sent[0] += 1
        ended = in_child(lambda number=number: work(number))()
        assert ended in (0, -signal.SIGKILL)
        if ended == 0:
            break
        if number % 3:  # sometimes the next one that is killed finds what two have left
            roll_up()
            assert totals(links) == sent
    roll_up()
    assert totals(links) == sent
    assert number > 20
    assert Total.objects.get(link=links[0]).visitors == pytest.approx(number + 1, abs=2)


@pytest.mark.django_db(transaction=True)
def test_workers_side_by_side_add_each_click_once(links):
    sent = 0
    for _ in range(20):
        for link in links:
            click(link)
        end_the_minute()
        LateClick.objects.create(link_id=links[0].pk, at=timezone.now(), family="Direct", visitor="a" * 32)
        sent += 1
    children = [in_child(roll_up) for _ in range(4)]
    for wait in children:
        wait()
    roll_up()  # what a deadlock kept one of them from
    assert totals(links) == [2 * sent, sent, sent]


def test_the_second_of_two_commands_leaves_the_work_to_the_first(links, capfd):
    click(links[0])
    end_the_minute()
    other = mysql.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", [rollup.lock_name()])
    call_command("rolluplinks")
    assert "Another worker" in capfd.readouterr().out
    assert totals(links) == [0, 0, 0]
    other.close()  # as the end of a process does
    call_command("rolluplinks")
    assert capfd.readouterr().out == "1 batches with 1 clicks rolled up, and 0 late clicks.\n"


def test_a_redis_that_is_killed_comes_back_with_every_click_that_was_answered(links, durable):
    for number in range(500):
        click(links[number % 3])
    durable.kill()
    durable.start()
    connection.forget()
    end_the_minute()
    roll_up()
    assert sum(totals(links)) == 500


def test_a_redis_that_comes_back_with_older_files_counts_nothing_twice(links, durable):
    click(links[0], times=10)  # rolled up after the copy
    durable.remember()
    click(links[0], times=2)
    end_the_minute()
    roll_up()
    click(links[1], times=3)  # nowhere but in Redis: lost with what it had not synced
    assert totals(links) == [12, 0, 0]

    durable.kill()
    durable.put_back()
    durable.start()
    connection.forget()
    click(links[2])
    end_the_minute()
    roll_up()
    end_the_minute()
    roll_up()
    assert totals(links)[:2] == [12, 0]


def test_the_command_says_what_is_wrong_in_one_line(links, no_redis):
    no_redis()
    with pytest.raises(CommandError, match="run it again"):
        call_command("rolluplinks")
    with pytest.raises(CommandError, match="from 1 to 3600"):
        call_command("rolluplinks", every=0)
