"""Expected on PutAttributes and DeleteAttributes."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from .asking import client_of, error_of, pairs, put_one, refusal

HAS_RED = {"Name": "colour", "Value": "red", "Exists": True}
HAS_NO_COLOUR = {"Name": "colour", "Exists": False}

IS_BLUE = "Conditional check failed. Attribute (colour) value is (blue) but was expected (red)"
IS_MULTI_VALUED = (
    "Attribute (colour) is multi-valued. Conditional check can only be performed on a single-valued attribute"
)
VALUE_EXISTS = "Conditional check failed. Attribute (colour) value exists"
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
        ("ConditionalCheckFailed", 409, VALUE_EXISTS),
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
    (
        ["colour=red"],
        {"Name": "colour"},
        ("IncompleteExpectedValues", 400, NEEDS_VALUE),
    ),
    (
        ["colour=red", "colour=blue"],
        HAS_NO_COLOUR,
        ("ConditionalCheckFailed", 409, VALUE_EXISTS),
    ),
    (["colour=RED"], HAS_RED, ("ConditionalCheckFailed", 409, IS_BLUE.replace("blue", "RED"))),
    (["colour="], HAS_NO_COLOUR, ("ConditionalCheckFailed", 409, VALUE_EXISTS)),
    (["colour="], {"Name": "colour", "Value": ""}, None),
    (["colour=red"], {"Exists": False}, ("MissingParameter", 400, "The request must contain the parameter Name")),
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


CROWD = 50


@pytest.mark.parametrize(
    ("given", "condition", "change", "loser"),
    [
        ([], {"Expected.Exists": "false"}, {}, "value exists"),
        (["version=0"], {"Expected.Value": "0"}, {"Attribute.1.Replace": "true"}, "but was expected (0)"),
    ],
    ids=["claim", "version"],
)
def test_of_many_at_the_same_moment_exactly_one_succeeds(ask, put, get, given, condition, change, loser):
    if given:
        put("alice", *given)
    together = Barrier(CROWD)

    def claim(number):
        write = put_one("version", f"by {number}", "alice") | change | {"Expected.Name": "version"} | condition
        together.wait()
        return ask(write, "POST")

    with ThreadPoolExecutor(CROWD) as executor:
        answers = list(executor.map(claim, range(CROWD)))
    winners = [number for number, (status, _) in enumerate(answers) if status == 200]
    assert len(winners) == 1
    assert get("alice") == [f"version=by {winners[0]}"]
    refused = [error_of(answer) for answer in answers if answer[0] != 200]
    assert {(status, code) for status, code, _ in refused} == {(409, "ConditionalCheckFailed")}
    assert all(message.endswith(loser) for _, _, message in refused)


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
