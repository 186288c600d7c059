"""Regions: each with domains of its own, told by the host, the path or the signature's scope."""

import pytest

from .asking import client_of, refusal
from .exporting import exports_client, serving


@pytest.fixture
def url(tmp_path):
    with serving(tmp_path) as (_, url):
        yield url


def host(url, name):
    """A client that reaches the server at `url` under another host name, as a proxy or a resolver would have it."""
    client = client_of(url)

    def rename(request, **_):
        request.headers["Host"] = f"{name}:{url.rpartition(':')[2]}"

    client.meta.events.register("before-send.sdb", rename)
    return client


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("sdb.amazonaws.com", "us-east-1"),
        ("sdb.eu-west-1.amazonaws.com", "eu-west-1"),
        ("sdb.ap-southeast-2.localhost", "ap-southeast-2"),
        ("SDB.SA-EAST-1.localhost", "sa-east-1"),
        ("sdb.localhost", "us-west-2"),
        ("127.0.0.1", "us-west-2"),
    ],
)
def test_the_hosts_name_tells_the_region(tmp_path, name, region):
    with serving(tmp_path) as (simpledb, url):
        host(url, name).create_domain(DomainName="here")
        assert [(row["region"], row["domain"]) for row in simpledb.store.overview()] == [(region, "here")]


@pytest.mark.parametrize("path", ["/eu-west-1", "/eu-west-1/"])
def test_the_path_tells_the_region_where_names_below_localhost_do_not_resolve(url, path):
    client_of(url + path).create_domain(DomainName="irish")
    assert client_of(url + "/eu-west-1").list_domains()["DomainNames"] == ["irish"]
    assert host(url, "sdb.eu-west-1.localhost").list_domains()["DomainNames"] == ["irish"]
    assert "DomainNames" not in client_of(url).list_domains()


def test_the_same_name_in_two_regions_is_two_domains(url):
    here, there = client_of(url), client_of(url + "/us-east-1")
    here.create_domain(DomainName="users")
    there.create_domain(DomainName="users")
    here.put_attributes(DomainName="users", ItemName="a", Attributes=[{"Name": "n", "Value": "1"}])
    assert "Attributes" not in there.get_attributes(DomainName="users", ItemName="a", ConsistentRead=True)
    here.delete_domain(DomainName="users")
    assert there.list_domains()["DomainNames"] == ["users"]


SENTENCE = "SimpleDB has no endpoint in eu-central-1. Its regions are us-east-1, us-west-1, us-west-2, ap-northeast-1, "


def test_a_region_without_simpledb_is_refused_with_one_sentence_that_names_those_with(url):
    for client in (client_of(url + "/eu-central-1"), host(url, "sdb.eu-central-1.amazonaws.com")):
        code, status, message = refusal(client.list_domains)
        assert (code, status) == ("OptInRequired", 403)
        assert message.startswith(SENTENCE)
    code, status, message = refusal(exports_client(url, "eu-central-1").list_exports)
    assert (code, status) == ("OptInRequired", 403)
    assert message.startswith(SENTENCE)


def test_signature_version_2_does_not_tell_its_region(url):
    """Two clients of two regions send the same but for key, time and signature: so nothing could tell them apart."""
    sent = []
    for region in ("us-west-2", "eu-west-1"):
        client = client_of(url, region)
        client.meta.events.register("before-send.sdb", lambda request, **_: sent.append(request))
        client.list_domains()
    one, other = ({name: str(value) for name, value in request.headers.items()} for request in sent)
    assert one["User-Agent"] == other["User-Agent"]
    assert set(one) == set(other)
    bodies = [dict(part.split("=") for part in request.body.split("&")) for request in sent]
    assert set(bodies[0]) == set(bodies[1])
    assert "eu-west-1" not in str(sent[1].headers) + sent[1].body
