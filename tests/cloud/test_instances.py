"""EC2 instances of the local cloud, asked for through boto3."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.cloud.endpoint import endpoint

PARAMETER = "/aws/service/debian/release/12/latest/amd64"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFxGTMrXPuGBW4gS0ygdDk7/MiOzLHhMTyCIrzO0UySa someone"
SOON = {"Delay": 0.1, "MaxAttempts": 300}


@pytest.fixture(scope="module")
def cloud():
    with endpoint() as running:
        yield running


@pytest.fixture(scope="module")
def ec2(cloud):
    return cloud.client("ec2")


@pytest.fixture(scope="module")
def image(cloud):
    return cloud.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"]


@pytest.fixture
def launch(ec2, image):
    """Launch instances, and wait until they run; they are terminated after the test."""
    launched = []

    def launch(wait=True, **options):
        options = {"ImageId": image, "InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1, **options}
        ids = [one["InstanceId"] for one in ec2.run_instances(**options)["Instances"]]
        launched.extend(ids)
        if wait:
            ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        return ids[0] if len(ids) == 1 else ids

    yield launch
    if launched:
        ec2.terminate_instances(InstanceIds=launched)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=launched, WaiterConfig=SOON)


def look(ec2, id):
    return ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]


def refused(code):
    return pytest.raises(ClientError, match=rf"\({code.replace('.', '[.]')}\)")


def test_the_image_is_found_through_debians_public_parameter(ec2, image):
    found = ec2.describe_images(ImageIds=[image])["Images"][0]
    assert (found["OwnerId"], found["Architecture"], found["State"]) == ("136693071363", "x86_64", "available")
    assert [one["ImageId"] for one in ec2.describe_images(Owners=["136693071363"])["Images"]] == [image]


def test_a_new_instance_is_pending_until_its_machine_answers(cloud, ec2, image):
    answer = ec2.run_instances(ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1)["Instances"][0]
    assert answer["State"]["Name"] == "pending"
    ec2.get_waiter("instance_running").wait(InstanceIds=[answer["InstanceId"]], WaiterConfig=SOON)
    assert (cloud.home / "memory" / answer["InstanceId"]).read_text() == "running"
    ec2.terminate_instances(InstanceIds=[answer["InstanceId"]])


def test_its_address_is_of_its_subnet_and_public_only_as_far_as_this_machine_goes(ec2, launch):
    subnet = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["us-west-2b"]}])["Subnets"][0]
    found = look(ec2, launch(SubnetId=subnet["SubnetId"]))
    assert subnet["CidrBlock"] == "127.213.16.0/20"
    assert found["PrivateIpAddress"].startswith("127.213.16.")
    assert found["PublicIpAddress"] == found["PrivateIpAddress"]
    assert found["PrivateDnsName"] == f"ip-{found['PrivateIpAddress'].replace('.', '-')}.us-west-2.compute.internal"


def test_no_public_address_is_given_when_none_is_asked_for(ec2, launch):
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": False}
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    found = look(ec2, launch(NetworkInterfaces=[{**interface, "SubnetId": subnet}]))
    assert "PublicIpAddress" not in found


def test_an_address_may_be_chosen_once(ec2, launch):
    subnet = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["us-west-2c"]}])["Subnets"][0]
    wanted = {"SubnetId": subnet["SubnetId"], "PrivateIpAddress": "127.213.32.77"}
    assert look(ec2, launch(**wanted))["PrivateIpAddress"] == "127.213.32.77"
    with refused("InvalidIPAddress.InUse"):
        launch(**wanted)


def test_the_default_group_guards_what_names_none(ec2, launch):
    groups = look(ec2, launch())["SecurityGroups"]
    assert [group["GroupName"] for group in groups] == ["default"]


def test_the_same_token_launches_once(launch):
    assert launch(ClientToken="one") == launch(ClientToken="one")


def test_the_same_token_with_other_parameters_is_refused(launch):
    launch(ClientToken="two")
    with refused("IdempotentParameterMismatch"):
        launch(ClientToken="two", InstanceType="t3.large")


def test_an_instance_is_found_by_its_token(ec2, launch):
    id = launch(ClientToken="three")
    found = ec2.describe_instances(Filters=[{"Name": "client-token", "Values": ["three"]}])["Reservations"]
    assert [one["InstanceId"] for one in found[0]["Instances"]] == [id]


def test_as_many_start_as_asked_for_at_most(launch):
    assert len(launch(MinCount=1, MaxCount=3)) == 3


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"ImageId": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        ({"InstanceType": "t3.gigantic"}, "InvalidParameterValue"),
        ({"KeyName": "nobody"}, "InvalidKeyPair.NotFound"),
        ({"SecurityGroupIds": ["sg-00000000000000000"]}, "InvalidGroup.NotFound"),
        ({"IamInstanceProfile": {"Name": "nobody"}}, "InvalidParameterValue"),
        ({"Placement": {"AvailabilityZone": "us-west-2z"}}, "InvalidParameterValue"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_what_aws_refuses_is_refused(ec2, launch, options, code):
    before = len(ec2.describe_instances()["Reservations"])
    with refused(code):
        launch(**options)
    assert len(ec2.describe_instances()["Reservations"]) == before


def test_a_launch_that_is_refused_half_way_leaves_nothing(ec2, launch):
    before = len(ec2.describe_instances()["Reservations"]), len(ec2.describe_volumes()["Volumes"])
    mappings = [{"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": "snap-00000000000000000"}}]
    subnet = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["us-west-2c"]}])["Subnets"][0]
    place = {"SubnetId": subnet["SubnetId"], "PrivateIpAddress": "127.213.32.88"}
    with refused("InvalidSnapshot.NotFound"):
        launch(BlockDeviceMappings=mappings, **place)
    assert (len(ec2.describe_instances()["Reservations"]), len(ec2.describe_volumes()["Volumes"])) == before
    launch(**place)


def test_the_machine_gets_the_key_the_user_data_and_the_endpoint(cloud, ec2, launch):
    ec2.import_key_pair(KeyName="someone", PublicKeyMaterial=KEY)
    id = launch(KeyName="someone", UserData="#!/bin/sh\necho hello\n")
    spec = json.loads((cloud.home / "memory/specs.json").read_text())
    assert spec["id"] == id
    assert spec["authorized_keys"] == [KEY]
    assert spec["user_data"] == "#!/bin/sh\necho hello\n"
    assert spec["memory"] == 2048
    assert spec["environment"]["AWS_ENDPOINT_URL"].startswith("http://127.213.0.1:")
    assert not any("KEY" in name for name in spec["environment"])


def test_a_key_that_is_none_is_refused(ec2):
    with refused("InvalidKey.Format"):
        ec2.import_key_pair(KeyName="garbage", PublicKeyMaterial=b"garbage")


def test_the_console_shows_the_host_keys(ec2, launch):
    assert "BEGIN SSH HOST KEY KEYS" in ec2.get_console_output(InstanceId=launch())["Output"]


def test_an_instance_stops_and_starts_with_its_address(ec2, launch):
    id = launch()
    before = look(ec2, id)["PrivateIpAddress"]
    change = ec2.stop_instances(InstanceIds=[id])["StoppingInstances"][0]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("running", "stopping")
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[id], WaiterConfig=SOON)
    assert "PublicIpAddress" not in look(ec2, id)
    assert look(ec2, id)["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert ec2.start_instances(InstanceIds=[id])["StartingInstances"][0]["CurrentState"]["Name"] == "pending"
    ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
    assert look(ec2, id)["PrivateIpAddress"] == look(ec2, id)["PublicIpAddress"] == before


def test_a_machine_that_died_is_shown_as_stopped(cloud, ec2, launch):
    id = launch()
    (cloud.home / "memory" / id).write_text("stopped")
    assert look(ec2, id)["State"]["Name"] == "stopped"


def test_a_first_boot_that_fails_terminates_with_its_reason(cloud, ec2, launch):
    (cloud.home / "memory/no-start").touch()
    try:
        id = launch(wait=False)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)
    finally:
        (cloud.home / "memory/no-start").unlink()
    assert look(ec2, id)["StateReason"] == {
        "Code": "Server.InternalError",
        "Message": f"Server.InternalError: {id} does not answer",
    }


def test_a_terminated_instance_stays_listed_without_address_or_volumes(cloud, ec2, launch):
    id = launch()
    change = ec2.terminate_instances(InstanceIds=[id])["TerminatingInstances"][0]
    assert change["CurrentState"]["Name"] == "shutting-down"
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)
    found = look(ec2, id)
    assert "PrivateIpAddress" not in found
    assert not found.get("BlockDeviceMappings")
    assert not (cloud.home / "memory" / id).exists()


def test_a_terminated_instance_does_not_start_again(ec2, launch):
    id = launch()
    ec2.terminate_instances(InstanceIds=[id])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)
    for act in (ec2.start_instances, ec2.stop_instances, ec2.reboot_instances):
        with refused("IncorrectInstanceState"):
            act(InstanceIds=[id])
    assert ec2.terminate_instances(InstanceIds=[id])["TerminatingInstances"][0]["CurrentState"]["Name"] == "terminated"


def test_a_protected_instance_is_not_terminated(ec2, launch):
    id = launch()
    ec2.modify_instance_attribute(InstanceId=id, DisableApiTermination={"Value": True})
    with refused("OperationNotPermitted"):
        ec2.terminate_instances(InstanceIds=[id])
    ec2.modify_instance_attribute(InstanceId=id, DisableApiTermination={"Value": False})


def test_the_type_changes_only_while_stopped(ec2, launch):
    id = launch()
    with refused("IncorrectInstanceState"):
        ec2.modify_instance_attribute(InstanceId=id, InstanceType={"Value": "t3.medium"})
    ec2.stop_instances(InstanceIds=[id])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[id], WaiterConfig=SOON)
    ec2.modify_instance_attribute(InstanceId=id, InstanceType={"Value": "t3.medium"})
    assert look(ec2, id)["InstanceType"] == "t3.medium"


def test_an_unknown_instance_is_not_found(ec2):
    with refused("InvalidInstanceID.NotFound"):
        ec2.describe_instances(InstanceIds=["i-00000000000000000"])
    with refused("InvalidInstanceID.NotFound"):
        ec2.stop_instances(InstanceIds=["i-00000000000000000"])


def test_the_root_volume_is_there_beside_others(ec2, launch):
    mappings = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 3, "DeleteOnTermination": True}}]
    found = look(ec2, launch(BlockDeviceMappings=mappings))
    assert [one["DeviceName"] for one in found["BlockDeviceMappings"]] == ["/dev/xvda", "/dev/sdf"]
