"""BatchPutAttributes and BatchDeleteAttributes."""

import pytest

from .asking import pairs, refusal


def item(name, *texts):
    return {"Name": name, "Attributes": pairs(*texts)}


def test_a_batch_puts_each_item_as_a_put_would(client, domain, put, get):
    put("a", "n=1", "m=1")
    items = [{"Name": "a", "Attributes": [{"Name": "n", "Value": "2", "Replace": True}]}, item("b", "n=3")]
    client.batch_put_attributes(DomainName=domain, Items=items)
    assert get("a") == ["m=1", "n=2"]
    assert get("b") == ["n=3"]


def test_a_batch_deletes_each_item_as_a_delete_would(client, domain, put, get):
    put("a", "n=1", "m=1", "m=2")
    put("b", "n=1")
    items = [{"Name": "a", "Attributes": [{"Name": "m"}]}, {"Name": "b"}, {"Name": "nobody"}]
    client.batch_delete_attributes(DomainName=domain, Items=items)
    assert get("a") == ["n=1"]
    assert get("b") == []


def test_a_batch_with_one_item_that_grows_too_large_changes_nothing(client, domain, put, get):
    put("full", *[f"n{number}=x" for number in range(256)])
    answer = refusal(client.batch_put_attributes, DomainName=domain, Items=[item("a", "n=1"), item("full", "one=more")])
    assert answer[:2] == ("NumberItemAttributesExceeded", 409)
    assert get("a") == []


def test_twenty_five_items_of_many_attributes_fit(client, domain, select):
    items = [item(f"i{number}", *[f"n{n}=x" for n in range(100)]) for number in range(25)]
    client.batch_put_attributes(DomainName=domain, Items=items)
    assert len(select("itemName() from here")) == 25


MANY = [item(f"i{number}", "n=1") for number in range(26)]
TOO_MANY = "Too many items in a single call. Up to 25 items per call allowed."
TOO_WIDE = "Too many attributes for item wide in a single call. Up to 256 attributes per call allowed."
WIDE = [item("wide", *[f"n{number}=x" for number in range(257)])]


@pytest.mark.parametrize("operation", ["batch_put_attributes", "batch_delete_attributes"])
@pytest.mark.parametrize(
    ("items", "answer"),
    [
        ([item("a", "n=1"), item("a", "n=2")], ("DuplicateItemName", 400, "Item a was specified more than once.")),
        (MANY, ("NumberSubmittedItemsExceeded", 409, TOO_MANY)),
        (WIDE, ("NumberSubmittedAttributesExceeded", 409, TOO_WIDE)),
        ([{"Attributes": pairs("n=1")}], ("MissingParameter", 400, "The request must contain the parameter ItemName.")),
        ([], ("MissingParameter", 400, "The request must contain the parameter Item.1.ItemName.")),
    ],
)
def test_a_batch_of_the_wrong_form_is_refused(client, domain, operation, items, answer):
    assert refusal(getattr(client, operation), DomainName=domain, Items=items) == answer


def test_an_item_to_put_needs_attributes(client, domain):
    answer = refusal(client.batch_put_attributes, DomainName=domain, Items=[item("a", "n=1"), {"Name": "b"}])
    assert answer == ("MissingParameter", 400, "No attributes for item ='b'.")


def test_an_item_name_cannot_be_empty(client, domain):
    answer = refusal(client.batch_put_attributes, DomainName=domain, Items=[item("", "n=1")])
    assert answer[0] == "InvalidParameterValue"


def test_a_batch_of_more_than_a_megabyte_is_refused(client, domain):
    items = [item(f"i{number}", *[f"n{n}={'x' * 1000}" for n in range(60)]) for number in range(25)]
    assert refusal(client.batch_put_attributes, DomainName=domain, Items=items)[1] == 400
