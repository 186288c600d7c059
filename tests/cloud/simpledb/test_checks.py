"""The order in which a request is checked: what is missing, then the form of what is there, then the data."""

import pytest

from .asking import error_of, put_one

LONG = "x" * 1025
PAIR = {"Attribute.1.Name": "a", "Attribute.1.Value": "1"}
ITEM = {"Item.1.ItemName": "i", "Item.1.Attribute.1.Name": "a", "Item.1.Attribute.1.Value": "1"}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"Action": "Nope", "Version": "1"}, "InvalidAction"),
        ({"Action": "PutAttributes", "Version": "1"}, "NoSuchVersion"),
        ({"Action": "PutAttributes", "DomainName": "a b", **PAIR}, "MissingParameter"),
        ({"Action": "PutAttributes", "DomainName": "a b", "ItemName": "i"}, "MissingParameter"),
        ({"Action": "PutAttributes", "ItemName": LONG}, "MissingParameter"),
        ({"Action": "PutAttributes", "ItemName": "i", **PAIR, "Attribute.0.Name": LONG}, "MissingParameter"),
        ({"Action": "GetAttributes", "DomainName": "a b"}, "MissingParameter"),
        ({"Action": "DeleteAttributes", "DomainName": "a b"}, "MissingParameter"),
        ({"Action": "BatchPutAttributes", "DomainName": "a b"}, "MissingParameter"),
        ({"Action": "BatchPutAttributes", **ITEM, "Item.0.ItemName": LONG}, "MissingParameter"),
        ({"Action": "BatchDeleteAttributes", **ITEM, "Item.0.Attribute.1.Name": LONG}, "MissingParameter"),
        ({"Action": "Select", "ConsistentRead": "maybe"}, "MissingParameter"),
        ({"Action": "PutAttributes", "DomainName": "gone", "ItemName": LONG, **PAIR}, "InvalidParameterValue"),
        ({"Action": "GetAttributes", "DomainName": "gone", "ItemName": LONG}, "InvalidParameterValue"),
        ({"Action": "PutAttributes", "ItemName": LONG, **PAIR, "Expected.Name": "b"}, "InvalidParameterValue"),
        ({**put_one(), "DomainName": "gone", "Expected.Name": "b"}, "IncompleteExpectedValues"),
        ({"Action": "Select", "SelectExpression": "select * from gone where"}, "InvalidQueryExpression"),
        ({"Action": "Select", "SelectExpression": "select * from gone limit 0"}, "InvalidParameterValue"),
    ],
)
def test_of_two_faults_the_first_one_checked_is_told(ask, parameters, code):
    assert error_of(ask(parameters))[:2] == (400, code)


def test_a_condition_is_looked_at_before_the_limits(ask, put):
    put("full", *[f"n{number}=x" for number in range(256)])
    more = {**put_one(item="full"), "Expected.Name": "n0"}
    assert error_of(ask(more | {"Expected.Value": "other"}))[:2] == (409, "ConditionalCheckFailed")
    assert error_of(ask(more | {"Expected.Value": "x"}))[:2] == (409, "NumberItemAttributesExceeded")


@pytest.mark.parametrize("action", ["CreateDomain", "DeleteDomain", "DomainMetadata", "GetAttributes"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_operation_on_a_domain_needs_its_name(ask, action, method):
    answer = ask({"Action": action, "ItemName": "i", "DomainName": None}, method)
    assert error_of(answer) == (400, "MissingParameter", "The request must contain the parameter DomainName.")


@pytest.mark.parametrize(
    "parameters",
    [{"Action": "BatchPutAttributes", **ITEM}, {"Action": "BatchDeleteAttributes", **ITEM}]
    + [{"Action": "DeleteAttributes", "ItemName": "i"}, put_one()],
)
def test_every_write_checks_its_domain(ask, parameters):
    assert error_of(ask(parameters | {"DomainName": "gone"}))[1] == "NoSuchDomain"
    message = "Value (a b) for parameter DomainName is invalid. "
    assert error_of(ask(parameters | {"DomainName": "a b"})) == (400, "InvalidParameterValue", message)


@pytest.mark.parametrize("action", ["BatchPutAttributes", "BatchDeleteAttributes"])
@pytest.mark.parametrize("part", ["ItemName", "Attribute.1.Name", "Attribute.1.Value"])
def test_a_batch_with_one_text_too_long_changes_nothing(ask, put, get, action, part):
    put("kept", "a=1")
    first = {"Item.0.ItemName": "kept", "Item.0.Attribute.0.Name": "a", "Item.0.Attribute.0.Value": "1"}
    assert error_of(ask({"Action": action, **first, **ITEM, f"Item.1.{part}": LONG}))[1] == "InvalidParameterValue"
    assert (get("kept"), get("i")) == (["a=1"], [])


def test_the_old_place_of_the_replace_flag_is_refused_where_something_is_put(ask):
    assert error_of(ask({**put_one(), "Replace": "true"}))[1] == "FeatureDeprecated"
    assert error_of(ask({"Action": "BatchPutAttributes", **ITEM, "Item.1.Replace": "true"}))[1] == "FeatureDeprecated"
    assert ask({"Action": "DeleteAttributes", "ItemName": "a", "Replace": "true"})[0] == 200
    assert ask({"Action": "BatchDeleteAttributes", **ITEM, "Item.1.Replace": "true"})[0] == 200


def test_a_wanted_name_that_is_too_long_is_refused(ask):
    answer = ask({"Action": "GetAttributes", "ItemName": "i", "AttributeName.1": LONG})
    message = f"Value ({LONG}) for parameter Name is invalid. Value exceeds maximum length of 1024."
    assert error_of(answer) == (400, "InvalidParameterValue", message)


@pytest.mark.parametrize("name", ["ItemName", "Attribute.1.Name"])
def test_a_number_without_end_is_no_number(ask, name):
    parameters = {f"Item.{'9' * 5000}.{name}": "a"}
    assert error_of(ask({"Action": "BatchPutAttributes", **parameters}))[1] == "MissingParameter"
