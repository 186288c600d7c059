"""Expected on PutAttributes and DeleteAttributes."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from .asking import client_of, pairs, refusal

HAS_RED = {"Name": "colour", "Value": "red", "Exists": True}
HAS_NO_COLOUR = {"Name": "colour", "Exists": False}

IS_BLUE = "Conditional check failed. Attribute (colour) value is (blue) but was expected (red)"
IS_MULTI_VALUED = (
    "Attribute (colour) is multi-valued. Conditional check can only be performed on a single-valued attribute"
)
NEEDS_VALUE = "If Expected.Exists = True or unspecified, then Expected.Value has to be specified"

CASES = [
    (["colour=red"], {"Name": "colour", "Value": "red"}, None),
    (["colour=red"], HAS_RED, None),
    ([], HAS_NO_COLOUR, None),
    (["size=1"], HAS_NO_COLOUR, None),
    (
        ["colour=blue"],
        HAS_RED,
        ("ConditionalCheckFailed", 409, IS_BLUE),
    ),
    ([], HAS_RED, ("AttributeDoesNotExist", 404, "Attribute (colour) does not exist")),
    (["size=1"], HAS_RED, ("AttributeDoesNotExist", 404, "Attribute (colour) does not exist")),
    (
        ["colour=red", "colour=blue"],
        HAS_RED,
        ("MultiValuedAttribute", 409, IS_MULTI_VALUED),
    ),
    (
        ["colour=red"],
        HAS_NO_COLOUR,
        ("ConditionalCheckFailed", 409, "Conditional check failed. Attribute (colour) value exists"),
    ),
    (
        ["colour=red"],
        HAS_RED | {"Exists": False},
        ("ExistsAndExpectedValue", 400, "Expected.Exists=false and Expected.Value cannot be specified together"),
    ),
    (
        ["colour=red"],
        {"Name": "colour", "Exists": True},
        ("IncompleteExpectedValues", 400, NEEDS_VALUE),
    ),
    (["colour=red"], {"Value": "red"}, ("MissingParameter", 400, "The request must contain the parameter Name")),
]


@pytest.mark.parametrize(("given", "expected", "error"), CASES)
def test_a_put_is_done_only_if_its_condition_holds(client, domain, put, get, given, expected, error):
    if given:
        put("a", *given)
    arguments = {"DomainName": domain, "ItemName": "a", "Attributes": pairs("new=1"), "Expected": expected}
    if error:
        assert refusal(client.put_attributes, **arguments) == error
        assert get("a") == sorted(given)
    else:
        client.put_attributes(**arguments)
        assert get("a") == sorted([*given, "new=1"])


@pytest.mark.parametrize(("given", "expected", "error"), CASES)
def test_a_delete_is_done_only_if_its_condition_holds(client, domain, put, get, given, expected, error):
    if given:
        put("a", *given)
    arguments = {"DomainName": domain, "ItemName": "a", "Expected": expected}
    if error:
        assert refusal(client.delete_attributes, **arguments) == error
        assert get("a") == sorted(given)
    else:
        client.delete_attributes(**arguments)
        assert get("a") == []


def test_of_many_who_want_a_name_exactly_one_gets_it(url, domain):
    clients = [client_of(url) for _ in range(8)]

    def claim(number):
        try:
            clients[number].put_attributes(
                DomainName=domain,
                ItemName="alice",
                Attributes=pairs(f"owner={number}"),
                Expected={"Name": "owner", "Exists": False},
            )
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "taken"

    with ThreadPoolExecutor(8) as executor:
        outcomes = sorted(executor.map(claim, range(8)))
    assert outcomes == ["ConditionalCheckFailed"] * 7 + ["taken"]


def test_counting_with_an_expected_version_loses_nothing(url, domain, put, get):
    put("counter", "n=0")

    def count(_):
        client, done = client_of(url), 0
        while done < 10:
            now = client.get_attributes(DomainName=domain, ItemName="counter", ConsistentRead=True)
            value = now["Attributes"][0]["Value"]
            try:
                client.put_attributes(
                    DomainName=domain,
                    ItemName="counter",
                    Attributes=[{"Name": "n", "Value": str(int(value) + 1), "Replace": True}],
                    Expected={"Name": "n", "Value": value},
                )
            except client.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "ConditionalCheckFailed"
            else:
                done += 1

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(count, range(4)))
    assert get("counter") == ["n=40"]
