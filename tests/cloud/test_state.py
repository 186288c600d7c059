"""What was acknowledged stays: over a kill, over a stop, and over a full disk."""

import json
import resource
import threading

import pytest
from botocore.exceptions import ClientError

from fabfile.localcloud import state
from tests.cloud.endpoint import endpoint

SOON = {"Delay": 0.1, "MaxAttempts": 300}


@pytest.fixture
def cloud():
    with endpoint() as running:
        yield running


def launch(cloud, **options):
    ec2 = cloud.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    options = {"ImageId": image, "InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1, **options}
    return ec2.run_instances(**options)["Instances"][0]["InstanceId"]


def running(cloud, id):
    cloud.client("ec2").get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)


def states(cloud):
    found = cloud.client("ec2").describe_instances()["Reservations"]
    return {one["InstanceId"]: one["State"]["Name"] for reservation in found for one in reservation["Instances"]}


def test_nothing_acknowledged_is_lost_when_the_daemon_is_killed(cloud):
    acknowledged, ready = [], threading.Barrier(5)

    def write(number):
        ec2, secrets = cloud.client("ec2"), cloud.client("secretsmanager")
        ready.wait()
        for index in range(5):
            name = f"{number}-{index}"
            try:
                volume = ec2.create_volume(AvailabilityZone="us-west-2a", Size=1)["VolumeId"]
                secrets.create_secret(Name=name, SecretString=name)
            except Exception:  # noqa: BLE001 (the daemon dies under us: whatever was answered before counts)
                return
            acknowledged.append((volume, name))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    ready.wait()
    while len(acknowledged) < 8:
        writers[0].join(0.01)
    cloud.kill()
    for writer in writers:
        writer.join()
    cloud.start()
    ec2, secrets = cloud.client("ec2"), cloud.client("secretsmanager")
    known = {volume["VolumeId"] for volume in ec2.describe_volumes()["Volumes"]}
    assert {volume for volume, _ in acknowledged} <= known
    for _, name in acknowledged:
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == name


def test_after_a_kill_machines_are_found_again_or_shown_as_stopped(cloud):
    alive, dead = launch(cloud), launch(cloud)
    running(cloud, alive), running(cloud, dead)
    cloud.kill()
    (cloud.home / "memory" / dead).write_text("stopped")
    cloud.start()
    assert states(cloud) == {alive: "running", dead: "stopped"}


def test_after_a_kill_what_was_under_way_is_finished(cloud):
    (cloud.home / "memory/slow-start").touch()
    id = launch(cloud)
    cloud.kill()
    (cloud.home / "memory/slow-start").unlink()
    cloud.start()
    running(cloud, id)


def test_a_token_is_known_over_a_kill(cloud):
    id = launch(cloud, ClientToken="one")
    cloud.kill()
    cloud.start()
    assert launch(cloud, ClientToken="one") == id


def test_attachments_and_addresses_are_the_same_after_a_kill(cloud):
    ec2 = cloud.client("ec2")
    id = launch(cloud)
    running(cloud, id)
    volume = ec2.create_volume(AvailabilityZone="us-west-2a", Size=1)["VolumeId"]
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=SOON)
    ec2.attach_volume(VolumeId=volume, InstanceId=id, Device="/dev/sdf")
    before = ec2.describe_instances()["Reservations"][0]["Instances"][0]["PrivateIpAddress"]
    cloud.kill()
    cloud.start()
    ec2 = cloud.client("ec2")
    assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"][0]["InstanceId"] == id
    assert ec2.describe_instances()["Reservations"][0]["Instances"][0]["PrivateIpAddress"] == before
    assert ec2.detach_volume(VolumeId=volume)["State"] == "detaching"


def test_a_stop_powers_off_and_the_next_start_boots_what_ran(cloud):
    ran, stood = launch(cloud), launch(cloud)
    running(cloud, ran), running(cloud, stood)
    cloud.client("ec2").stop_instances(InstanceIds=[stood])
    cloud.client("ec2").get_waiter("instance_stopped").wait(InstanceIds=[stood], WaiterConfig=SOON)
    assert cloud.stop() == 0
    assert (cloud.home / "memory" / ran).read_text() == "stopped"
    assert not (cloud.home / "endpoint.json").exists()
    cloud.start()
    running(cloud, ran)
    assert states(cloud) == {ran: "running", stood: "stopped"}


def test_the_operators_key_stays_the_same(cloud):
    key = cloud.access_key
    cloud.kill()
    assert cloud.start().access_key == key


def test_a_state_that_cannot_be_written_is_not_acknowledged_and_nothing_is_lost(cloud):
    ec2 = cloud.client("ec2")
    kept = ec2.create_volume(AvailabilityZone="us-west-2a", Size=1)["VolumeId"]
    limit = (cloud.home / "state").stat().st_size // 2
    resource.prlimit(cloud.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    with pytest.raises(ClientError, match="InternalError.*could not save its state"):
        ec2.create_volume(AvailabilityZone="us-west-2a", Size=2, ClientToken="again")
    assert "the state could not be saved" in cloud.log()
    resource.prlimit(cloud.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    again = ec2.create_volume(AvailabilityZone="us-west-2a", Size=2, ClientToken="again")["VolumeId"]
    cloud.kill()
    cloud.start()
    known = [volume["VolumeId"] for volume in cloud.client("ec2").describe_volumes()["Volumes"]]
    assert sorted(known) == sorted([kept, again])


def test_the_state_of_another_version_is_refused_with_a_sentence(cloud):
    cloud.client("ec2").create_volume(AvailabilityZone="us-west-2a", Size=1)
    cloud.kill()
    path = cloud.home / "state"
    _, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps({**state.stamp(), "moto": "4.0.0"}).encode() + b"\n" + rest)
    with pytest.raises(AssertionError, match="was written by format 1 with moto 4.0.0") as refusal:
        cloud.start()
    assert "Traceback" not in str(refusal.value)


def test_a_damaged_state_is_refused_with_a_sentence(cloud):
    cloud.client("ec2").create_volume(AvailabilityZone="us-west-2a", Size=1)
    cloud.kill()
    path = cloud.home / "state"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(AssertionError, match="is damaged"):
        cloud.start()
