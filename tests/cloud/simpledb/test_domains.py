"""CreateDomain, DeleteDomain, ListDomains, DomainMetadata."""

import pytest

from fabfile.localcloud.simpledb.api import Request, open_service
from fabfile.localcloud.simpledb.changes import Put
from fabfile.localcloud.simpledb.errors import Refused
from fabfile.localcloud.simpledb.parameters import Attribute
from fabfile.localcloud.simpledb.store import Limits, Store

from .asking import pairs, refusal


def test_a_domain_made_again_keeps_its_data(client, domain, put, get):
    put("a", "colour=red")
    client.create_domain(DomainName=domain)
    assert get("a") == ["colour=red"]


def test_a_domain_removed_and_made_again_is_empty(client, domain, put, get):
    put("a", "colour=red")
    client.delete_domain(DomainName=domain)
    client.create_domain(DomainName=domain)
    assert get("a") == []
    assert client.domain_metadata(DomainName=domain)["ItemCount"] == 0


def test_removing_a_domain_that_is_not_there_succeeds(client):
    client.delete_domain(DomainName="never-made")


@pytest.mark.parametrize("name", ["ab", "a" * 256, "with blank", "with/slash", "größe", "line\n"])
def test_a_domain_name_of_the_wrong_form_is_refused_by_every_operation(client, name):
    for call in (client.create_domain, client.delete_domain, client.domain_metadata):
        code, status, message = refusal(call, DomainName=name)
        assert (code, status) == ("InvalidParameterValue", 400)
        assert message.strip() == f"Value ({name}) for parameter DomainName is invalid."


def test_a_domain_needs_a_name(client):
    missing = ("MissingParameter", 400, "The request must contain the parameter DomainName.")
    assert refusal(client.create_domain) == missing
    assert refusal(client.create_domain, DomainName="") == missing


def test_a_domain_is_found_by_its_exact_name_only(client, domain):
    assert refusal(client.domain_metadata, DomainName=domain.upper())[0] == "NoSuchDomain"


def test_the_longest_and_the_shortest_name_are_fine(client):
    for name in ("abc", "x" * 255, "A-b_c.9"):
        client.create_domain(DomainName=name)
        client.delete_domain(DomainName=name)


def test_domains_are_listed_by_name_page_by_page(client):
    names = [f"page-{letter}" for letter in "edcba"]
    for name in names:
        client.create_domain(DomainName=name)
    pages = client.get_paginator("list_domains").paginate(MaxNumberOfDomains=2)
    listed = [name for page in pages for name in page.get("DomainNames", [])]
    for name in names:
        client.delete_domain(DomainName=name)
    assert listed == sorted(listed)
    assert set(names) <= set(listed)


@pytest.mark.parametrize("count", [0, 101, -1])
def test_a_page_of_domains_has_one_to_a_hundred(client, count):
    expected = (
        f"Value ({count}) for parameter MaxNumberOfDomains is invalid. MaxNumberOfDomains must be between 1 and 100."
    )
    assert refusal(client.list_domains, MaxNumberOfDomains=count) == ("InvalidParameterValue", 400, expected)


def test_a_list_with_a_foreign_token_is_refused(client):
    assert refusal(client.list_domains, NextToken="abc")[0] == "InvalidNextToken"


def test_a_region_holds_only_so_many_domains(tmp_path):
    service = open_service(tmp_path, "us-west-2", limits=Limits(domains=2))
    created = [
        service.answer(Request("GET", query=f"Action=CreateDomain&Version=2009-04-15&DomainName=domain-{number}"))
        for number in (1, 2, 2, 3)
    ]
    service.close()
    assert [status for status, _, _ in created] == [200, 200, 200, 409]
    assert b"<Code>NumberDomainsExceeded</Code>" in created[-1][2]


def test_a_domain_holds_only_so_many_bytes(tmp_path):
    store = Store(tmp_path, Limits(domain_bytes=100))
    store.create_domain("r", "here")
    store.change("r", "here", [Put("a", (Attribute("n", "x" * 60),))])
    with pytest.raises(Refused) as caught:
        store.change("r", "here", [Put("b", (Attribute("n", "x" * 60),))])
    store.change("r", "here", [Put("a", (Attribute("n", "small", replace=True),))])
    store.change("r", "here", [Put("b", (Attribute("n", "x" * 60),))])
    store.close()
    assert (caught.value.code, caught.value.status) == ("NumberDomainBytesExceeded", 409)


def test_metadata_counts_bytes_of_utf8_and_each_attribute_name_once(client, domain, put):
    put("é", "colour=red", "colour=grün")
    put("b", "colour=red", "size=1", "empty=")
    client.delete_attributes(DomainName=domain, ItemName="b", Attributes=pairs("size=1"))
    found = client.domain_metadata(DomainName=domain)
    assert (found["ItemCount"], found["ItemNamesSizeBytes"]) == (2, 3)
    assert (found["AttributeNameCount"], found["AttributeNamesSizeBytes"]) == (2, 11)
    assert (found["AttributeValueCount"], found["AttributeValuesSizeBytes"]) == (4, 11)
    assert found["Timestamp"] > 1_700_000_000


def test_metadata_counts_what_aws_counted(client, domain):
    """A recorded answer: 4 items with 26 pairs over 6 names gave 42, 6, 26, 24 and 172."""
    values = [f"{number:06}" for number in range(10)] + [f"{number:07}" for number in range(16)]
    for number, name in enumerate(["x" * 10, "y" * 10, "z" * 11, "w" * 11]):
        mine = [{"Name": f"n{place % 6:03}", "Value": value} for place, value in enumerate(values[number::4])]
        client.put_attributes(DomainName=domain, ItemName=name, Attributes=mine)
    found = client.domain_metadata(DomainName=domain)
    assert (found["ItemCount"], found["ItemNamesSizeBytes"]) == (4, 42)
    assert (found["AttributeNameCount"], found["AttributeNamesSizeBytes"]) == (6, 24)
    assert (found["AttributeValueCount"], found["AttributeValuesSizeBytes"]) == (26, 172)


def test_metadata_of_an_empty_domain_is_all_zeros(client, domain):
    found = client.domain_metadata(DomainName=domain)
    sizes = [found[field] for field in found if field.startswith(("Item", "Attribute"))]
    assert sizes == [0] * 6


def test_metadata_of_a_missing_domain_is_refused(client):
    expected = ("NoSuchDomain", 400, "The specified domain does not exist.")
    assert refusal(client.domain_metadata, DomainName="never-made") == expected
