"""A real machine with systemd, logged in to as admin: units enabled, started, restarted when what they read changes."""

import pytest

from fabfile.engine.errors import Failure
from fabfile.engine.operations import Command, File, Package, Service

pytestmark = pytest.mark.hosts

UNIT = "/etc/systemd/system/hydra-test.service"
SETTING = "/etc/hydra-test"
TEXT = f"""[Unit]
Description=A service of the tests
[Service]
ExecStart=/bin/sh -c 'cp {SETTING} /run/hydra-test; exec sleep infinity'
[Install]
WantedBy=multi-user.target
"""


def wanted(setting="one", text=TEXT):
    return (File(UNIT, text), File(SETTING, setting), Service("hydra-test", restart_for=(SETTING, UNIT)))


def states(outcomes):
    return [outcome.state for outcome in outcomes]


def shown(pool, machine, *properties):
    command = " ".join(f"systemctl show -P {name} hydra-test;" for name in properties)
    return pool.run(machine, command).out.split("\n")[:-1]


def test_a_new_unit_is_enabled_and_started_and_then_left_alone(machine, pool):
    first = pool.apply(machine, wanted())
    pid = shown(pool, machine, "MainPID")
    second = pool.apply(machine, wanted())

    assert states(first) == ["changed"] * 3
    assert states(second) == ["ok"] * 3
    assert shown(pool, machine, "UnitFileState", "ActiveState") == ["enabled", "active"]
    assert shown(pool, machine, "MainPID") == pid


def test_a_change_of_what_it_reads_restarts_it(machine, pool):
    pool.apply(machine, wanted())
    pid = shown(pool, machine, "MainPID")

    looked, made = pool.facts(machine, wanted("two")), pool.apply(machine, wanted("two"))

    assert looked[2].detail == made[2].detail == f"to be restarted for {SETTING}"
    assert states(made) == ["ok", "changed", "changed"]
    assert shown(pool, machine, "MainPID") != pid
    assert states(pool.facts(machine, wanted("two"))) == ["ok"] * 3


def test_a_run_cut_off_before_the_restart_is_finished_by_the_next(machine, pool):
    pool.apply(machine, wanted())
    unit, setting, service = wanted("three")
    cut = Command("be cut off", "false")

    pool.apply(machine, (unit, setting, cut, service))
    pid = shown(pool, machine, "MainPID")
    outcomes = pool.apply(machine, (unit, setting, service))

    assert states(outcomes) == ["ok", "ok", "changed"]
    assert shown(pool, machine, "MainPID") != pid


def test_a_changed_unit_file_is_read_anew(machine, pool):
    pool.apply(machine, wanted())

    outcomes = pool.apply(machine, wanted(text=TEXT.replace("of the tests", "read anew")))

    assert states(outcomes) == ["changed", "ok", "changed"]
    assert shown(pool, machine, "Description", "NeedDaemonReload") == ["A service read anew", "no"]


def test_a_unit_that_will_not_start_fails_with_its_own_last_words(machine, pool):
    text = TEXT.replace("ExecStart=", "ExecStartPre=/bin/sh -c 'echo no room at the inn; exit 1'\nExecStart=")

    outcomes = pool.apply(machine, wanted(text=text))

    assert outcomes[2].state == "failed"
    assert "no room at the inn" in outcomes[2].detail


def test_a_unit_that_shall_not_run_is_stopped_and_disabled(machine, pool):
    pool.apply(machine, wanted())

    outcomes = pool.apply(machine, (Service("hydra-test", enabled=False, active=False),))

    assert states(outcomes) == ["changed"]
    assert shown(pool, machine, "UnitFileState", "ActiveState") == ["disabled", "inactive"]


def test_a_package_brings_its_service(machine, pool):
    operations = (Package("cron"), Service("cron"))

    assert states(pool.apply(machine, operations)) == ["changed", "changed"]
    assert states(pool.apply(machine, operations)) == ["ok", "ok"]


def test_a_machine_restarts_and_comes_back(machine, pool):
    read = "cat /proc/sys/kernel/random/boot_id"
    before = pool.run(machine, read).out

    pool.reboot(machine)

    assert pool.run(machine, read).out != before
    assert states(pool.facts(machine, (Service("ssh"),))) == ["ok"]


def test_a_login_that_may_not_become_root_is_said_so(machine, pool, ground):
    ground.said("i-machine", "mv /etc/sudoers.d /etc/sudoers.off")
    try:
        for act in (lambda: pool.facts(machine, wanted()), lambda: pool.run(machine, "true")):
            with pytest.raises(Failure, match="machine: admin cannot become root there .*let it use sudo"):
                act()
    finally:
        ground.said("i-machine", "mv /etc/sudoers.off /etc/sudoers.d")
