"""SimpleDB behind the local cloud's endpoint: whoever signs, in whatever region, by whatever switch."""

import base64
import hmac
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import quote, urlencode, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.cloud.endpoint import ROOT, endpoint
from tests.cloud.simpledb.asking import pairs


@pytest.fixture(scope="module")
def cloud():
    with endpoint() as running:
        yield running


def refused(code):
    return pytest.raises(ClientError, match=rf"\({code}\)")


def sent(cloud, method, parameters, signed="HmacSHA256", expires=False, key="local"):
    """(status, body) of a request as boto 2 and older tools make it: signature version 2 in GET or POST."""
    fields = {"Version": "2009-04-15", "AWSAccessKeyId": key, "SignatureVersion": "2", "SignatureMethod": signed}
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + (600 if expires else 0)))
    fields |= {"Expires" if expires else "Timestamp": moment, **parameters}
    text = "&".join(f"{quote(name, '-_.~')}={quote(value, '-_.~')}" for name, value in sorted(fields.items()))
    digest = hmac.new(b"secret", f"{method}\n{urlsplit(cloud.url).netloc}\n/\n{text}".encode(), signed[4:].lower())
    fields["Signature"] = base64.b64encode(digest.digest()).decode()
    query = urlencode(fields)
    request = urllib.request.Request(f"{cloud.url}/?{query}") if method == "GET" else None
    request = request or urllib.request.Request(f"{cloud.url}/", query.encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("signed", ["HmacSHA256", "HmacSHA1"])
@pytest.mark.parametrize("expires", [False, True])
def test_signature_version_2_is_served_in_every_form(cloud, method, signed, expires):
    name = f"{method}-{signed}-{expires}"
    status, body = sent(cloud, method, {"Action": "CreateDomain", "DomainName": name}, signed, expires)
    assert (status, "<CreateDomainResponse" in body) == (200, True)
    value = "a b+c&d=é%"
    write = {"Action": "PutAttributes", "DomainName": name, "ItemName": "i", "Attribute.0.Name": "n"}
    assert sent(cloud, method, write | {"Attribute.0.Value": value}, signed, expires)[0] == 200
    found = cloud.client("sdb").get_attributes(DomainName=name, ItemName="i", ConsistentRead=True)
    assert found["Attributes"] == [{"Name": "n", "Value": value}]


def test_errors_are_simpledbs_own(cloud):
    status, body = sent(cloud, "GET", {"Action": "Nonsense"})
    assert (status, "<Code>InvalidAction</Code>" in body, "<RequestID>" in body) == (400, True, True)
    status, body = sent(cloud, "POST", {"Action": "ListDomains"}, key="AKIAQWERTYUIOPASDFGH")
    assert (status, "<Code>InvalidClientTokenId</Code>" in body) == (403, True)


def test_simpledb_has_its_regions_here_and_the_others_have_one(cloud):
    sdb = cloud.client("sdb")
    sdb.create_domain(DomainName="regional")
    irish = boto3.client(
        "sdb", "eu-west-1", endpoint_url=f"{cloud.url}/eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    assert "regional" not in irish.list_domains().get("DomainNames", [])
    irish.create_domain(DomainName="irish")
    assert irish.list_domains()["DomainNames"] == ["irish"]
    assert cloud.client("simpledbv2", region="eu-west-1").list_exports(domainName="irish")["exportSummaries"] == []
    with refused("OptInRequired"):
        cloud.client("simpledbv2", region="eu-central-1").list_exports()
    with refused("OptInRequired"):
        cloud.client("ec2", region="eu-west-1").describe_instances()


def test_the_export_api_asks_who_comes(cloud):
    with refused("InvalidClientTokenId"):
        cloud.client("simpledbv2", key="AKIAQWERTYUIOPASDFGH", secret="x").list_exports()


def test_one_domain_is_throttled_through_the_clouds_switch(cloud):
    sdb = cloud.client("sdb")
    for name in ("slow-one", "quick-one"):
        sdb.create_domain(DomainName=name)
    rule = json.dumps({"service": "sdb", "domain": "slow-one", "write_rate": 0.01}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{cloud.url}/_local/faults", rule), timeout=30).close()
    write = {"ItemName": "a", "Attributes": pairs("n=1")}
    sdb.put_attributes(DomainName="slow-one", **write)
    with refused("ServiceUnavailable"):
        sdb.put_attributes(DomainName="slow-one", **write)
    for _ in range(5):
        sdb.put_attributes(DomainName="quick-one", **write)
    urllib.request.urlopen(urllib.request.Request(f"{cloud.url}/_local/faults", method="DELETE"), timeout=30).close()
    sdb.put_attributes(DomainName="slow-one", **write)


def test_a_read_that_forgets_to_be_consistent_is_stale_by_default(cloud):
    sdb = cloud.client("sdb")
    sdb.create_domain(DomainName="stale")
    sdb.put_attributes(DomainName="stale", ItemName="a", Attributes=pairs("n=1"))
    assert "Attributes" not in sdb.get_attributes(DomainName="stale", ItemName="a")
    assert sdb.get_attributes(DomainName="stale", ItemName="a", ConsistentRead=True)["Attributes"]
    assert sdb.domain_metadata(DomainName="stale")["ItemCount"] == 1


def test_how_far_reads_are_behind_is_set_in_the_environment(monkeypatch):
    monkeypatch.setenv("HYDRA_LAG", "0")
    with endpoint() as cloud:
        sdb = cloud.client("sdb")
        sdb.create_domain(DomainName="fresh")
        sdb.put_attributes(DomainName="fresh", ItemName="a", Attributes=pairs("n=1"))
        assert sdb.get_attributes(DomainName="fresh", ItemName="a")["Attributes"]


@pytest.mark.parametrize("lag", ["-1", "soon", "inf"])
def test_a_lag_that_is_none_is_refused_in_a_line(tmp_path, lag):
    command = [sys.executable, str(ROOT / "fabfile/localcloud"), "--drivers", "memory", "--port", "0"]
    environment = {"HYDRA_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HYDRA_LAG": lag}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode
    assert f"invalid seconds value: '{lag}'" in done.stderr
    assert "Traceback" not in done.stderr
