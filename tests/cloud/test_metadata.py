"""The machines' metadata service, asked from the very addresses of machines."""

import json
import socket
import socketserver
import threading
from http.client import HTTPConnection

import pytest
from botocore.exceptions import ClientError
from botocore.utils import InstanceMetadataFetcher

from tests.cloud.endpoint import endpoint

TTL = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
SOON = {"Delay": 0.1, "MaxAttempts": 300}
TRUST = {"Version": "2012-10-17", "Statement": []}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFxGTMrXPuGBW4gS0ygdDk7/MiOzLHhMTyCIrzO0UySa someone"


class Machine:
    """One instance, and what its programs see at 169.254.169.254."""

    def __init__(self, cloud, id, address):
        self.cloud, self.id, self.address = cloud, id, address

    def ask(self, method, path, headers=None):
        """(status, text)."""
        known = json.loads((self.cloud.home / "endpoint.json").read_text())
        link = HTTPConnection(known["gateway"], known["metadata_port"], timeout=10, source_address=(self.address, 0))
        try:
            link.request(method, path, headers=headers or {})
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        finally:
            link.close()

    def token(self):
        return self.ask("PUT", "/latest/api/token", TTL)[1]

    def get(self, path):
        return self.ask("GET", f"/latest/{path}", {"X-aws-ec2-metadata-token": self.token()})


@pytest.fixture(scope="module")
def cloud():
    with endpoint() as running:
        yield running


@pytest.fixture(scope="module")
def machine(cloud):
    ec2, iam = cloud.client("ec2"), cloud.client("iam")
    ec2.import_key_pair(KeyName="someone", PublicKeyMaterial=KEY)
    iam.create_role(RoleName="web", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_instance_profile(InstanceProfileName="web")
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
    return launch(cloud, KeyName="someone", IamInstanceProfile={"Name": "web"}, UserData="#!/bin/sh\ntrue\n")


def launch(cloud, **options):
    ec2 = cloud.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    only = {"HttpTokens": "required"}
    options |= {"ImageId": image, "InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1, "MetadataOptions": only}
    one = ec2.run_instances(**options)["Instances"][0]
    ec2.get_waiter("instance_running").wait(InstanceIds=[one["InstanceId"]], WaiterConfig=SOON)
    return Machine(cloud, one["InstanceId"], one["PrivateIpAddress"])


def test_a_token_comes_first(machine):
    assert machine.ask("GET", "/latest/meta-data/instance-id")[0] == 401
    assert machine.get("meta-data/instance-id") == (200, machine.id)


@pytest.mark.parametrize("ttl", ["", "0", "21601", "soon"])
def test_a_token_needs_a_lifetime(machine, ttl):
    assert machine.ask("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": ttl})[0] == 400


def test_a_forwarded_request_gets_no_token(machine):
    assert machine.ask("PUT", "/latest/api/token", {**TTL, "X-Forwarded-For": "10.0.0.1"})[0] == 403


def test_a_token_is_of_no_use_to_another_machine(cloud, machine):
    other = launch(cloud)
    answer = other.ask("GET", "/latest/meta-data/instance-id", {"X-aws-ec2-metadata-token": machine.token()})
    assert answer[0] == 401
    assert other.get("meta-data/instance-id") == (200, other.id)


def test_nobody_else_is_answered(machine):
    known = json.loads((machine.cloud.home / "endpoint.json").read_text())
    link = HTTPConnection(known["gateway"], known["metadata_port"], timeout=10)
    link.request("PUT", "/latest/api/token", headers=TTL)
    assert link.getresponse().status == 404


def test_a_machine_learns_who_and_where_it_is(machine):
    name = f"ip-{machine.address.replace('.', '-')}.us-west-2.compute.internal"
    assert machine.get("meta-data/local-ipv4") == (200, machine.address)
    assert machine.get("meta-data/hostname") == (200, name)
    assert machine.get("meta-data/placement/availability-zone") == (200, "us-west-2a")
    assert machine.get("meta-data/placement/region") == (200, "us-west-2")
    assert machine.get("user-data") == (200, "#!/bin/sh\ntrue\n")
    assert machine.get("meta-data/public-keys/0/openssh-key") == (200, KEY)
    document = json.loads(machine.get("dynamic/instance-identity/document")[1])
    assert (document["instanceId"], document["region"]) == (machine.id, "us-west-2")


def test_a_folder_lists_what_is_in_it(machine):
    assert machine.get("meta-data/placement/") == (200, "availability-zone\nregion")
    names = machine.get("meta-data/")[1].split()
    assert {"iam/", "instance-id", "placement/", "public-keys/"} <= set(names)


def test_what_is_not_there_is_not_found(cloud, machine):
    assert machine.get("meta-data/nothing")[0] == 404
    assert launch(cloud).get("meta-data/iam/security-credentials/")[0] == 404


def test_the_roles_keys_are_let_in_and_say_who_they_are(cloud, machine):
    role = machine.get("meta-data/iam/security-credentials/")[1]
    assert role == "web"
    keys = json.loads(machine.get(f"meta-data/iam/security-credentials/{role}")[1])
    assert (keys["Code"], keys["Type"]) == ("Success", "AWS-HMAC")
    sts = cloud.client("sts", key=keys["AccessKeyId"], secret=keys["SecretAccessKey"], token=keys["Token"])
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:sts::123456789012:assumed-role/web/{machine.id}"
    assert json.loads(machine.get(f"meta-data/iam/security-credentials/{role}")[1]) == keys


def test_the_roles_keys_hold_over_a_kill_and_not_without_their_token(machine):
    cloud = machine.cloud
    keys = json.loads(machine.get("meta-data/iam/security-credentials/web")[1])
    cloud.kill()
    cloud.start()
    mine = {"key": keys["AccessKeyId"], "secret": keys["SecretAccessKey"]}
    assert cloud.client("ec2", **mine, token=keys["Token"]).describe_vpcs()["Vpcs"]
    with pytest.raises(ClientError, match="AuthFailure"):
        cloud.client("ec2", **mine).describe_vpcs()


@pytest.fixture
def relay(machine):
    """What comes to a port of this machine goes on as if the instance had sent it: returns the URL."""
    known = json.loads((machine.cloud.home / "endpoint.json").read_text())

    class Relay(socketserver.BaseRequestHandler):
        def handle(self):
            there = (known["gateway"], known["metadata_port"])
            with socket.create_connection(there, source_address=(machine.address, 0)) as link:
                link.sendall(self.request.recv(65536))
                self.request.sendall(link.recv(65536))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_botocore_finds_the_roles_keys_by_itself(relay):
    found = InstanceMetadataFetcher(base_url=relay, num_attempts=3).retrieve_iam_role_credentials()
    assert found["role_name"] == "web"
    assert found["access_key"].startswith("ASIA")
    assert {"secret_key", "token", "expiry_time"} <= set(found)


def test_a_machine_is_let_in_with_issued_keys_only(machine):
    def status(key):
        scope = f"Credential={key}/20260101/us-west-2/ec2/aws4_request"
        headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
        known = json.loads((machine.cloud.home / "endpoint.json").read_text())
        host, _, port = known["gateway_url"].removeprefix("http://").partition(":")
        link = HTTPConnection(host, int(port), timeout=10, source_address=(machine.address, 0))
        link.request("GET", "/?Action=DescribeVpcs&Version=2016-11-15", headers=headers)
        return link.getresponse().status

    assert status("test") == 401
    assert status(machine.cloud.access_key) == 200
