"""Parameter groups, subnet groups and what there is to order, as a client of RDS meets them."""

import pytest

from fabfile.localcloud.certificates import Authority

from .endpoint import endpoint
from .rds import WANTED, describe, maker, refusal, remove, settled, until


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
