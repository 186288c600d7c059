"""Databases on hosts of their own: real MariaDB under a real systemd, asked and copied from inside, guarded outside."""

import dataclasses
import socket

import pytest

from fabfile.localcloud import mariadb
from fabfile.localcloud.databases import HostedDatabases
from fabfile.localcloud.drivers import DatabaseSpec, DriverError, Guard, Rule
from fabfile.localcloud.parameters import defaults

pytestmark = pytest.mark.hosts

ENDPOINT = "local-db.abcdefghijkl.us-west-2.rds.localcloud.internal"
MYSQL = Rule("tcp", 3306, 3306, ("0.0.0.0/0",))


@pytest.fixture(scope="module")
def databases(ground):
    return HostedDatabases(ground.place, ground.machines, ground.network)


@pytest.fixture(scope="module")
def spec(ground):
    return DatabaseSpec(
        id="local-db",
        address=ground.address(30),
        port=3306,
        endpoint=ENDPOINT,
        user="hydra",
        password="it's a \\ secret",
        database="shop",
        parameters=defaults("mysql8.4"),
        memory=1024,
    )


@pytest.fixture(scope="module")
def facts(databases, spec):
    return databases.create(spec)


def sql(databases, statement, id="local-db"):
    return databases._sql(id, [statement]).split()


def test_it_answers_over_tls_for_its_endpoints_name_once_its_firewall_admits_us(ground, databases, facts, spec):
    ground.network.guard([Guard(spec.address)])
    with pytest.raises(TimeoutError):
        socket.create_connection((spec.address, 3306), timeout=1)

    ground.network.guard([Guard(spec.address, inbound=(MYSQL,))])
    assert "MariaDB" in mariadb.greet(spec.address, 3306, ENDPOINT, databases.authority)
    assert facts == {"address": spec.address, "port": 3306, "engine": facts["engine"]}
    assert facts["engine"].startswith("MariaDB 10.")


def test_it_is_a_unit_of_its_own_host(ground, facts):
    assert ground.said("db-local-db", "systemctl is-enabled mariadb; systemctl is-active mariadb") == "enabled\nactive"


def test_it_holds_its_first_database_and_master_user(databases, facts):
    assert sql(databases, "SHOW DATABASES LIKE 'shop'") == ["shop"]
    assert "hydra" in sql(databases, "SELECT user FROM mysql.user WHERE host = '%'")


def test_the_key_on_its_disk_is_for_the_server_alone(ground, facts):
    assert ground.said("db-local-db", "stat --format='%a %U' /etc/mysql/tls/server.key") == "400 mysql"


def test_no_secret_is_on_its_disk_or_in_its_journal(ground, facts):
    assert ground.said("db-local-db", "grep -rl 'is a .* secret' /etc/mysql /var/log || true") == ""
    assert ground.said("db-local-db", "journalctl | grep -c 'IDENTIFIED BY' || true") == "0"


def test_host_and_server_together_are_small(databases, facts):
    assert 0 < databases.backing("local-db")["memory"] < 200
    assert databases.cpu("local-db") > 0
    assert databases.connections("local-db") == 0


def test_making_it_again_changes_nothing(databases, facts, spec):
    sql(databases, "CREATE TABLE IF NOT EXISTS shop.kept (n INT)")

    assert databases.create(spec) == facts
    assert sql(databases, "SHOW TABLES FROM shop") == ["kept"]


def test_parameters_hold_at_once_or_after_a_restart_of_its_host(databases, facts):
    changed = {**defaults("mysql8.4"), "max_connections": "77", "back_log": "33"}

    assert databases.configure("local-db", changed) == ["back_log"]
    assert sql(databases, "SELECT @@max_connections") == ["77"]
    databases.stop("local-db")
    assert (databases.state("local-db"), databases.cpu("local-db")) == ("stopped", None)
    assert databases.start("local-db") == facts
    assert sql(databases, "SELECT @@back_log") == ["33"]


def test_a_snapshot_becomes_another_database_on_another_host(ground, databases, facts, spec):
    sql(databases, "CREATE OR REPLACE TABLE shop.pictured AS SELECT 41 AS n")
    databases.snapshot("local-db", "one")
    sql(databases, "DROP TABLE shop.pictured")
    wanted = dataclasses.replace(spec, id="restored", address=ground.address(31), snapshot="one", password="")

    databases.create(wanted)

    assert sql(databases, "SELECT n FROM shop.pictured", "restored") == ["41"]
    databases.destroy("restored")
    databases.delete_snapshot("one")
    assert databases.state("restored") == "absent"


def test_a_lost_host_comes_back_with_what_was_written(ground, databases, facts):
    sql(databases, "CREATE OR REPLACE TABLE shop.written AS SELECT 7 AS n")

    ground.machines.stop("db-local-db", force=True)

    assert databases.state("local-db") == "stopped"
    assert databases.start("local-db") == facts
    assert sql(databases, "SELECT n FROM shop.written") == ["7"]


def test_a_server_that_cannot_start_says_why(ground, databases, spec):
    parameters = {"collation_server": "nonsense"}
    wanted = dataclasses.replace(spec, id="broken", address=ground.address(32), parameters=parameters)

    with pytest.raises(DriverError, match="did not start: .*nonsense"):
        databases.create(wanted)
    databases.destroy("broken")
