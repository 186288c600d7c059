"""EBS volumes and snapshots of the local cloud, asked for through boto3."""

import pytest
from botocore.exceptions import ClientError

from tests.cloud.endpoint import endpoint

ZONE = "us-west-2a"
SOON = {"Delay": 0.1, "MaxAttempts": 300}


@pytest.fixture(scope="module")
def cloud():
    with endpoint() as running:
        yield running


@pytest.fixture(scope="module")
def ec2(cloud):
    return cloud.client("ec2")


@pytest.fixture(scope="module")
def machine(ec2):
    """A running instance in the zone."""
    image = ec2.describe_images()["Images"][0]["ImageId"]
    id = ec2.run_instances(ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
    return id


@pytest.fixture
def make(ec2):
    """Make a volume, and wait until it is available."""

    def make(**options):
        id = ec2.create_volume(**{"AvailabilityZone": ZONE, "Size": 10, "VolumeType": "gp3", **options})["VolumeId"]
        ec2.get_waiter("volume_available").wait(VolumeIds=[id], WaiterConfig=SOON)
        return id

    return make


@pytest.fixture
def attach(ec2, machine):
    """Attach a volume to the machine, and wait until it is; it is detached after the test."""
    attached = []

    def attach(id, device="/dev/sdf"):
        ec2.attach_volume(VolumeId=id, InstanceId=machine, Device=device)
        attached.append(id)
        settle(ec2, id, "attached")

    yield attach
    for id in attached:
        if look(ec2, id)["Attachments"]:
            ec2.detach_volume(VolumeId=id, Force=True)


def look(ec2, id):
    return ec2.describe_volumes(VolumeIds=[id])["Volumes"][0]


def settle(ec2, id, state):
    filters = [{"Name": "attachment.status", "Values": [state]}]
    ec2.get_waiter("volume_in_use").wait(VolumeIds=[id], Filters=filters, WaiterConfig=SOON)


def refused(code):
    return pytest.raises(ClientError, match=rf"\({code.replace('.', '[.]')}\)")


def test_a_volume_is_creating_until_its_disk_is_there(cloud, ec2):
    answer = ec2.create_volume(AvailabilityZone=ZONE, Size=7, Encrypted=True)
    assert answer["State"] == "creating"
    ec2.get_waiter("volume_available").wait(VolumeIds=[answer["VolumeId"]], WaiterConfig=SOON)
    assert (cloud.home / "memory" / answer["VolumeId"]).read_text() == "7"


def test_the_same_token_makes_one_volume(make):
    assert make(ClientToken="a") == make(ClientToken="a")


def test_the_same_token_with_another_size_is_refused(make):
    make(ClientToken="b")
    with refused("IdempotentParameterMismatch"):
        make(ClientToken="b", Size=11)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"AvailabilityZone": "us-west-2q"}, "InvalidZone.NotFound"),
        ({"Size": 0}, "InvalidParameterValue"),
        ({"Size": 20000}, "InvalidParameterValue"),
        ({"SnapshotId": "snap-00000000000000000"}, "InvalidSnapshot.NotFound"),
    ],
)
def test_what_aws_refuses_is_refused(make, options, code):
    with refused(code):
        make(**options)


def test_an_attached_volume_is_not_attached_again(ec2, machine, make, attach):
    id = make()
    attach(id)
    with refused("VolumeInUse"):
        ec2.attach_volume(VolumeId=id, InstanceId=machine, Device="/dev/sdg")
    assert look(ec2, id)["Attachments"][0]["Device"] == "/dev/sdf"


def test_a_device_name_is_taken_once(ec2, machine, make, attach):
    attach(make())
    with refused("InvalidParameterValue") as refusal:
        ec2.attach_volume(VolumeId=make(), InstanceId=machine, Device="/dev/sdf")
    assert "Attachment point /dev/sdf is already in use" in str(refusal.value)


def test_a_volume_of_another_zone_is_not_attached(ec2, machine, make):
    with refused("InvalidVolume.ZoneMismatch"):
        ec2.attach_volume(VolumeId=make(AvailabilityZone="us-west-2b"), InstanceId=machine, Device="/dev/sdh")


def test_a_device_name_that_is_none_is_refused(ec2, machine, make):
    with refused("InvalidParameterValue"):
        ec2.attach_volume(VolumeId=make(), InstanceId=machine, Device="disk")


def test_a_mounted_volume_is_detached_only_with_force(cloud, ec2, make, attach):
    id = make()
    attach(id)
    mounted = cloud.home / "memory/mounted" / id
    mounted.parent.mkdir(exist_ok=True)
    mounted.touch()
    with refused("VolumeInUse"):
        ec2.detach_volume(VolumeId=id)
    assert look(ec2, id)["State"] == "in-use"
    assert ec2.detach_volume(VolumeId=id, Force=True)["State"] == "detaching"
    assert look(ec2, id)["State"] == "available"


def test_detaching_needs_no_instance_and_is_refused_the_second_time(ec2, make, attach):
    id = make()
    attach(id)
    ec2.detach_volume(VolumeId=id)
    with refused("IncorrectState"):
        ec2.detach_volume(VolumeId=id)


def test_a_root_volume_stays_on_a_running_instance(ec2, machine):
    found = ec2.describe_instances(InstanceIds=[machine])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"]
    with refused("OperationNotPermitted"):
        ec2.detach_volume(VolumeId=found[0]["Ebs"]["VolumeId"])


def test_a_root_volume_neither_grows_nor_is_copied(ec2, machine):
    found = ec2.describe_instances(InstanceIds=[machine])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"]
    root = found[0]["Ebs"]["VolumeId"]
    with refused("UnsupportedOperation"):
        ec2.modify_volume(VolumeId=root, Size=50)
    with refused("UnsupportedOperation"):
        ec2.create_snapshot(VolumeId=root)


def test_an_attached_volume_is_not_deleted(ec2, make, attach):
    id = make()
    attach(id)
    with refused("VolumeInUse"):
        ec2.delete_volume(VolumeId=id)


def test_a_deleted_volume_takes_its_disk_along(cloud, ec2, make):
    id = make()
    ec2.delete_volume(VolumeId=id)
    ec2.get_waiter("volume_deleted").wait(VolumeIds=[id], WaiterConfig=SOON)
    assert not (cloud.home / "memory" / id).exists()


def test_a_volume_grows_and_never_shrinks(cloud, ec2, make):
    id = make()
    assert ec2.modify_volume(VolumeId=id, Size=20)["VolumeModification"]["ModificationState"] == "modifying"
    grown(ec2, id)
    assert look(ec2, id)["Size"] == 20
    assert (cloud.home / "memory" / id).read_text() == "20"
    with refused("InvalidParameterValue"):
        ec2.modify_volume(VolumeId=id, Size=10)


def grown(ec2, id):
    """Wait until a volume's last modification is completed."""
    ec2.get_waiter("volume_available").wait(
        VolumeIds=[id], Filters=[{"Name": "size", "Values": ["20"]}], WaiterConfig=SOON
    )
    state = ec2.describe_volumes_modifications(VolumeIds=[id])["VolumesModifications"][-1]
    assert (state["ModificationState"], state["OriginalSize"], state["TargetSize"]) == ("completed", 10, 20)


def test_a_snapshot_keeps_the_size_of_then_and_is_restored_no_smaller(cloud, ec2, make):
    id = make()
    answer = ec2.create_snapshot(VolumeId=id, Description="of then")
    assert answer["State"] == "pending"
    snapshot = answer["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig=SOON)
    ec2.modify_volume(VolumeId=id, Size=20)
    grown(ec2, id)
    assert ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["VolumeSize"] == 10
    assert [one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]] == [snapshot]
    with refused("InvalidParameterValue"):
        make(SnapshotId=snapshot, Size=5)
    restored = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot)
    assert (restored["Size"], restored["SnapshotId"]) == (10, snapshot)
    ec2.get_waiter("volume_available").wait(VolumeIds=[restored["VolumeId"]], WaiterConfig=SOON)
    ec2.delete_snapshot(SnapshotId=snapshot)
    assert not (cloud.home / "memory" / snapshot).exists()


def test_termination_frees_volumes_and_deletes_only_the_root(ec2, make):
    image = ec2.describe_images()["Images"][0]["ImageId"]
    one = ec2.run_instances(ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1)["Instances"][0][
        "InstanceId"
    ]
    ec2.get_waiter("instance_running").wait(InstanceIds=[one], WaiterConfig=SOON)
    data = make()
    ec2.attach_volume(VolumeId=data, InstanceId=one, Device="/dev/sdf")
    ec2.terminate_instances(InstanceIds=[one])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[one], WaiterConfig=SOON)
    assert look(ec2, data)["State"] == "available"
    with refused("IncorrectState"):
        ec2.attach_volume(VolumeId=data, InstanceId=one, Device="/dev/sdf")
