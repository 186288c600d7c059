"""Machines: they boot, let their owner in, survive what they should, and are told truly."""

import os
import signal

import pytest

from fabfile.localcloud import cgroups, real
from fabfile.localcloud.drivers import DriverError, MachineSpec
from fabfile.localcloud.machines import RealMachines

from .conftest import host_keys, until

pytestmark = pytest.mark.hosts

WEB = "i-0123456789abcdef0"
USER_DATA = b"#!/bin/sh\necho user data speaks\ndate +%s.%N >>/root/ran\n"


@pytest.fixture(scope="module")
def web(ground):
    environment = {"AWS_REGION": "us-west-2", "ODD": 'a "b" 100%'}
    ground.machines.create(ground.spec(WEB, 10, user_data=USER_DATA, environment=environment))
    ground.open(ground.address(10))
    ground.machines.start(WEB)
    yield ground
    ground.machines.destroy(WEB)


def test_its_owner_comes_in_with_the_key_and_the_host_key_of_the_console(web):
    done = web.ssh(WEB, 10, "hostname; sudo id -u")
    assert (done.stdout, done.returncode) == ("host-10\n0\n", 0), done.stderr


def test_the_console_prints_the_very_keys_of_its_sshd(web):
    expected = [line.rpartition(" ")[0] for line in web.said(WEB, "cat /etc/ssh/ssh_host_*_key.pub").splitlines()]
    assert host_keys(web.machines.console(WEB)) == expected


def test_a_machine_with_another_host_key_is_not_talked_to(web):
    web.said(WEB, "cp -a /etc/ssh /root/ssh; rm /etc/ssh/ssh_host_*; ssh-keygen -q -A; systemctl restart ssh")
    done = web.ssh(WEB, 10, "true")
    web.said(WEB, "rm /etc/ssh/ssh_host_*; cp -a /root/ssh/ssh_host_* /etc/ssh; systemctl restart ssh")
    assert (done.returncode, "Host key verification failed" in done.stderr) == (255, True)


def test_all_it_should_start_has_started(web):
    web.said(WEB, "systemctl is-system-running --wait")
    assert web.said(WEB, "systemctl --failed --no-legend") == ""


def test_its_environment_reaches_units_and_logins(web):
    expected = 'AWS_REGION=us-west-2\nODD=a "b" 100%'
    unit = web.said(WEB, "systemd-run --quiet --wait --pipe env | grep -E '^(AWS|ODD)' | sort")
    login = web.ssh(WEB, 10, "env | grep -E '^(AWS|ODD)' | sort").stdout.strip()
    assert (unit, login) == (expected, expected)


def test_user_data_runs_once_in_its_life(web):
    web.said(WEB, "systemctl is-system-running --wait")
    web.machines.reboot(WEB)
    web.said(WEB, "systemctl is-system-running --wait")
    assert len(web.said(WEB, "cat /root/ran").splitlines()) == 1
    assert "user data speaks" in web.said(WEB, "cat /var/log/cloud-init-output.log")
    assert "user data speaks" in web.machines.console(WEB)


def test_stop_and_start_keep_the_disk_and_the_host_key(web):
    web.said(WEB, "echo kept >/root/file")
    web.machines.stop(WEB)
    assert (web.machines.state(WEB), web.machines.cpu(WEB)) == ("stopped", None)
    web.machines.start(WEB)
    assert web.ssh(WEB, 10, "sudo cat /root/file").stdout == "kept\n"


def test_reboot_is_a_new_boot_of_the_same_disk(web):
    before = web.said(WEB, "echo kept >/root/file; cat /proc/sys/kernel/random/boot_id")
    web.machines.reboot(WEB)
    kept, after = web.said(WEB, "cat /root/file /proc/sys/kernel/random/boot_id").splitlines()
    assert (kept, after != before) == ("kept", True)


def test_a_reboot_from_inside_comes_back(web):
    leader = web.machines.leader(WEB)
    web.machines.run(WEB, ["systemctl", "reboot"])
    until(lambda: web.machines.leader(WEB) not in (leader, None))
    web.machines.start(WEB)
    assert web.machines.state(WEB) == "running"


def test_a_machine_whose_init_dies_is_shown_as_stopped(web):
    os.kill(web.machines.leader(WEB), signal.SIGKILL)
    until(lambda: web.machines.state(WEB) == "stopped")
    web.machines.start(WEB)
    assert web.machines.state(WEB) == "running"


def test_a_machine_outlives_its_supervisor_and_is_still_found(web):
    (keeper, *rest) = cgroups.pids(f"{web.machines.group(WEB)}/keeper")
    os.kill(keeper, signal.SIGKILL)
    another = RealMachines(web.place, web.network)
    assert (another.state(WEB), another.leader(WEB), rest) == ("running", web.machines.leader(WEB), [])
    another.stop(WEB)
    assert another.state(WEB) == "stopped"
    another.start(WEB)
    assert web.machines.state(WEB) == "running"


def test_starting_what_runs_changes_nothing(web):
    leader = web.machines.leader(WEB)
    web.machines.create(web.spec(WEB, 10))
    web.machines.start(WEB)
    assert web.machines.leader(WEB) == leader


def test_its_cpu_time_grows_with_its_work(web):
    before = web.machines.cpu(WEB)
    web.said(WEB, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")
    assert web.machines.cpu(WEB) > before


def test_its_memory_is_bounded_if_asked(ground):
    ground.boot("i-small", 30, memory=96)
    greedy = "python3 -c 'bytearray(300 << 20)'; echo ended $?"
    assert ground.said("i-small", greedy) == "ended 137"
    assert ground.machines.state("i-small") == "running"
    ground.machines.destroy("i-small")


def test_a_file_is_put_with_its_mode_and_owner(web):
    web.machines.put(WEB, "/etc/secret", b"\0hush", 0o640, "admin:root")
    assert web.said(WEB, "stat -c '%a %U:%G %s' /etc/secret") == "640 admin:root 5"


def test_what_backs_it_is_told(web):
    backing = web.machines.backing(WEB)
    assert backing["address"] == web.address(10)
    assert backing["pid"] == web.machines.leader(WEB)
    assert 1 < backing["memory"] < 200


def test_what_is_not_there_is_said_in_a_sentence(ground):
    assert ground.machines.state("i-none") == "absent"
    with pytest.raises(DriverError, match="there is no machine i-none"):
        ground.machines.start("i-none")
    with pytest.raises(DriverError, match="i-none does not run"):
        ground.machines.run("i-none", ["true"])


def test_an_unknown_login_is_refused_before_anything_runs(ground):
    spec = MachineSpec("i-odd", "debian-12", ground.address(31), "odd", login="ubuntu", authorized_keys=("ssh-x y",))
    with pytest.raises(DriverError, match="no login ubuntu"):
        ground.machines.create(spec)
    assert ground.machines.state("i-odd") == "absent"


def test_destroy_leaves_nothing_of_it_and_may_be_repeated(ground):
    ground.boot("i-gone", 32)
    ground.machines.destroy("i-gone")
    ground.machines.destroy("i-gone")
    left = [trace for trace in real.traces(ground.place) if "i-gone" in trace or trace.endswith("-0020")]
    assert (left, ground.machines.state("i-gone"), ground.machines.folder("i-gone").exists()) == ([], "absent", False)


def test_a_sweep_finds_all_by_name_alone(ground):
    ground.boot("i-lost", 33)
    ground.disks.create("vol-lost", 1)
    ground.disks.attach("vol-lost", "i-lost", "/dev/sdf")
    assert any(trace.startswith("loop device") for trace in real.traces(ground.place))
    real.sweep(ground.place, files=True)
    assert (real.traces(ground.place), ground.place.home.exists()) == ([], False)
    assert real.sweep(ground.place, files=True) == []
