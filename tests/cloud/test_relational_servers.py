"""RDS over real servers, and over restarts: what was acknowledged is there, whatever was killed."""

import json
import os
import signal
import socket
from datetime import UTC, datetime, timedelta

import MySQLdb
import pytest

from fabfile.localcloud.certificates import Authority
from fabfile.localcloud.databases import ProcessDatabases

from .endpoint import Running, endpoint
from .rds import WANTED, describe, gone, refusal, remove, servers_of, settled, until

# -- restarts -------------------------------------------------------------------------------------------------------


def test_a_killed_daemon_finds_everything_again():
    with endpoint("memory") as cloud:
        cloud.client("rds").create_db_instance(DBInstanceIdentifier="kept", **WANTED)
        before = settled(cloud.client("rds"), "kept")
        cloud.kill()
        cloud.start()
        after = settled(cloud.client("rds"), "kept")

    assert {key: after[key] for key in before if key != "LatestRestorableTime"} == {
        key: value for key, value in before.items() if key != "LatestRestorableTime"
    }


def test_work_cut_off_by_a_kill_is_finished_at_the_next_start():
    with endpoint("memory") as cloud:
        rds = cloud.client("rds")
        rds.create_db_instance(DBInstanceIdentifier="kept", **WANTED)
        rds.create_db_instance(DBInstanceIdentifier="going", **WANTED)
        settled(rds, "going")
        rds.delete_db_instance(DBInstanceIdentifier="going", FinalDBSnapshotIdentifier="last")
        cloud.kill()
        cloud.start()
        rds = cloud.client("rds")
        settled(rds, "kept")
        gone(rds, "going")
        snapshot = rds.describe_db_snapshots(DBSnapshotIdentifier="last")["DBSnapshots"][0]

    assert snapshot["Status"] == "available"


# -- with real servers ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real():
    """A cloud whose databases are real, as plain processes."""
    with servers_of(__name__) as place:
        yield Running(place.home, "processes").start()


def connect(cloud, database, password, folder):
    authority = folder / "ca.pem"
    authority.write_text(Authority(cloud.place.home / "ca").pem)
    return MySQLdb.connect(
        host=database["Endpoint"]["Address"],
        port=database["Endpoint"]["Port"],
        user=database["MasterUsername"],
        passwd=password,
        charset="utf8mb4",
        ssl={"ca": str(authority)},
        ssl_mode="VERIFY_IDENTITY",
    )


def test_the_managed_password_opens_a_real_server(real, tmp_path):
    rds, vault = real.client("rds"), real.client("secretsmanager")
    wanted = {**WANTED, "ManageMasterUserPassword": True, "DBName": "shop"}
    del wanted["MasterUserPassword"]
    rds.create_db_instance(DBInstanceIdentifier="shop", **wanted)
    busy = refusal(rds.modify_db_instance, DBInstanceIdentifier="shop", AllocatedStorage=50)
    shop = settled(rds, "shop")
    secret = json.loads(vault.get_secret_value(SecretId=shop["MasterUserSecret"]["SecretArn"])["SecretString"])

    with connect(real, shop, secret["password"], tmp_path) as connection:
        cursor = connection.cursor()
        cursor.execute("SHOW DATABASES LIKE 'shop'")
        assert cursor.fetchall() == (("shop",),)
    assert busy == "InvalidDBInstanceState"

    rds.modify_db_instance(DBInstanceIdentifier="shop", RotateMasterUserPassword=True, ApplyImmediately=True)
    shop = settled(rds, "shop")
    with pytest.raises(MySQLdb.OperationalError, match="denied"):
        connect(real, shop, secret["password"], tmp_path)
    remove(rds, "shop")


def free_port():
    """A port nobody has, also after a restart: 3306 may be another server's by then."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_a_real_server_lives_on_when_the_daemon_is_killed_and_starts_again_after_a_stop(real, tmp_path):
    rds = real.client("rds")
    rds.create_db_instance(DBInstanceIdentifier="lasting", **WANTED, Port=free_port())
    before = settled(rds, "lasting")
    with connect(real, before, WANTED["MasterUserPassword"], tmp_path) as connection:
        connection.cursor().execute("CREATE DATABASE written")
        real.kill()
        connection.cursor().execute("CREATE DATABASE meanwhile")
    real.start()
    real.stop()
    stopped = ProcessDatabases(real.place).state("lasting")
    real.start()
    after = settled(real.client("rds"), "lasting")

    with connect(real, after, WANTED["MasterUserPassword"], tmp_path) as connection:
        cursor = connection.cursor()
        cursor.execute("SHOW DATABASES LIKE 'written'")
        assert cursor.fetchall()
    assert stopped == "stopped"
    assert after["Endpoint"] == before["Endpoint"]


def set_collation(rds, value):
    change = {"ParameterName": "collation_server", "ParameterValue": value, "ApplyMethod": "pending-reboot"}
    rds.modify_db_parameter_group(DBParameterGroupName="wrong", Parameters=[change])


def test_a_real_server_that_cannot_start_is_failed_says_why_and_is_tried_again_when_the_cloud_starts(real):
    rds = real.client("rds")
    family = {"DBParameterGroupFamily": "mysql8.4", "Description": "wrong"}
    rds.create_db_parameter_group(DBParameterGroupName="wrong", **family)
    set_collation(rds, "nonsense")

    rds.create_db_instance(DBInstanceIdentifier="wrong", **WANTED, DBParameterGroupName="wrong")
    until(lambda: describe(rds, "wrong")["DBInstanceStatus"] == "failed")
    assert "nonsense" in describe(rds, "wrong")["StatusInfos"][0]["Message"]

    set_collation(rds, "utf8mb4_unicode_ci")
    real.kill()
    real.start()
    rds = real.client("rds")
    assert settled(rds, "wrong")["StatusInfos"] == []
    remove(rds, "wrong")


def test_a_real_server_that_dies_is_started_again(real, tmp_path):
    rds = real.client("rds")
    rds.create_db_instance(DBInstanceIdentifier="mortal", **WANTED)
    settled(rds, "mortal")

    os.kill(ProcessDatabases(real.place).backing("mortal")["pid"], signal.SIGKILL)
    until(lambda: describe(rds, "mortal")["DBInstanceStatus"] == "starting")

    with connect(real, settled(rds, "mortal"), WANTED["MasterUserPassword"], tmp_path) as connection:
        assert connection.get_server_info()
    remove(rds, "mortal")


def test_its_cpu_is_measured_within_two_looks(real):
    rds, cloudwatch = real.client("rds"), real.client("cloudwatch")
    rds.create_db_instance(DBInstanceIdentifier="measured", **WANTED)
    settled(rds, "measured")
    asked = {"Namespace": "AWS/RDS", "MetricName": "CPUUtilization", "Period": 60, "Statistics": ["Average"]}
    asked["Dimensions"] = [{"Name": "DBInstanceIdentifier", "Value": "measured"}]

    def points():
        now = datetime.now(UTC)
        span = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=1)}
        return cloudwatch.get_metric_statistics(**asked, **span)["Datapoints"]

    until(points)

    assert 0 <= points()[0]["Average"] <= 100
    assert points()[0]["Unit"] == "Percent"
