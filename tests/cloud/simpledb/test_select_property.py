"""Any expression finds what a naive reading of it over plain dicts finds, whichever way the indexes are used.

HYDRA_EXAMPLES=20000 looks long instead of shortly.
"""

import base64
import os
import xml.etree.ElementTree as ElementTree
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabfile.localcloud.simpledb.changes import Delete, Put
from fabfile.localcloud.simpledb.parameters import Attribute
from fabfile.localcloud.simpledb.select import select
from fabfile.localcloud.simpledb.store import Store

from .readings import NAMES, NEW_NAMES, attributes, expressions, in_order, sorted_expressions

EXAMPLES = int(os.environ.get("HYDRA_EXAMPLES", "100"))  # of each property
contents = st.dictionaries(st.sampled_from(NAMES), attributes, max_size=8)
small_sets = st.sampled_from([0, 1000])
limits = st.sampled_from([1, 2, 3, 2500])
look = settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("property"))
    yield store
    store.close()


def fill(store, content):
    store.delete_domain("r", "here")
    store.create_domain("r", "here")
    for name, found in content.items():
        put(store, name, found)


def put(store, item, found):
    pairs = tuple(Attribute(name, value) for name, values in found.items() for value in values)
    store.change("r", "here", [Put(item, pairs)])


def ask(store, rest, output="*", small_set=1000, between=lambda: None):
    """The items that a Select gives, over all its pages, as (name, {attribute: values}); `between` two of them."""
    found, token = [], None
    while True:
        page = select(store, "r", f"select {output} from here {rest}", token, True, small_set=small_set)
        found += [read(item) for item in ElementTree.fromstring(f"<page>{page.xml}</page>")]
        token = page.next_token
        if token is None:
            return found
        between()


def read(item):
    found = defaultdict(set)
    for attribute in item.iter("Attribute"):
        found[text_of(attribute.find("Name"))].add(text_of(attribute.find("Value")))
    return text_of(item.find("Name")), dict(found)


def text_of(element):
    text = element.text or ""
    return base64.b64decode(text).decode() if element.get("encoding") == "base64" else text


def by_name(items):
    return sorted(items, key=lambda item: item[0])


@given(contents, expressions, small_sets, limits)
@look
def test_a_select_finds_what_a_naive_reading_finds(store, content, expression, small_set, limit):
    fill(store, content)
    expected = by_name(item for item in content.items() if expression.of_item(item))
    rest = f"where {expression.text} limit {limit}"
    assert by_name(ask(store, rest, "*", small_set)) == expected
    counts = ask(store, rest, "count(*)", small_set)
    assert sum(int(*found["Count"]) for _, found in counts) == len(expected)
    some = [(name, {key: found[key] for key in ("a", "select") if key in found}) for name, found in expected]
    assert by_name(ask(store, rest, "a, `select`", small_set)) == some


@given(contents, sorted_expressions(), small_sets, limits)
@look
def test_a_sorted_select_gives_the_naive_order(store, content, question, small_set, limit):
    expression, key, descending = question
    fill(store, content)
    rest = f"where {expression.text} order by {spoken(key, descending)} limit {limit}"
    expected = in_order([item for item in content.items() if expression.of_item(item)], key, descending)
    assert ask(store, rest, "*", small_set) == expected


def spoken(key, descending):
    return f"{key if key == 'itemName()' else '`' + key.replace('`', '``') + '`'} {'desc' if descending else 'asc'}"


@given(
    contents,
    sorted_expressions(),
    st.booleans(),
    st.lists(st.sampled_from(NAMES) | st.tuples(st.sampled_from(NEW_NAMES), attributes), max_size=6),
    small_sets,
)
@look
def test_what_comes_and_goes_between_pages_neither_doubles_nor_hides_an_item(
    store, content, question, is_sorted, changes, small_set
):
    expression, key, descending = question
    fill(store, content)
    known, gone, coming = dict(content), set(), iter(changes)

    def change():
        match next(coming, None):
            case (name, found) if name not in known:
                known[name] = found
                put(store, name, found)
            case str(name) if name in known:
                gone.add(name)
                store.change("r", "here", [Delete(name)])

    order = f"order by {spoken(key, descending)}" if is_sorted else ""
    found = ask(store, f"where {expression.text} {order} limit 2", "*", small_set, change)
    names = [name for name, _ in found]
    assert len(names) == len(set(names))
    stayed = {name for name in content if expression.of_item((name, content[name]))} - gone
    assert stayed <= set(names)
    assert all(item[1] == known[item[0]] and expression.of_item(item) for item in found)
    if is_sorted:
        assert found == in_order(found, key, descending)
