"""RDS as a client meets it: real boto3 against the real daemon, mostly over drivers with nothing behind them."""

import json
import os
import shutil
import signal
import time
from datetime import UTC, datetime, timedelta

import MySQLdb
import pytest
from botocore.exceptions import ClientError

from fabfile.localcloud import daemon
from fabfile.localcloud.certificates import Authority
from fabfile.localcloud.databases import ProcessDatabases

from .conftest import own_place
from .endpoint import Running, endpoint


@pytest.fixture(scope="module")
def cloud():
    with endpoint("memory") as running:
        yield running


@pytest.fixture
def rds(cloud):
    return cloud.client("rds")


WANTED = {
    "Engine": "mysql",
    "EngineVersion": "8.4",
    "DBInstanceClass": "db.t4g.micro",
    "AllocatedStorage": 20,
    "StorageType": "gp3",
    "MasterUsername": "hydra_admin",
    "MasterUserPassword": "long-enough",
    "BackupRetentionPeriod": 0,
}


def refusal(call, **parameters):
    """The code of the error that a call gives."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


def describe(rds, id):
    return rds.describe_db_instances(DBInstanceIdentifier=id)["DBInstances"][0]


def settled(rds, id):
    """The database once it is available."""
    waiter = rds.get_waiter("db_instance_available")
    waiter.wait(DBInstanceIdentifier=id, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600})
    return describe(rds, id)


def remove(rds, id):
    rds.delete_db_instance(DBInstanceIdentifier=id, SkipFinalSnapshot=True)
    gone(rds, id)


def gone(rds, id):
    waiter = rds.get_waiter("db_instance_deleted")
    waiter.wait(DBInstanceIdentifier=id, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600})


def until(holds):
    """Wait for a state that has no waiter."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "it did not come within 30 seconds"
        time.sleep(0.02)


@pytest.fixture
def make(rds):
    """Make databases by name; what is left of them goes after the test."""
    made = []

    def make(id, **changes):
        made.append(id)
        wanted = {key: value for key, value in {**WANTED, **changes}.items() if value is not None}
        return rds.create_db_instance(DBInstanceIdentifier=id, **wanted)["DBInstance"]

    yield make
    for id in made:
        try:
            there = describe(rds, id)
        except rds.exceptions.DBInstanceNotFoundFault:
            continue
        if there["DeletionProtection"]:
            rds.modify_db_instance(DBInstanceIdentifier=id, DeletionProtection=False)
        remove(rds, id)


@pytest.fixture
def database(rds, make):
    """One database, available."""
    make("local-db")
    return settled(rds, "local-db")


# -- creating -------------------------------------------------------------------------------------------------------


def test_a_database_is_creating_without_endpoint_and_then_available_with_one(rds, make):
    made = make("fresh")
    there = settled(rds, "fresh")

    assert made["DBInstanceStatus"] == "creating"
    assert "Endpoint" not in made
    assert there["Endpoint"]["Port"] == 3306
    assert there["Endpoint"]["Address"].startswith("fresh.")
    assert there["Endpoint"]["Address"].endswith(".us-west-2.rds.localcloud.internal")


def test_the_endpoint_keeps_its_letters_and_every_database_its_own_resource_id(rds, make, database):
    make("second")
    second = settled(rds, "second")

    assert second["Endpoint"]["Address"].split(".")[1] == database["Endpoint"]["Address"].split(".")[1]
    assert second["DbiResourceId"] != database["DbiResourceId"]
    assert second["DbiResourceId"].startswith("db-")


def test_it_is_described_as_the_mysql_that_was_asked_for(database):
    assert database["Engine"] == "mysql"
    assert database["EngineVersion"].startswith("8.4.")
    assert database["DBParameterGroups"] == [
        {"DBParameterGroupName": "default.mysql8.4", "ParameterApplyStatus": "in-sync"}
    ]
    assert database["CACertificateIdentifier"] == "rds-ca-rsa2048-g1"
    assert database["CertificateDetails"]["CAIdentifier"] == "rds-ca-rsa2048-g1"


def test_with_backups_it_is_backed_up_before_it_is_available(rds, make):
    make("backed", BackupRetentionPeriod=1)
    settled(rds, "backed")

    snapshots = rds.describe_db_snapshots(DBInstanceIdentifier="backed")["DBSnapshots"]

    assert [(one["SnapshotType"], one["Status"]) for one in snapshots] == [("automated", "available")]
    assert snapshots[0]["DBSnapshotIdentifier"].startswith("rds:backed-")


def test_a_managed_password_is_random_and_in_secrets_manager(cloud, rds, make):
    make("managed", MasterUserPassword=None, ManageMasterUserPassword=True)
    make("managed-too", MasterUserPassword=None, ManageMasterUserPassword=True)
    secrets = [settled(rds, id)["MasterUserSecret"] for id in ("managed", "managed-too")]

    vault = cloud.client("secretsmanager")
    known = [json.loads(vault.get_secret_value(SecretId=one["SecretArn"])["SecretString"]) for one in secrets]

    assert "secret:rds!db-" in secrets[0]["SecretArn"]
    assert secrets[0]["KmsKeyId"].startswith("arn:aws:kms:us-west-2:")
    assert known[0]["username"] == "hydra_admin"
    assert len(known[0]["password"]) >= 20
    assert known[0]["password"] != known[1]["password"]


def test_a_managed_password_can_be_exchanged_for_another(cloud, rds, make):
    make("managed", MasterUserPassword=None, ManageMasterUserPassword=True)
    arn = settled(rds, "managed")["MasterUserSecret"]["SecretArn"]
    vault = cloud.client("secretsmanager")
    before = vault.get_secret_value(SecretId=arn)["SecretString"]

    rds.modify_db_instance(DBInstanceIdentifier="managed", RotateMasterUserPassword=True, ApplyImmediately=True)
    settled(rds, "managed")

    assert vault.get_secret_value(SecretId=arn)["SecretString"] != before


def test_the_secret_goes_with_its_database(cloud, rds, make):
    make("managed", MasterUserPassword=None, ManageMasterUserPassword=True)
    arn = settled(rds, "managed")["MasterUserSecret"]["SecretArn"]

    remove(rds, "managed")

    assert refusal(cloud.client("secretsmanager").get_secret_value, SecretId=arn) == "ResourceNotFoundException"


def test_an_encrypted_database_names_its_key_by_arn(rds, make):
    assert make("encrypted", StorageEncrypted=True)["KmsKeyId"].startswith("arn:aws:kms:us-west-2:123456789012:key/")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"MasterUserPassword": "short"}, "InvalidParameterValue"),
        ({"MasterUserPassword": "x" * 42}, "InvalidParameterValue"),
        ({"MasterUserPassword": "with a space"}, "InvalidParameterValue"),
        ({"MasterUserPassword": "with/slash"}, "InvalidParameterValue"),
        ({"MasterUserPassword": None}, "InvalidParameterValue"),
        ({"ManageMasterUserPassword": True}, "InvalidParameterCombination"),
        ({"MasterUsername": None}, "InvalidParameterValue"),
        ({"MasterUsername": "rdsadmin"}, "InvalidParameterValue"),
        ({"MasterUsername": "1st"}, "InvalidParameterValue"),
        ({"AllocatedStorage": 1}, "InvalidParameterValue"),
        ({"StorageType": "floppy"}, "InvalidParameterValue"),
        ({"EngineVersion": "5.0"}, "InvalidParameterCombination"),
        ({"Engine": "postgres"}, "InvalidParameterValue"),
        ({"DBInstanceClass": "db.z9.nano"}, "InvalidParameterValue"),
        ({"BackupRetentionPeriod": 36}, "InvalidParameterValue"),
        ({"Port": 80}, "InvalidParameterValue"),
        ({"CACertificateIdentifier": "rds-ca-2019"}, "CertificateNotFound"),
        ({"DBParameterGroupName": "nobody"}, "DBParameterGroupNotFound"),
        ({"DBSubnetGroupName": "nobody"}, "DBSubnetGroupNotFoundFault"),
        ({"DBInstanceIdentifier": "-no-"}, "InvalidParameterValue"),
    ],
)
def test_what_aws_refuses_is_refused(rds, changes, code):
    wanted = {"DBInstanceIdentifier": "refused", **WANTED, **changes}

    assert refusal(rds.create_db_instance, **{key: value for key, value in wanted.items() if value is not None}) == code
    assert refusal(rds.describe_db_instances, DBInstanceIdentifier="refused") == "DBInstanceNotFound"


def test_a_name_can_be_given_once(rds, database):
    assert refusal(rds.create_db_instance, DBInstanceIdentifier="Local-DB", **WANTED) == "DBInstanceAlreadyExists"


# -- changing -------------------------------------------------------------------------------------------------------


def test_a_change_waits_for_the_window_unless_it_is_asked_for_now(rds, database):
    later = rds.modify_db_instance(DBInstanceIdentifier="local-db", AllocatedStorage=30)["DBInstance"]
    assert later["DBInstanceStatus"] == "available"
    assert (later["AllocatedStorage"], later["PendingModifiedValues"]) == (20, {"AllocatedStorage": 30})

    now = rds.modify_db_instance(DBInstanceIdentifier="local-db", ApplyImmediately=True)["DBInstance"]
    there = settled(rds, "local-db")
    assert now["DBInstanceStatus"] == "modifying"
    assert (there["AllocatedStorage"], there.get("PendingModifiedValues", {})) == (30, {})


def test_protection_is_lifted_at_once(rds, make):
    make("guarded", DeletionProtection=True)
    settled(rds, "guarded")

    assert (
        refusal(rds.delete_db_instance, DBInstanceIdentifier="guarded", SkipFinalSnapshot=True)
        == "InvalidParameterCombination"
    )
    changed = rds.modify_db_instance(DBInstanceIdentifier="guarded", DeletionProtection=False)["DBInstance"]
    assert changed["DeletionProtection"] is False


def test_storage_cannot_shrink(rds, make):
    make("large", AllocatedStorage=40)
    settled(rds, "large")

    assert (
        refusal(rds.modify_db_instance, DBInstanceIdentifier="large", AllocatedStorage=30)
        == "InvalidParameterCombination"
    )


def test_an_upgrade_goes_up_and_to_another_major_version_only_if_allowed(rds, make):
    make("old", EngineVersion="8.0.41")
    settled(rds, "old")
    change = {"DBInstanceIdentifier": "old", "ApplyImmediately": True}

    assert refusal(rds.modify_db_instance, **change, EngineVersion="8.0.40") == "InvalidParameterCombination"
    assert refusal(rds.modify_db_instance, **change, EngineVersion="8.4.5") == "InvalidParameterCombination"
    rds.modify_db_instance(**change, EngineVersion="8.4.5", AllowMajorVersionUpgrade=True)
    assert settled(rds, "old")["EngineVersion"] == "8.4.5"


# -- parameter groups -----------------------------------------------------------------------------------------------


@pytest.fixture
def group(rds):
    """A parameter group, "strict", of MySQL 8.4."""
    rds.create_db_parameter_group(
        DBParameterGroupName="strict", DBParameterGroupFamily="mysql8.4", Description="strict"
    )
    yield "strict"
    for one in rds.describe_db_instances()["DBInstances"]:
        if one["DBParameterGroups"][0]["DBParameterGroupName"] == "strict":
            remove(rds, one["DBInstanceIdentifier"])
    rds.delete_db_parameter_group(DBParameterGroupName="strict")


def set_parameter(rds, name, value, method="immediate"):
    change = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": method}
    rds.modify_db_parameter_group(DBParameterGroupName="strict", Parameters=[change])


def sync(rds, id):
    return describe(rds, id)["DBParameterGroups"][0]["ParameterApplyStatus"]


def test_a_group_shows_every_parameter_and_which_of_them_are_the_users(rds, group):
    set_parameter(rds, "max_connections", "50")

    pages = rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=group)
    rows = {row["ParameterName"]: row for page in pages for row in page["Parameters"]}
    mine = rds.describe_db_parameters(DBParameterGroupName=group, Source="user")["Parameters"]

    assert [row["ParameterName"] for row in mine] == ["max_connections"]
    assert rows["max_connections"]["ParameterValue"] == "50"
    assert rows["require_secure_transport"]["ApplyType"] == "dynamic"
    assert rows["back_log"]["ApplyType"] == "static"


@pytest.mark.parametrize(
    ("name", "value", "method", "code"),
    [
        ("no_such_thing", "1", "immediate", "InvalidParameterValue"),
        ("max_connections", "many", "immediate", "InvalidParameterValue"),
        ("max_connections", "0", "immediate", "InvalidParameterValue"),
        ("back_log", "100", "immediate", "InvalidParameterCombination"),
    ],
)
def test_a_parameter_that_aws_refuses_is_refused(rds, group, name, value, method, code):
    assert refusal(set_parameter, rds=rds, name=name, value=value, method=method) == code


def test_a_static_parameter_waits_for_a_reboot(rds, make, group):
    make("grouped", DBParameterGroupName=group)
    settled(rds, "grouped")

    set_parameter(rds, "max_connections", "50")
    until(lambda: sync(rds, "grouped") == "in-sync")
    set_parameter(rds, "back_log", "100", "pending-reboot")
    assert sync(rds, "grouped") == "pending-reboot"
    assert rds.reboot_db_instance(DBInstanceIdentifier="grouped")["DBInstance"]["DBInstanceStatus"] == "rebooting"
    settled(rds, "grouped")
    assert sync(rds, "grouped") == "in-sync"


def test_parameters_can_be_put_back(rds, group):
    set_parameter(rds, "max_connections", "50")

    rds.reset_db_parameter_group(DBParameterGroupName=group, ResetAllParameters=True)

    assert rds.describe_db_parameters(DBParameterGroupName=group, Source="user")["Parameters"] == []


def test_a_group_in_use_cannot_be_deleted(rds, make, group):
    make("grouped", DBParameterGroupName=group)

    assert refusal(rds.delete_db_parameter_group, DBParameterGroupName=group) == "InvalidDBParameterGroupState"
    assert describe(rds, "grouped")


def test_a_group_of_another_version_does_not_fit(rds, group):
    wanted = {**WANTED, "EngineVersion": "8.0", "DBParameterGroupName": group}

    assert refusal(rds.create_db_instance, DBInstanceIdentifier="misfit", **wanted) == "InvalidParameterCombination"


def test_a_subnet_group_covers_two_zones_and_is_not_deleted_while_in_use(cloud, rds, make):
    subnets = [one["SubnetId"] for one in cloud.client("ec2").describe_subnets()["Subnets"]]
    wanted = {"DBSubnetGroupName": "nets", "DBSubnetGroupDescription": "all zones"}

    assert refusal(rds.create_db_subnet_group, **wanted, SubnetIds=subnets[:1]) == "DBSubnetGroupDoesNotCoverEnoughAZs"
    rds.create_db_subnet_group(**wanted, SubnetIds=subnets)
    assert refusal(rds.create_db_subnet_group, **wanted, SubnetIds=subnets) == "DBSubnetGroupAlreadyExists"
    make("netted", DBSubnetGroupName="nets")
    assert refusal(rds.delete_db_subnet_group, DBSubnetGroupName="nets") == "InvalidDBSubnetGroupStateFault"
    settled(rds, "netted")
    remove(rds, "netted")
    rds.delete_db_subnet_group(DBSubnetGroupName="nets")


# -- life -----------------------------------------------------------------------------------------------------------


def test_it_stops_and_starts(rds, database):
    id = {"DBInstanceIdentifier": "local-db"}

    assert refusal(rds.start_db_instance, **id) == "InvalidDBInstanceState"
    assert rds.stop_db_instance(**id)["DBInstance"]["DBInstanceStatus"] == "stopping"
    until(lambda: describe(rds, "local-db")["DBInstanceStatus"] == "stopped")
    assert refusal(rds.stop_db_instance, **id) == "InvalidDBInstanceState"
    assert refusal(rds.reboot_db_instance, **id) == "InvalidDBInstanceState"
    assert refusal(rds.create_db_snapshot, **id, DBSnapshotIdentifier="never") == "InvalidDBInstanceState"
    assert rds.start_db_instance(**id)["DBInstance"]["DBInstanceStatus"] == "starting"
    assert settled(rds, "local-db")["Endpoint"] == database["Endpoint"]


def test_deleting_asks_what_becomes_of_the_data(rds, database):
    id = {"DBInstanceIdentifier": "local-db"}

    assert refusal(rds.delete_db_instance, **id) == "InvalidParameterCombination"
    both = {"SkipFinalSnapshot": True, "FinalDBSnapshotIdentifier": "last"}
    assert refusal(rds.delete_db_instance, **id, **both) == "InvalidParameterCombination"
    answer = rds.delete_db_instance(**id, FinalDBSnapshotIdentifier="last")["DBInstance"]
    gone(rds, "local-db")

    assert answer["DBInstanceStatus"] == "deleting"
    snapshot = rds.describe_db_snapshots(DBSnapshotIdentifier="last")["DBSnapshots"][0]
    assert (snapshot["Status"], snapshot["PercentProgress"], snapshot["SnapshotType"]) == ("available", 100, "manual")
    rds.delete_db_snapshot(DBSnapshotIdentifier="last")


def test_automatic_snapshots_go_with_their_database(rds, make):
    make("backed", BackupRetentionPeriod=1)
    settled(rds, "backed")

    remove(rds, "backed")

    assert rds.describe_db_snapshots(SnapshotType="automated")["DBSnapshots"] == []


def test_a_snapshot_becomes_another_database(rds, make, database):
    id = {"DBInstanceIdentifier": "local-db"}
    made = rds.create_db_snapshot(**id, DBSnapshotIdentifier="one")["DBSnapshot"]
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier="one", WaiterConfig={"Delay": 0.05})
    rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="two", DBSnapshotIdentifier="one")
    restored = settled(rds, "two")
    remove(rds, "two")
    rds.delete_db_snapshot(DBSnapshotIdentifier="one")

    assert made["Status"] == "creating"
    assert restored["MasterUsername"] == "hydra_admin"
    assert restored["AllocatedStorage"] == 20
    assert refusal(rds.describe_db_snapshots, DBSnapshotIdentifier="one") == "DBSnapshotNotFound"


def test_tags_are_kept_changed_and_found(cloud, rds, make):
    arn = make("tagged", Tags=[{"Key": "hydra:stage", "Value": "local"}])["DBInstanceArn"]
    rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "hydra:name", "Value": "db"}])

    tags = {tag["Key"]: tag["Value"] for tag in describe(rds, "tagged")["TagList"]}

    assert tags == {"hydra:stage": "local", "hydra:name": "db"}
    assert rds.list_tags_for_resource(ResourceName=arn)["TagList"]


def test_what_is_not_served_says_so(rds, database):
    replica = {"DBInstanceIdentifier": "copy", "SourceDBInstanceIdentifier": "local-db"}

    assert refusal(rds.create_db_instance_read_replica, **replica) == "NotImplemented"
    assert refusal(rds.create_db_cluster, DBClusterIdentifier="c", Engine="aurora-mysql") == "NotImplemented"


# -- what there is --------------------------------------------------------------------------------------------------


def test_engine_versions_can_be_ordered_for_their_classes(rds):
    versions = rds.describe_db_engine_versions(Engine="mysql", EngineVersion="8.4")["DBEngineVersions"]
    newest = versions[-1]["EngineVersion"]
    order = {"Engine": "mysql", "EngineVersion": newest, "DBInstanceClass": "db.t4g.micro"}
    options = rds.describe_orderable_db_instance_options(**order)["OrderableDBInstanceOptions"]

    assert {one["DBParameterGroupFamily"] for one in versions} == {"mysql8.4"}
    assert {one["DBParameterGroupFamily"] for one in rds.describe_db_engine_versions()["DBEngineVersions"]} == {
        "mysql8.0",
        "mysql8.4",
    }
    assert {one["StorageType"] for one in options} >= {"gp3", "io1"}
    assert all(one["DBInstanceClass"] == "db.t4g.micro" for one in options)


def test_the_certificate_of_the_api_is_that_of_the_authority(cloud, rds):
    found = rds.describe_certificates()["Certificates"]
    authority = Authority(cloud.place.home / "ca")

    assert [one["Thumbprint"] for one in found] == [authority.thumbprint]
    assert found[0]["CertificateIdentifier"] == "rds-ca-rsa2048-g1"
    assert found[0]["ValidTill"] == authority.certificate.not_valid_after_utc


def test_security_groups_guard_its_address(cloud, rds, make):
    ec2 = cloud.client("ec2")
    group = ec2.create_security_group(GroupName="db", Description="db")["GroupId"]
    make("guarded", VpcSecurityGroupIds=[group])

    there = settled(rds, "guarded")

    assert there["VpcSecurityGroups"] == [{"VpcSecurityGroupId": group, "Status": "active"}]


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
    """A cloud whose databases are real, as plain processes. Its home has a lasting name: a killed run's are found."""
    running = Running(own_place(__name__).home, "processes")

    def clear():
        daemon.kill(running.place)
        ProcessDatabases(running.place).sweep()
        shutil.rmtree(running.home, ignore_errors=True)

    clear()
    running.home.mkdir(parents=True)
    yield running.start()
    clear()


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


def test_a_real_server_lives_on_when_the_daemon_is_killed_and_starts_again_after_a_stop(real, tmp_path):
    rds = real.client("rds")
    rds.create_db_instance(DBInstanceIdentifier="lasting", **WANTED)
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


def test_a_real_server_that_cannot_start_is_failed_and_says_why_and_can_be_deleted(real):
    rds = real.client("rds")
    family = {"DBParameterGroupFamily": "mysql8.4", "Description": "wrong"}
    rds.create_db_parameter_group(DBParameterGroupName="wrong", **family)
    change = {"ParameterName": "collation_server", "ParameterValue": "nonsense", "ApplyMethod": "pending-reboot"}
    rds.modify_db_parameter_group(DBParameterGroupName="wrong", Parameters=[change])

    rds.create_db_instance(DBInstanceIdentifier="wrong", **WANTED, DBParameterGroupName="wrong")
    until(lambda: describe(rds, "wrong")["DBInstanceStatus"] == "failed")

    assert "nonsense" in describe(rds, "wrong")["StatusInfos"][0]["Message"]
    remove(rds, "wrong")


def test_a_real_server_that_dies_is_started_again(real, tmp_path):
    rds = real.client("rds")
    rds.create_db_instance(DBInstanceIdentifier="mortal", **WANTED)
    settled(rds, "mortal")
    pid = ProcessDatabases(real.place).backing("mortal")["pid"]

    os.kill(pid, signal.SIGKILL)
    until(
        lambda: (
            ProcessDatabases(real.place).backing("mortal")["pid"] not in (pid, None) or describe(rds, "mortal") is None
        )
    )

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
