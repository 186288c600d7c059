"""`python -m fabfile.localcloud.simpledb`: SimpleDB as a process of its own."""

import subprocess
import sys
from urllib.parse import urlsplit

from .asking import ROOT, client_of, pairs, refusal


def test_it_runs_alone_and_ends_cleanly_when_told_to(start):
    process, url = start("--region", "eu-west-1")
    assert url.startswith("http://127.0.0.1:")
    client = client_of(url)
    client.create_domain(DomainName="alone")
    client.put_attributes(DomainName="alone", ItemName="a", Attributes=pairs("n=1"))
    process.terminate()
    assert process.wait(30) == 0
    _, url = start("--region", "eu-west-1")
    found = client_of(url).get_attributes(DomainName="alone", ItemName="a", ConsistentRead=True)
    assert found["Attributes"] == pairs("n=1")


def test_a_port_in_use_is_said_in_one_sentence(start, tmp_path):
    _, url = start()
    port = str(urlsplit(url).port)
    command = [sys.executable, "-m", "fabfile.localcloud.simpledb", "--port", port, "--data", str(tmp_path / "other")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Address already in use" in done.stderr
    assert "--port" in done.stderr


def test_with_a_lag_a_read_that_forgets_to_be_consistent_is_stale(start):
    _, url = start("--lag", "3600")
    client = client_of(url)
    client.create_domain(DomainName="stale")
    client.put_attributes(DomainName="stale", ItemName="a", Attributes=pairs("n=1"))
    client.put_attributes(DomainName="stale", ItemName="a", Attributes=pairs("m=2"))
    forgetful = client.get_attributes(DomainName="stale", ItemName="a")
    consistent = client.get_attributes(DomainName="stale", ItemName="a", ConsistentRead=True)
    assert "Attributes" not in forgetful
    assert len(consistent["Attributes"]) == 2


def test_above_its_write_rate_a_domain_answers_503(start):
    _, url = start("--write-rate", "1")
    client = client_of(url)
    client.create_domain(DomainName="busy")
    write = {"DomainName": "busy", "ItemName": "a", "Attributes": pairs("n=1")}
    client.put_attributes(**write)
    code, status, message = refusal(client.put_attributes, **write)
    assert (code, status) == ("ServiceUnavailable", 503)
    assert message.startswith("Service Amazon SimpleDB is busy handling other requests")
