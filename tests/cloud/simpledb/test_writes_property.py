"""Any run of writes leaves what a plain dict of sets would hold after it, and is refused where it should be."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabfile.localcloud.simpledb.errors import Refused
from fabfile.localcloud.simpledb.operations import perform
from fabfile.localcloud.simpledb.store import Limits, Store

EXAMPLES = int(os.environ.get("HYDRA_EXAMPLES", "100"))
MOST_PAIRS = 12  # of the domain, so that it is full now and then
ITEMS, NAMES, VALUES = ["i", "j", "é\x00"], ["a", "b", "\x01"], ["", "1", "2", "ü"]

attribute = st.fixed_dictionaries(
    {"Name": st.sampled_from(NAMES), "Value": st.sampled_from(VALUES)},
    optional={"Replace": st.sampled_from(["true", "false"])},
)
to_put = st.lists(attribute, min_size=1, max_size=4)
to_delete = st.lists(
    st.fixed_dictionaries({"Name": st.sampled_from(NAMES)}, optional={"Value": st.sampled_from(VALUES)}), max_size=3
)
conditions = st.none() | st.fixed_dictionaries(
    {"Name": st.sampled_from(NAMES)}, optional={"Value": st.sampled_from(VALUES), "Exists": st.just("false")}
)
items = st.lists(st.sampled_from(ITEMS), min_size=1, max_size=3, unique=True)
calls = st.one_of(
    st.tuples(st.just("PutAttributes"), items, to_put, conditions),
    st.tuples(st.just("DeleteAttributes"), items, to_delete, conditions),
    st.tuples(st.just("BatchPutAttributes"), items, to_put, st.none()),
    st.tuples(st.just("BatchDeleteAttributes"), items, to_delete, st.none()),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("writes"), limits=Limits(domain_pairs=MOST_PAIRS))
    yield store
    store.close()


def parameters(action, items, attributes, condition):
    """The call as a client would write it; one that is not a batch is about the first item only."""
    fields = {f"Expected.{part}": text for part, text in (condition or {}).items()}
    if not action.startswith("Batch"):
        return fields | {"ItemName": items[0]} | numbered("", attributes)
    for number, item in enumerate(items):
        fields |= {f"Item.{number}.ItemName": item} | numbered(f"Item.{number}.", attributes)
    return fields


def numbered(start, attributes):
    return {
        f"{start}Attribute.{number}.{part}": text for number, one in enumerate(attributes) for part, text in one.items()
    }


def naive(domain, action, items, attributes, condition):
    """(the code of the refusal or None, the domain afterwards)."""
    if code := broken(domain.get(items[0], set()), condition):
        return code, domain
    after = dict(domain)
    for item in items if action.startswith("Batch") else items[:1]:
        change = put if "Put" in action else delete
        after[item] = change(domain.get(item, set()), attributes)
    after = {item: pairs for item, pairs in after.items() if pairs}
    if size(after) > max(MOST_PAIRS, size(domain)):
        return "NumberDomainAttributesExceeded", domain
    return None, after


def broken(pairs, condition):
    if condition is None:
        return None
    values = [value for name, value in pairs if name == condition["Name"]]
    if "Exists" in condition:
        return "ExistsAndExpectedValue" if "Value" in condition else "ConditionalCheckFailed" if values else None
    if "Value" not in condition:
        return "IncompleteExpectedValues"
    if len(values) != 1:
        return "MultiValuedAttribute" if values else "AttributeDoesNotExist"
    return None if values == [condition["Value"]] else "ConditionalCheckFailed"


def put(pairs, attributes):
    replaced = {one["Name"] for one in attributes if one.get("Replace") == "true"}
    return {pair for pair in pairs if pair[0] not in replaced} | {(one["Name"], one["Value"]) for one in attributes}


def delete(pairs, attributes):
    def goes(pair):
        return any(one["Name"] == pair[0] and one.get("Value", pair[1]) == pair[1] for one in attributes)

    return {pair for pair in pairs if attributes and not goes(pair)}


def size(domain):
    return sum(map(len, domain.values()))


@given(st.lists(calls, min_size=1, max_size=12))
@settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
def test_any_run_of_writes_leaves_what_a_plain_dict_would_hold(store, run):
    store.delete_domain("r", "here")
    store.create_domain("r", "here")
    domain = {}
    for action, items, attributes, condition in run:
        expected, domain = naive(domain, action, items, attributes, condition)
        fields = {"Action": action, "Version": "2009-04-15", "DomainName": "here"}
        try:
            perform(store, "r", fields | parameters(action, items, attributes, condition))
        except Refused as refused:
            assert refused.code == expected
        else:
            assert expected is None
    with store.read_domain("r", "here", consistent=True) as (snapshot, id):
        assert {item: set(pairs) for item in ITEMS if (pairs := snapshot.pairs(id, item))} == domain
        counted = snapshot.metadata(id)
    pairs = [pair for found in domain.values() for pair in found]
    names = {name for name, _ in pairs}
    assert (counted.items, counted.item_bytes) == (len(domain), sum(len(item.encode()) for item in domain))
    assert (counted.names, counted.name_bytes) == (len(names), sum(map(len, names)))
    assert (counted.pairs, counted.value_bytes) == (len(pairs), sum(len(value.encode()) for _, value in pairs))
