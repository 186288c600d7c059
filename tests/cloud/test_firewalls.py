"""Security groups as the packet filters that the drivers are given."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.cloud.endpoint import endpoint

SOON = {"Delay": 0.1, "MaxAttempts": 300}
ANYWHERE = {"protocol": "all", "first": 0, "last": 65535, "blocks": ["0.0.0.0/0"]}


@pytest.fixture(scope="module")
def cloud():
    with endpoint() as running:
        yield running


@pytest.fixture(scope="module")
def ec2(cloud):
    return cloud.client("ec2")


@pytest.fixture
def group(ec2):
    """Make a security group with rules for what comes in."""
    made = []

    def group(*rules):
        id = ec2.create_security_group(GroupName=f"group-{len(made)}-{ids(ec2)}", Description="of a test")["GroupId"]
        made.append(id)
        if rules:
            ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=list(rules))
        return id

    return group


def ids(ec2):
    return len(ec2.describe_security_groups()["SecurityGroups"])


@pytest.fixture
def launch(ec2):
    """Launch an instance in groups: (id, address). Terminated after the test."""
    launched = []

    def launch(*groups):
        image = ec2.describe_images()["Images"][0]["ImageId"]
        options = {"ImageId": image, "InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1}
        one = ec2.run_instances(**options, SecurityGroupIds=list(groups))["Instances"][0]
        launched.append(one["InstanceId"])
        return one["InstanceId"], one["PrivateIpAddress"]

    yield launch
    ec2.terminate_instances(InstanceIds=launched)
    ec2.get_waiter("instance_terminated").wait(InstanceIds=launched, WaiterConfig=SOON)


def tcp(first, last=None, block=None, group=None):
    source = {"IpRanges": [{"CidrIp": block}]} if block else {"UserIdGroupPairs": [{"GroupId": group}]}
    return {"IpProtocol": "tcp", "FromPort": first, "ToPort": last or first, **source}


def guard(cloud, address):
    """What the drivers were told about an address; None if nothing."""
    guards = json.loads((cloud.home / "memory/guards.json").read_text())
    return next((one for one in guards if one["address"] == address), None)


def test_a_new_instance_is_guarded_before_the_answer(cloud, group, launch):
    _, address = launch(group(tcp(22, block="203.0.113.0/24")))
    found = guard(cloud, address)
    assert found["inbound"] == [{"protocol": "tcp", "first": 22, "last": 22, "blocks": ["203.0.113.0/24"]}]
    assert found["outbound"] == [ANYWHERE]


def test_a_group_in_a_rule_means_the_addresses_of_its_members(cloud, ec2, group, launch):
    web = group()
    data = group(tcp(6379, group=web))
    (one, first), (_, second), (_, address) = launch(web), launch(web), launch(data)
    assert guard(cloud, address)["inbound"][0]["blocks"] == sorted([f"{first}/32", f"{second}/32"])
    ec2.terminate_instances(InstanceIds=[one])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[one], WaiterConfig=SOON)
    assert guard(cloud, address)["inbound"][0]["blocks"] == [f"{second}/32"]
    assert guard(cloud, first) is None


def test_a_group_without_members_admits_nobody(cloud, group, launch):
    _, address = launch(group(tcp(6379, group=group())))
    assert guard(cloud, address)["inbound"] == []


def test_a_rule_is_in_force_and_gone_with_the_answers(cloud, ec2, group, launch):
    id = group()
    _, address = launch(id)
    ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=[tcp(80, 90, block="0.0.0.0/0")])
    assert guard(cloud, address)["inbound"] == [{"protocol": "tcp", "first": 80, "last": 90, "blocks": ["0.0.0.0/0"]}]
    ec2.revoke_security_group_ingress(GroupId=id, IpPermissions=[tcp(80, 90, block="0.0.0.0/0")])
    assert guard(cloud, address)["inbound"] == []


def test_what_goes_out_is_filtered_too(cloud, ec2, group, launch):
    id = group()
    _, address = launch(id)
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.revoke_security_group_egress(GroupId=id, IpPermissions=[everything])
    assert guard(cloud, address)["outbound"] == []


def test_other_groups_guard_an_instance_when_it_gets_them(cloud, ec2, group, launch):
    id, address = launch(group(tcp(22, block="0.0.0.0/0")))
    ec2.modify_instance_attribute(InstanceId=id, Groups=[group(tcp(80, block="0.0.0.0/0"))])
    assert [rule["first"] for rule in guard(cloud, address)["inbound"]] == [80]


def test_a_group_that_another_speaks_of_is_not_deleted(ec2, group):
    web = group()
    data = group(tcp(6379, group=web))
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_security_group(GroupId=web)
    ec2.delete_security_group(GroupId=data)
    ec2.delete_security_group(GroupId=web)


def test_a_group_in_use_is_not_deleted(ec2, group, launch):
    web = group()
    id, _ = launch(web)
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_security_group(GroupId=web)
    ec2.terminate_instances(InstanceIds=[id])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)
    ec2.delete_security_group(GroupId=web)


def test_the_default_group_is_not_deleted(ec2):
    default = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    with pytest.raises(ClientError, match="CannotDelete"):
        ec2.delete_security_group(GroupId=default)
