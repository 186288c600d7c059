"""Starting, finding and ending the daemon, and the tasks that do it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from fabfile.engine.errors import Failure
from fabfile.localcloud import daemon, tasks
from fabfile.localcloud.place import Place
from tests.cloud.endpoint import ROOT, endpoint


@pytest.fixture
def place(tmp_path):
    """A place with a free port; whatever runs there is ended."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    place = Place("test", tmp_path / "home", tmp_path / "cache", port)
    yield place
    daemon.kill(place)


@pytest.fixture
def said():
    return []


def test_the_daemon_is_started_once_and_found_again(place, said):
    first = daemon.ensure(place, said.append, drivers="memory")
    second = daemon.ensure(place, said.append, drivers="memory")
    assert first == second
    assert said == [f"starting the local cloud ({place.home})"]
    assert first.url == f"http://127.0.0.1:{place.port}"


def test_two_starts_at_once_make_one_daemon(place, said):
    found = []
    starts = [
        threading.Thread(target=lambda: found.append(daemon.ensure(place, said.append, drivers="memory")))
        for _ in range(3)
    ]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert len(found) == 3
    assert len({one.pid for one in found}) == len(daemon.pids(place)) == 1


def test_without_a_daemon_nothing_is_found_and_nothing_stopped(place):
    assert daemon.endpoint(start=False, place=place) is None
    assert daemon.stop(place) is False
    assert not place.home.exists()


def test_a_stop_ends_it(place, said):
    daemon.ensure(place, said.append, drivers="memory")
    assert daemon.stop(place) is True
    assert daemon.running(place) is None
    assert daemon.pids(place) == []


def test_a_daemon_that_was_killed_is_not_taken_for_running(place, said):
    found = daemon.ensure(place, said.append, drivers="memory")
    os.kill(found.pid, signal.SIGKILL)
    daemon.kill(place)  # waits for its end
    assert daemon.running(place) is None
    assert daemon.ensure(place, said.append, drivers="memory").pid != found.pid


def test_a_port_in_use_is_one_sentence(place, said):
    with socket.socket() as one:
        one.bind(("127.0.0.1", place.port))
        one.listen()
        with pytest.raises(Failure) as failure:
            daemon.ensure(place, said.append, drivers="memory")
    assert f"port {place.port} is in use by" in str(failure.value)
    assert f"(pid {os.getpid()})" in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_daemon_that_lost_its_files_is_stopped_all_the_same(place, said):
    found = daemon.ensure(place, said.append, drivers="memory")
    (place.home / "endpoint.json").unlink()
    assert daemon.pids(place) == [found.pid]
    assert daemon.stop(place) is True


def test_a_cloud_keeps_the_drivers_it_was_made_with(place, said):
    daemon.ensure(place, said.append, drivers="memory")
    daemon.stop(place)
    with pytest.raises(Failure, match="was made with memory drivers, not processes: start it as it was made"):
        daemon.ensure(place, said.append, drivers="processes")


def test_a_cloud_without_machines_is_started_again_as_it_was(place, said):
    daemon.ensure(place, said.append, drivers="processes")
    daemon.stop(place)
    assert daemon.ensure(place, said.append).drivers == "processes"


def test_the_users_own_aws_settings_do_not_matter(place, said, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "of-nobody")
    assert daemon.ensure(place, said.append, drivers="memory")


def test_the_secret_is_not_in_what_is_printed(place, said):
    found = daemon.ensure(place, said.append, drivers="memory")
    assert found.secret_key not in repr(found)
    assert found.secret_key not in Path(f"/proc/{found.pid}/cmdline").read_text()


def test_destroy_leaves_nothing_whether_it_runs_or_not(place, said):
    daemon.ensure(place, said.append, drivers="memory")
    tasks.erase(place)
    assert daemon.pids(place) == []
    assert not place.home.exists()
    tasks.erase(place)
    daemon.ensure(place, said.append, drivers="memory")
    daemon.kill(place)
    (place.home / "state").unlink()
    tasks.erase(place)
    assert not place.home.exists()


def test_the_environment_is_enough_for_any_client(place, said):
    found = daemon.ensure(place, said.append, drivers="memory")
    code = "import boto3; print(boto3.client('ec2').describe_vpcs()['Vpcs'][0]['CidrBlock'])"
    environment = {"PATH": os.environ["PATH"], **tasks.variables(found)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "127.213.0.0/16"


def test_the_tasks_load_nothing_heavy():
    code = "import sys, fabfile.localcloud.tasks; print({'moto', 'boto3', 'flask'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_status_as_json_says_that_nothing_runs(place):
    environment = {**os.environ, "HYDRA_HOME": str(place.home), "HYDRA_PORT": str(place.port)}
    fab = [sys.executable, "-m", "fabric", "cloud.status", "--json"]
    done = subprocess.run(fab, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"running": False, "home": str(place.home)}


def test_destroy_is_not_done_unasked(place):
    environment = {**os.environ, "HYDRA_HOME": str(place.home), "HYDRA_PORT": str(place.port)}
    fab = [sys.executable, "-m", "fabric", "cloud.destroy"]
    done = subprocess.run(fab, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 1
    assert "say so with --yes" in done.stderr


def test_without_machines_instances_and_volumes_say_so():
    with endpoint(drivers="processes") as cloud:
        ec2 = cloud.client("ec2")
        image = ec2.describe_images()["Images"][0]["ImageId"]
        with pytest.raises(ClientError, match=r"\(Unsupported\).*runs without machines"):
            ec2.run_instances(ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1)
        with pytest.raises(ClientError, match=r"\(Unsupported\).*runs without machines"):
            ec2.create_volume(AvailabilityZone="us-west-2a", Size=1)
        assert ec2.describe_instances()["Reservations"] == []
