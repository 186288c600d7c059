"""PutAttributes, GetAttributes and DeleteAttributes without conditions."""

import pytest

from .asking import pairs, refusal


def test_a_put_adds_values_and_an_equal_pair_changes_nothing(put, get):
    put("a", "colour=red", "colour=red")
    put("a", "colour=blue", "colour=red", "size=1")
    assert get("a") == ["colour=blue", "colour=red", "size=1"]


def test_replace_drops_the_earlier_values_of_that_name_only(client, domain, put, get):
    put("a", "a=1", "b=2", "b=3")
    attributes = [{"Name": "b", "Value": "4", "Replace": True}, {"Name": "b", "Value": "5", "Replace": True}]
    client.put_attributes(DomainName=domain, ItemName="a", Attributes=attributes)
    assert get("a") == ["a=1", "b=4", "b=5"]


def test_of_mixed_flags_on_one_name_the_earlier_values_go_and_all_new_ones_stay(client, domain, put, get):
    put("a", "n=old")
    attributes = [{"Name": "n", "Value": "1"}, {"Name": "n", "Value": "2", "Replace": True}]
    client.put_attributes(DomainName=domain, ItemName="a", Attributes=attributes)
    assert get("a") == ["n=1", "n=2"]


def test_attributes_come_grouped_by_name_with_ascending_values(client, domain, put):
    put("a", "b=2", "a=x", "b=10", "a=é", "a=X", "b=1")
    found = client.get_attributes(DomainName=domain, ItemName="a", ConsistentRead=True)["Attributes"]
    assert found == pairs("a=X", "a=x", "a=é", "b=1", "b=10", "b=2")


def test_names_and_values_are_case_sensitive_and_blanks_count(put, get):
    put("a", "Colour=Red", "colour=red", "colour= red ")
    assert get("a") == ["Colour=Red", "colour= red ", "colour=red"]
    assert get("A") == []


def test_the_empty_text_is_a_value(put, get):
    put("a", "note=")
    assert get("a") == ["note="]


def test_get_gives_only_the_attributes_asked_for(put, get):
    put("a", "colour=red", "size=1", "weight=2")
    assert get("a", AttributeNames=["size", "weight", "lacking"]) == ["size=1", "weight=2"]


def test_get_of_a_missing_item_is_empty(client, domain):
    answer = client.get_attributes(DomainName=domain, ItemName="nobody")
    assert "Attributes" not in answer


def test_delete_takes_a_value_a_name_or_the_whole_item(client, domain, put, get):
    put("a", "colour=red", "colour=blue", "size=1", "size=2", "weight=3")
    client.delete_attributes(DomainName=domain, ItemName="a", Attributes=pairs("colour=red", "weight=other"))
    assert get("a") == ["colour=blue", "size=1", "size=2", "weight=3"]
    client.delete_attributes(DomainName=domain, ItemName="a", Attributes=[{"Name": "size"}])
    assert get("a") == ["colour=blue", "weight=3"]
    client.delete_attributes(DomainName=domain, ItemName="a")
    assert get("a") == []


def test_an_empty_list_of_attributes_takes_the_whole_item(client, domain, put, get):
    """What boto3 makes of it names no attribute; AWS does the same."""
    put("a", "colour=red")
    client.delete_attributes(DomainName=domain, ItemName="a", Attributes=[])
    assert get("a") == []


def test_an_item_without_pairs_is_gone(client, domain, put):
    put("a", "colour=red")
    client.delete_attributes(DomainName=domain, ItemName="a", Attributes=pairs("colour=red"))
    assert client.domain_metadata(DomainName=domain)["ItemCount"] == 0


def test_deleting_what_is_not_there_succeeds(client, domain):
    for attributes in ([], pairs("a=1"), [{"Name": "a"}]):
        client.delete_attributes(DomainName=domain, ItemName="nobody", Attributes=attributes)


def test_an_item_holds_256_pairs(client, domain, put, get):
    put("a", *[f"n{number}=x" for number in range(256)])
    put("a", "n0=x", "n255=x")
    client.put_attributes(DomainName=domain, ItemName="a", Attributes=[{"Name": "n1", "Value": "y", "Replace": True}])
    full = get("a")
    expected = ("NumberItemAttributesExceeded", 409, "Too many attributes in this item.")
    more = {"DomainName": domain, "ItemName": "a", "Attributes": pairs("one=more")}
    assert refusal(client.put_attributes, **more) == expected
    assert len(full) == 256
    assert get("a") == full


def test_a_call_submits_256_attributes(client, domain, get):
    many = pairs(*[f"n{number}=x" for number in range(257)])
    expected = ("NumberSubmittedAttributesExceeded", 409, "Too many attributes in a single call.")
    for call in (client.put_attributes, client.delete_attributes):
        assert refusal(call, DomainName=domain, ItemName="a", Attributes=many) == expected
    assert get("a") == []


def test_a_domain_holds_only_so_many_pairs(client, domain):
    def fill(item):
        attributes = pairs(*[f"n{number}=x" for number in range(250)])
        client.put_attributes(DomainName=domain, ItemName=item, Attributes=attributes)

    for number in range(12):
        fill(f"item-{number}")
    assert refusal(fill, item="one-too-many")[:2] == ("NumberDomainAttributesExceeded", 409)
    assert client.domain_metadata(DomainName=domain)["ItemCount"] == 12


LONG = "é" * 512 + "x"  # 1,025 bytes


@pytest.mark.parametrize(
    ("item", "attribute", "reason"),
    [
        ("a", {"Name": LONG, "Value": "x"}, "parameter Name is invalid. Value exceeds maximum length of 1024."),
        ("a", {"Name": "x", "Value": LONG}, "parameter Value is invalid. Value exceeds maximum length of 1024."),
        (LONG, {"Name": "x", "Value": "x"}, "parameter Item is invalid. Value exceeds max length of 1024."),
    ],
)
def test_a_text_that_is_too_long_is_refused(client, domain, item, attribute, reason):
    answer = refusal(client.put_attributes, DomainName=domain, ItemName=item, Attributes=[attribute])
    assert answer == ("InvalidParameterValue", 400, f"Value ({LONG}) for {reason}")


def test_an_attribute_needs_a_name_of_some_length(client, domain):
    answer = refusal(client.put_attributes, DomainName=domain, ItemName="a", Attributes=pairs("=x"))
    expected = "Value () for parameter Name is invalid.The empty string is an illegal attribute name"
    assert answer == ("InvalidParameterValue", 400, expected)


def test_1024_bytes_are_not_too_long(put, get):
    text = "é" * 512
    put(text, f"{text}={text}")
    assert get(text) == [f"{text}={text}"]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ([], "No attributes"),
        ([{"Name": "x"}], "Attribute.Value missing for Attribute.Name='x'."),
        ([{"Value": "y"}], "Attribute.Name missing for Attribute.Value='y'."),
    ],
)
def test_a_put_needs_names_with_values(client, domain, attributes, message):
    answer = refusal(client.put_attributes, DomainName=domain, ItemName="a", Attributes=attributes)
    assert answer == ("MissingParameter", 400, message)


def test_a_delete_of_a_value_needs_its_name(client, domain):
    answer = refusal(client.delete_attributes, DomainName=domain, ItemName="a", Attributes=[{"Value": "x"}])
    expected = "The request must contain the attribute Name, if an attribute Value is specified."
    assert answer == ("MissingParameter", 400, expected)


@pytest.mark.parametrize("operation", ["put_attributes", "delete_attributes", "get_attributes"])
def test_an_item_needs_a_name(client, domain, operation):
    arguments = {"DomainName": domain}
    if operation == "put_attributes":
        arguments["Attributes"] = pairs("a=1")
    call = getattr(client, operation)
    assert refusal(call, **arguments) == ("MissingParameter", 400, "The request must contain the parameter ItemName.")
    assert refusal(call, ItemName="", **arguments)[0] == "InvalidParameterValue"


def test_a_missing_domain_is_refused(client):
    expected = ("NoSuchDomain", 400, "The specified domain does not exist.")
    where = {"DomainName": "never-made", "ItemName": "a"}
    assert refusal(client.put_attributes, Attributes=pairs("a=1"), **where) == expected
    assert refusal(client.delete_attributes, **where) == expected
    assert refusal(client.get_attributes, **where) == expected
