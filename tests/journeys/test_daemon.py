"""The local cloud killed, stopped and started again under a stage in service: all is found again, nothing is lost."""

import json
import subprocess
import sys
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.cloud.conftest import until

from .person import ROOT

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def account(ada):
    """The name of an account made before anything happens to the cloud."""
    ada.fab("local sdb.adduser hopper --password-stdin", feed="nanoseconds are this long\n")
    return "hopper"


def answers(person):
    """Whether the application does, database and Redis and all."""
    try:
        with urlopen(f"http://{person.machines()[0]['PrivateIpAddress']}/readyz", timeout=5) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def test_a_killed_daemon_is_started_by_the_next_command_and_finds_all_again(ada, account):
    before = json.loads(ada.fab("local ec2.list --json").out)
    address = before[0]["address"]
    ada.kill_daemon()
    with urlopen(f"http://{address}/healthz", timeout=5) as answer:
        assert answer.status == 200  # machines live on without it

    told = ada.fab("local ec2.list --json")
    assert json.loads(told.out) == before and "starting the local cloud" in told.err
    assert account in ada.fab(f"local sdb.find {account}").out
    assert "0 will change, 0 may change, 33 as wanted" in ada.fab("local plan").out
    assert answers(ada)


def test_stopped_and_started_the_machines_boot_and_the_application_answers(ada, account):
    assert ada.fab("local cloud.stop").out.startswith("the local cloud is stopped")
    assert json.loads(ada.fab("local cloud.status --json").out)["running"] is False
    assert not [row for row in ada.fab("local cloud.status").out.splitlines() if "i-" in row]

    ada.fab("local cloud.start")
    until(lambda: answers(ada), seconds=90)
    assert account in ada.fab(f"local sdb.find {account}").out
    said = ada.inside(ada.machines()[0]["InstanceId"])
    assert said("findmnt -no TARGET -T /volume/redis") == "/volume"
    assert "0 will change, 0 may change, 33 as wanted" in ada.fab("local plan").out


def test_an_endpoint_that_is_not_on_this_machine_is_refused(ada):
    file = ada.place.home / "endpoint.json"
    known = file.read_text()
    file.write_text(json.dumps(json.loads(known) | {"url": "http://192.0.2.1:4666"}))
    try:
        for line in ("status", "up", "ec2.list", "cloud.status", "cloud.start"):
            assert "http://192.0.2.1:4666 is not on this machine" in ada.refused(f"local {line}")
    finally:
        file.write_text(known)


def test_a_second_daemon_for_the_same_cloud_says_one_sentence_and_changes_nothing(ada):
    before = ada.endpoint
    argv = [sys.executable, str(ROOT / "fabfile/localcloud"), "--port", "0"]
    done = subprocess.run(argv, env=ada.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "another daemon serves" in done.stderr
    assert ada.endpoint == before
