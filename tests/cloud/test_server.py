"""The endpoint itself: whom it lets in, what it says to what it does not do, and its administration."""

import json
import subprocess
import sys
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from tests.cloud.endpoint import ROOT, endpoint

STRANGER = "AKIAQWERTYUIOPASDFGH"  # looks like a real account's key


@pytest.fixture(scope="module")
def cloud():
    with endpoint() as running:
        yield running


def refused(code):
    return pytest.raises(ClientError, match=rf"\({code.replace('.', '[.]')}\)")


def admin(cloud, path, method="GET", value=None):
    request = Request(cloud.url + path, method=method, data=json.dumps(value).encode() if value else None)
    with urlopen(request, timeout=10) as answer:
        return answer.read()


@pytest.mark.parametrize(
    ("service", "call", "code", "status"),
    [
        ("ec2", "describe_instances", "AuthFailure", 401),
        ("rds", "describe_db_instances", "InvalidClientTokenId", 403),
        ("ssm", "describe_parameters", "UnrecognizedClientException", 403),
        ("secretsmanager", "list_secrets", "UnrecognizedClientException", 403),
        ("sts", "get_caller_identity", "InvalidClientTokenId", 403),
        ("sdb", "list_domains", "InvalidClientTokenId", 403),
        ("cloudwatch", "list_metrics", "InvalidClientTokenId", 403),
    ],
)
def test_a_real_looking_key_that_nobody_issued_is_refused_as_aws_does(cloud, service, call, code, status):
    with refused(code) as refusal:
        getattr(cloud.client(service, key=STRANGER, secret="secret"), call)()
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize("key", ["AKIAIOSFODNN7EXAMPLE", "test"])
def test_a_made_up_key_is_let_in(cloud, key):
    assert cloud.client("ec2", key=key, secret="any").describe_vpcs()["Vpcs"]


def test_another_region_is_refused(cloud):
    with refused("OptInRequired"):
        cloud.client("ec2", region="eu-west-1").describe_instances()


@pytest.mark.parametrize(
    ("service", "call", "options"),
    [
        ("ec2", "allocate_address", {}),  # moto keeps a record, but no such address would lead here
        ("ec2", "describe_volume_status", {}),  # moto has none
        ("rds", "describe_reserved_db_instances", {}),
        ("ssm", "describe_instance_information", {}),
        ("cloudwatch", "describe_anomaly_detectors", {}),
        ("sns", "list_topics", {}),  # a service that is not served
    ],
)
def test_what_is_not_served_says_so_in_the_services_own_words(cloud, service, call, options):
    with refused("NotImplemented") as refusal:
        getattr(cloud.client(service), call)(**options)
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "local cloud" in refusal.value.response["Error"]["Message"]


def test_what_is_not_served_leaves_a_line_in_the_log(cloud):
    with refused("NotImplemented"):
        cloud.client("ec2").allocate_address()
    assert "not implemented: ec2 AllocateAddress" in cloud.log()


def test_a_fault_is_answered_as_often_as_asked_for(cloud):
    rule = {"service": "ec2", "action": "Describe.*", "code": "RequestLimitExceeded", "status": 503, "times": 1}
    admin(cloud, "/_local/faults", "POST", rule)
    with refused("RequestLimitExceeded"):
        cloud.client("ec2").describe_vpcs()
    assert cloud.client("ec2").describe_vpcs()["Vpcs"]
    admin(cloud, "/_local/faults", "DELETE")
    assert json.loads(admin(cloud, "/_local/faults")) == []


def test_the_trust_bundle_of_databases_is_that_of_this_cloud(cloud):
    assert admin(cloud, "/us-west-2/us-west-2-bundle.pem").startswith(b"-----BEGIN CERTIFICATE-----")
    assert admin(cloud, "/global/global-bundle.pem") == admin(cloud, "/us-west-2/us-west-2-bundle.pem")


def test_status_names_what_there_is(cloud):
    cloud.client("ec2").create_volume(AvailabilityZone="us-west-2a", Size=3)
    status = json.loads(admin(cloud, "/_local/status"))
    assert {"machines", "volumes", "databases", "simpledb"} <= set(status)
    assert status["volumes"][0]["gib"] == 3


def test_the_endpoints_file_is_its_owners_alone(cloud):
    assert (cloud.home / "endpoint.json").stat().st_mode & 0o777 == 0o600
    assert (cloud.home / "state").stat().st_mode & 0o777 == 0o600


def test_secrets_stay_out_of_the_log(cloud):
    cloud.client("secretsmanager").create_secret(Name="one", SecretString="do not tell")
    assert cloud.secret_key not in cloud.log()
    assert "do not tell" not in cloud.log()


def test_a_port_in_use_is_named_with_its_owner(cloud, tmp_path):
    port = cloud.url.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, str(ROOT / "fabfile/localcloud"), "--drivers", "memory", "--port", port],
        env={"HYDRA_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert f"port {port} is in use by python" in done.stderr
    assert f"(pid {cloud.process.pid})" in done.stderr
    assert "Traceback" not in done.stderr


def test_simpledb_answers_at_the_same_address(cloud):
    sdb = cloud.client("sdb")
    sdb.create_domain(DomainName="users")
    sdb.put_attributes(DomainName="users", ItemName="one", Attributes=[{"Name": "a", "Value": "b"}])
    found = sdb.get_attributes(DomainName="users", ItemName="one", ConsistentRead=True)["Attributes"]
    assert found == [{"Name": "a", "Value": "b"}]


def test_a_second_daemon_of_the_same_place_is_refused(cloud):
    done = subprocess.run(
        [sys.executable, str(ROOT / "fabfile/localcloud"), "--drivers", "memory", "--port", "0"],
        env={"HYDRA_HOME": str(cloud.home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "another daemon serves" in done.stderr
    assert "Traceback" not in done.stderr
