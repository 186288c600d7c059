"""The main story on a real machine: build, deploy, sign in; all again for nothing; lose the machine, keep the data."""

import csv
import http.cookiejar
import io
import json
import os
import re
import signal
from urllib.parse import urlencode
from urllib.request import Request

import pytest

from script.visit import Browser, Fields
from tests.cloud.conftest import until

from . import power
from .clicks import Clicks
from .person import ROOT

pytestmark = pytest.mark.hosts

NAME, PASSWORD, NEW_PASSWORD = "Grace", "a compiler of her own", "a language for everyone"
ARTICLE = {
    "rds.status": "db_status",
    "cloudwatch.cpu": "get_cpu_stats",
    "ec2.launch --plan": "launch_ec2_instance --plan",
    "ebs.create --plan": "create_ebs_volume --plan",
    "ebs.mount --plan": "mount_ebs_volume --plan",
    "rds.create --plan": "initialize_db --plan",
    "sdb.create --plan": "create_user_domains --plan",
    "deploy.packages --plan": "setup_packages --plan",
    "deploy --plan": "deploy.release --plan",
}


def browser(person):
    """A new visitor of the application."""
    return Browser(f"http://{person.machines()[0]['PrivateIpAddress']}")


def with_session(person, session):
    """A visitor with a session from before, as a browser keeps it for a name that now leads to another machine."""
    visitor = browser(person)
    host = visitor.url.removeprefix("http://")
    more = {"port": None, "port_specified": False, "domain_initial_dot": False, "path_specified": True}
    more |= {"secure": False, "expires": None, "discard": True, "comment": None, "comment_url": None, "rest": {}}
    cookie = http.cookiejar.Cookie(0, "sessionid", session, domain=host, domain_specified=True, path="/", **more)
    visitor.jar.set_cookie(cookie)
    return visitor


def sign_out(visitor):
    """Press the button that stands on every page."""
    page = Fields()
    page.feed(visitor.get("/"))
    there = visitor.url + "/sign-out/"
    visitor.opener.open(Request(there, urlencode(page.found).encode(), {"Referer": visitor.url + "/"}), timeout=20)


@pytest.fixture(scope="module")
def session(ada):
    """The session of an account made with `sdb.adduser`, signed in through the login page, its password changed."""
    ada.fab(f"local sdb.adduser {NAME} --password-stdin", feed=PASSWORD + "\n")
    visitor = browser(ada)
    visitor.sign_in(NAME, PASSWORD)
    fields = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    visitor.submit("/password/", **fields)
    return visitor.session


def test_an_account_signs_in_changes_its_password_and_signs_out(ada, session):
    page = with_session(ada, session).get("/")
    assert NAME in page and "Sign out" in page

    other = browser(ada)
    with pytest.raises(SystemExit):
        other.sign_in(NAME, PASSWORD)
    other.sign_in(NAME, NEW_PASSWORD)
    gone = other.session
    sign_out(other)
    assert "Sign out" not in with_session(ada, gone).get("/")
    assert "Sign out" in with_session(ada, session).get("/")


def test_what_is_built_asks_for_nothing_more(ada):
    for line in ("up", "setup_packages", "deploy", "sdb.create"):
        told = ada.fab(f"local {line}")
        assert "✓" not in told.out and "✗" not in told.out, told.out
    steps = json.loads(ada.fab("local plan --json").out)
    assert {row["state"] for row in steps} == {"no"} and len(steps) == 33
    assert all(row.startswith("in place") for row in ada.fab("local status").out.splitlines())


@pytest.mark.parametrize(("room", "article"), ARTICLE.items(), ids=ARTICLE.values())
def test_both_spellings_of_a_task_do_the_same(ada, room, article):
    assert ada.fab(f"local {room}").out.splitlines()[0] == ada.fab(f"local {article}").out.splitlines()[0]


def test_a_task_works_from_a_folder_below(ada):
    assert "available" in ada.fab("local db_status", cwd=ROOT / "webapp/users").out


def test_a_machine_can_sign_in_to_mysql_8_4_as_well_as_to_its_stand_in(ada):
    said = ada.inside(ada.machines()[0]["InstanceId"])
    assert said("find /usr/lib -path '*mariadb3/plugin/caching_sha2_password.so' | wc -l") == "1"


def test_sessions_are_on_the_volume_and_outlive_redis(ada, session):
    said = ada.inside(ada.machines()[0]["InstanceId"])
    assert said("findmnt -no TARGET -T /volume/redis/appendonlydir") == "/volume"
    assert said("systemctl show redis-server -p MainPID --value | xargs -I% readlink /proc/%/cwd") == "/volume/redis"

    said("systemctl kill -s KILL redis-server; systemctl restart redis-server")
    until(lambda: "Sign out" in with_session(ada, session).get("/"))


def test_a_machine_whose_power_fails_is_brought_back_with_its_data(ada, session):
    machine, url = ada.machines()[0]["InstanceId"], browser(ada).url
    slug = with_session(ada, session).submit("/links/new/", target="https://example.org/")[0].split("/")[-2]
    with Clicks(f"{url}/l/{slug}", rate=50) as clicks:
        until(lambda: len(clicks.answered) > 50)
        clicks.wait(3)
        power.tear(ada.inside(machine))
        before, after = power.cut(ada.place, machine)
    for row in json.loads(ada.fab("local cloud.status --json").out)["machines"]:
        if row["backing"]["pid"]:
            lose(row["backing"]["pid"])
    until(lambda: ada.machines()[0]["State"]["Name"] == "stopped")
    assert "machine local-web" in ada.fab("local plan", code=2).out

    ada.fab("local up")
    assert ada.machines()[0]["InstanceId"] == machine
    until(lambda: "Sign out" in with_session(ada, session).get("/"))
    assert "0 will change" in ada.fab("local plan").out

    # Redis writes once a second; how long that takes is its disk's affair.
    old = [click for click in clicks.answered if click.ended < before - 3]
    counted = shown(with_session(ada, session), slug)
    assert 0 < len(old) <= counted <= sum(click.sent < after for click in clicks.made)
    power.end_the_minute(ada.inside(machine))
    assert rolled_up(with_session(ada, session), slug) == shown(with_session(ada, session), slug) == counted


def shown(visitor, slug):
    """The clicks that the link's page shows."""
    return int(re.search(r'Clicks</h2><p class="big">([\d,]+)', visitor.get(f"/links/{slug}/"))[1].replace(",", ""))


def rolled_up(visitor, slug):
    """The link's clicks in MySQL."""
    (row,) = [row for row in csv.DictReader(io.StringIO(visitor.get("/links/links.csv"))) if slug in str(row)]
    return int(row["clicks"])


def lose(pid):
    """A machine's init is killed; a database's, for its disk is of no interest here."""
    os.kill(pid, signal.SIGKILL)


def test_a_machine_that_is_gone_is_replaced_and_the_data_kept(ada, session):
    machine, volume = ada.machines()[0]["InstanceId"], ada.volumes()[0]["VolumeId"]
    ec2 = ada.client("ec2")
    ec2.terminate_instances(InstanceIds=[machine])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[machine], WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    assert "launch a t3.small" in ada.fab("local plan", code=2).out

    for line in ("up", "setup_packages", "deploy"):
        ada.fab(f"local {line}")

    (new,), (kept,) = ada.machines(), ada.volumes()
    assert new["InstanceId"] != machine
    assert kept["VolumeId"] == volume and kept["Attachments"][0]["InstanceId"] == new["InstanceId"]
    assert NAME in with_session(ada, session).get("/")
    browser(ada).sign_in(NAME, NEW_PASSWORD)
