"""The whole local cloud with real machines: killed, stopped, started and destroyed."""

import os
import signal
import socket
import subprocess

import boto3
import pytest

from fabfile.localcloud import daemon, real, tasks
from fabfile.localcloud.place import Place

pytestmark = pytest.mark.hosts
SOON = {"Delay": 0.5, "MaxAttempts": 600}
ONE = {"MinCount": 1, "MaxCount": 1, "InstanceType": "t3.small"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A place of our own; only the cache of images is shared. Nothing of it is left."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    place = Place("test", tmp_path_factory.mktemp("cloud") / "home", Place.current().cache, port)
    yield place
    tasks.erase(place)
    assert real.traces(place) == []


def client(found, service):
    return boto3.client(
        service,
        region_name="us-west-2",
        endpoint_url=found.url,
        aws_access_key_id=found.access_key,
        aws_secret_access_key=found.secret_key,
    )


@pytest.fixture
def found(place):
    return daemon.ensure(place, drivers="real")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture(scope="module")
def machine(place, key):
    """A running machine that admits ssh from anywhere: its id and address."""
    ec2 = client(daemon.ensure(place, drivers="real"), "ec2")
    ec2.import_key_pair(KeyName="key", PublicKeyMaterial=key.with_suffix(".pub").read_text())
    group = ec2.create_security_group(GroupName="ssh", Description="ssh")["GroupId"]
    everyone = [{"CidrIp": "0.0.0.0/0"}]
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": everyone}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    image = ec2.describe_images()["Images"][0]["ImageId"]
    one = ec2.run_instances(**ONE, ImageId=image, KeyName="key", SecurityGroupIds=[group])["Instances"][0]
    ec2.get_waiter("instance_running").wait(InstanceIds=[one["InstanceId"]], WaiterConfig=SOON)
    return one["InstanceId"], one["PrivateIpAddress"]


def state(found, machine):
    reservations = client(found, "ec2").describe_instances(InstanceIds=[machine[0]])["Reservations"]
    return reservations[0]["Instances"][0]["State"]["Name"]


@pytest.fixture
def ssh(machine, key, tmp_path):
    """Run a command on the machine, with its host key pinned from the console: returns what it printed."""

    def ssh(found, command, check=True):
        output = client(found, "ec2").get_console_output(InstanceId=machine[0])["Output"]
        _, _, rest = output.partition("-----BEGIN SSH HOST KEY KEYS-----")
        lines = [line.split()[:2] for line in rest.partition("-----END")[0].strip().splitlines()]
        known = tmp_path / "known_hosts"
        known.write_text("".join(f"{machine[1]} {' '.join(line)}\n" for line in lines))
        options = [f"UserKnownHostsFile={known}", "StrictHostKeyChecking=yes", "LogLevel=ERROR", "BatchMode=yes"]
        words = ["ssh", "-i", key, *(word for option in options for word in ("-o", option)), f"admin@{machine[1]}"]
        done = subprocess.run([*words, command], capture_output=True, text=True, check=check, timeout=60)
        return done.stdout.strip()

    return ssh


def test_a_machine_answers_by_ssh_with_the_keys_its_console_showed(found, machine, ssh):
    assert ssh(found, "hostname") == f"ip-{machine[1].replace('.', '-')}"


def test_a_machine_learns_who_it_is_and_finds_names(found, machine, ssh):
    address = "http://169.254.169.254/latest"
    token = f'curl -sX PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" {address}/api/token'
    ask = f'curl -s -H "X-aws-ec2-metadata-token: $({token})" {address}/meta-data/instance-id'
    assert ssh(found, ask) == machine[0]
    assert ssh(found, "getent hosts $(hostname).us-west-2.compute.internal").split()[0] == machine[1]


def test_a_port_is_closed_until_a_rule_opens_it(found, machine, ssh):
    ssh(found, "sudo systemd-run --quiet python3 -m http.server 8080")
    ssh(found, "curl -s -o /dev/null --retry 50 --retry-delay 1 --retry-connrefused http://localhost:8080/")
    with pytest.raises(TimeoutError):
        socket.create_connection((machine[1], 8080), timeout=1)
    ec2 = client(found, "ec2")
    group = ec2.describe_security_groups(GroupNames=["ssh"])["SecurityGroups"][0]["GroupId"]
    everyone = [{"CidrIp": "0.0.0.0/0"}]
    rule = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "IpRanges": everyone}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    socket.create_connection((machine[1], 8080), timeout=10).close()


def test_a_machine_outlives_a_kill_of_the_daemon_and_is_found_again(place, found, machine, ssh):
    boot = ssh(found, "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat")
    os.kill(found.pid, signal.SIGKILL)
    again = daemon.ensure(place, drivers="real")
    assert again.pid != found.pid
    assert state(again, machine) == "running"
    assert ssh(again, "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat") == boot


def test_a_machine_that_is_lost_is_shown_as_stopped_and_starts_again(found, machine, ssh):
    ssh(found, "sudo systemctl poweroff --no-block", check=False)  # sshd may end before it says how it went
    ec2 = client(found, "ec2")
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[machine[0]], WaiterConfig=SOON)
    ec2.start_instances(InstanceIds=[machine[0]])
    ec2.get_waiter("instance_running").wait(InstanceIds=[machine[0]], WaiterConfig=SOON)
    assert ssh(found, "echo back") == "back"


def test_a_stop_powers_machines_off_and_a_start_boots_them(place, found, machine, ssh):
    ssh(found, "echo kept >note; sync")
    assert daemon.stop(place)
    assert not [trace for trace in real.traces(place) if trace.startswith("process")]
    again = daemon.ensure(place, drivers="real")
    client(again, "ec2").get_waiter("instance_running").wait(InstanceIds=[machine[0]], WaiterConfig=SOON)
    assert ssh(again, "cat note") == "kept"


def test_after_a_reboot_of_this_computer_machines_are_stopped_and_start_with_their_volumes(place, found, machine, ssh):
    ec2 = client(found, "ec2")
    volume = ec2.create_volume(AvailabilityZone="us-west-2a", Size=1)["VolumeId"]
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=SOON)
    ec2.attach_volume(VolumeId=volume, InstanceId=machine[0], Device="/dev/sdf")
    attached = [{"Name": "attachment.status", "Values": ["attached"]}]
    ec2.get_waiter("volume_in_use").wait(VolumeIds=[volume], Filters=attached, WaiterConfig=SOON)
    ssh(found, "echo kept | sudo tee /dev/sdf >/dev/null; sync")
    os.kill(found.pid, signal.SIGKILL)
    real.sweep(place)  # all that runs and all that is in the kernel is gone, as after a reboot
    again = daemon.ensure(place, drivers="real")
    assert state(again, machine) == "stopped"
    ec2 = client(again, "ec2")
    ec2.start_instances(InstanceIds=[machine[0]])
    ec2.get_waiter("instance_running").wait(InstanceIds=[machine[0]], WaiterConfig=SOON)
    assert ssh(again, "sudo head -c 4 /dev/sdf") == "kept"


def test_destroy_takes_all_away_also_from_a_dead_daemon(place, found):
    os.kill(found.pid, signal.SIGKILL)
    tasks.erase(place)
    assert real.traces(place) == []
    assert not place.home.exists()
