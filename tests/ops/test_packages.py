"""Packages and users on a real machine, which has never heard of them."""

import pytest

from fabfile.engine.operations import Directory, File, Package, User

pytestmark = pytest.mark.hosts


def states(outcomes):
    return [outcome.state for outcome in outcomes]


def test_packages_are_installed_once(machine, pool):
    operations = (Package("tree"), Package("hello"))

    assert states(pool.apply(machine, operations)) == ["changed", "changed"]
    assert states(pool.apply(machine, operations)) == ["ok", "ok"]


def test_a_package_nobody_has_is_said_so_and_stops_the_rest(machine, pool):
    operations = (Package("no-such-package"), File("/root/after", "x"))

    outcomes = pool.apply(machine, operations)

    assert states(outcomes) == ["failed", "failed"]
    assert "Unable to locate package no-such-package" in outcomes[0].detail
    assert pool.run(machine, "test -e /root/after").code == 1


def test_an_installation_killed_half_way_is_finished(machine, pool):
    half = "cd /tmp; apt-get -q download figlet; dpkg --unpack figlet_*.deb; dpkg-query -W -f '${Status}' figlet"
    assert pool.run(machine, half).out.endswith("install ok unpacked")

    assert states(pool.apply(machine, (Package("figlet"),))) == ["changed"]


def test_a_user_is_made_with_groups_of_its_own_and_changed_in_place(machine, pool):
    first = (User("keeper", groups=("keepers", "adm")), Directory("/srv/keeper", owner="keeper", group="keepers"))
    second = (User("keeper", home="/srv/keeper", shell="/bin/sh", groups=("keepers", "adm")),)

    assert states(pool.apply(machine, first)) == ["changed", "changed"]
    number = pool.run(machine, "id -u keeper").out
    assert states(pool.apply(machine, second)) == ["changed"]
    assert states(pool.facts(machine, (*first[1:], *second))) == ["ok", "ok"]
    assert pool.run(machine, "id -u keeper").out == number
    assert pool.run(machine, "id -Gn keeper").out.split() == ["keeper", "adm", "keepers"]


def test_a_person_gets_a_home(machine, pool):
    pool.apply(machine, (User("mia", home="/home/mia", shell="/bin/bash", system=False),))

    assert pool.run(machine, "stat -c %U /home/mia; id -u mia").out.split()[0] == "mia"
