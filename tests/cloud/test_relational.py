"""RDS as a client meets it: real boto3 against the real daemon, over drivers with nothing behind them."""

import json

import pytest

from .endpoint import endpoint
from .rds import WANTED, describe, gone, maker, refusal, remove, settled, until


@pytest.fixture(scope="module")
def cloud():
    with endpoint("memory") as running:
        yield running


@pytest.fixture
def rds(cloud):
    return cloud.client("rds")


@pytest.fixture
def make(rds):
    with maker(rds) as make:
        yield make


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


def test_a_tag_says_what_really_answers(database):
    tags = {tag["Key"]: tag["Value"] for tag in database["TagList"]}

    assert tags["localcloud:engine"].startswith("MariaDB ")


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

    assert tags | {"hydra:stage": "local", "hydra:name": "db"} == tags
    assert rds.list_tags_for_resource(ResourceName=arn)["TagList"]


def test_what_is_not_served_says_so(rds, database):
    replica = {"DBInstanceIdentifier": "copy", "SourceDBInstanceIdentifier": "local-db"}

    assert refusal(rds.create_db_instance_read_replica, **replica) == "NotImplemented"
    assert refusal(rds.create_db_cluster, DBClusterIdentifier="c", Engine="aurora-mysql") == "NotImplemented"
