"""Any expression finds what a naive reading of it over plain dicts finds, whichever way the indexes are used."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabfile.localcloud.simpledb.changes import Put
from fabfile.localcloud.simpledb.parameters import Attribute
from fabfile.localcloud.simpledb.select import select
from fabfile.localcloud.simpledb.store import Store

KEYS = ["a", "b", "select", "c`d", "itemName()"]
VALUES = ["", "1", "10", "2", "a", "A", "ab", "a%b", "a\\b", "é", "z'", 'z"', "a\x00", "a\x00b", "\uffff", "\U0010ffff"]
PATTERNS = ["%", "a%", "%b", "%\\%%", "a\\\\%", "1", "", "%0%", "a%b", "\U0010ffff%", "_", "a\\b"]

items = st.dictionaries(
    st.sampled_from(["i1", "i2", "I1", "a", "ab", "10", "é"]),
    st.dictionaries(st.sampled_from(KEYS[:-1]), st.sets(st.sampled_from(VALUES), min_size=1, max_size=3), min_size=1),
    max_size=7,
)


@dataclass
class Reading:
    """An expression's text, and what it says: of an item, and (if it is all about one attribute) of one value."""

    text: str
    of_item: Callable
    key: str | None = None
    of_value: Callable | None = None
    parts: tuple = ()  # of an `and`


def values_of(item, key):
    """`item` is (name, {attribute: values})."""
    return {item[0]} if key == "itemName()" else item[1].get(key, set())


def quoted(value):
    return "'" + value.replace("'", "''") + "'" if '"' in value else '"' + value + '"'


def named(key):
    return key if key in ("itemName()", "a", "b") else "`" + key.replace("`", "``") + "`"


def about_values(text, key, of_value):
    return Reading(text, lambda item: any(of_value(value) for value in values_of(item, key)), key, of_value)


def fits(pattern, value):
    """Letter by letter; slow and plain."""
    if not pattern:
        return not value
    if pattern[0] == "%":
        return any(fits(pattern[1:], value[start:]) for start in range(len(value) + 1))
    letter = pattern[1] if pattern[:2] in ("\\%", "\\\\") else pattern[0]
    rest = pattern[2:] if pattern[:2] in ("\\%", "\\\\") else pattern[1:]
    return value[:1] == letter and fits(rest, value[1:])


COMPARISONS = {
    "=": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one.encode() < other.encode(),
    "<=": lambda one, other: one.encode() <= other.encode(),
    ">": lambda one, other: one.encode() > other.encode(),
    ">=": lambda one, other: one.encode() >= other.encode(),
}


@st.composite
def predicates(draw):
    key = draw(st.sampled_from(KEYS))
    kind = draw(st.sampled_from([*COMPARISONS, "between", "in", "like", "not like", "null", "not null"]))
    one, other = draw(st.sampled_from(VALUES)), draw(st.sampled_from(VALUES))
    if kind == "null":
        return Reading(f"{named(key)} is null", lambda item: not values_of(item, key))
    if kind == "not null":
        return about_values(f"{named(key)} is not null", key, lambda value: True)
    if kind == "between":
        tail, holds = (
            f"between {quoted(one)} and {quoted(other)}",
            lambda value: one.encode() <= value.encode() <= other.encode(),
        )
    elif kind == "in":
        tail, holds = f"in({quoted(one)},{quoted(other)})", lambda value: value in (one, other)
    elif kind in ("like", "not like"):
        pattern = draw(st.sampled_from(PATTERNS))
        tail, holds = f"{kind} {quoted(pattern)}", lambda value: fits(pattern, value) == (kind == "like")
    else:
        tail, holds = f"{kind} {quoted(one)}", lambda value: COMPARISONS[kind](value, one)
    if draw(st.booleans()):
        return about_values(f"{named(key)} {tail}", key, holds)
    return Reading(f"every({named(key)}) {tail}", lambda item: all_hold(values_of(item, key), holds))


def all_hold(values, holds):
    return bool(values) and all(holds(value) for value in values)


def both(one, other):
    parts = (one.parts or (one,)) + (other.parts or (other,))
    text = f"({one.text}) and ({other.text})"

    def of_item(item):
        for key in {part.key for part in parts if part.key}:
            group = [part for part in parts if part.key == key]
            if not any(all(part.of_value(value) for part in group) for value in values_of(item, key)):
                return False
        return all(part.of_item(item) for part in parts if not part.key)

    if one.key and one.key == other.key:
        return Reading(text, of_item, one.key, lambda value: one.of_value(value) and other.of_value(value), parts)
    return Reading(text, of_item, parts=parts)


def either(one, other):
    def of_item(item):
        return one.of_item(item) or other.of_item(item)

    text = f"({one.text}) or ({other.text})"
    if one.key and one.key == other.key:
        return Reading(text, of_item, one.key, lambda value: one.of_value(value) or other.of_value(value))
    return Reading(text, of_item)


def intersected(one, other):
    return Reading(f"({one.text}) intersection ({other.text})", lambda item: one.of_item(item) and other.of_item(item))


def negated(one):
    return Reading(f"not ({one.text})", lambda item: not one.of_item(item))


expressions = st.recursive(
    predicates(),
    lambda inner: st.one_of(
        st.builds(both, inner, inner),
        st.builds(either, inner, inner),
        st.builds(intersected, inner, inner),
        st.builds(negated, inner),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("property"))
    yield store
    store.close()


def filled(store, content):
    store.delete_domain("r", "here")
    store.create_domain("r", "here")
    for name, attributes in content.items():
        pairs = tuple(Attribute(key, value) for key, values in attributes.items() for value in values)
        store.change("r", "here", [Put(name, pairs)])


def found(store, rest, small_set):
    """The names that a Select finds, over all its pages."""
    names, token = [], None
    while True:
        page = select(store, "r", f"select itemName() from here {rest}", token, True, small_set=small_set)
        names += re.findall("<Name>(.*?)</Name>", page.xml)
        token = page.next_token
        if token is None:
            return names


@given(items, expressions, st.sampled_from([0, 1000]), st.sampled_from(["", " limit 2"]))
@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_a_select_finds_what_a_naive_reading_finds(store, content, expression, small_set, limit):
    filled(store, content)
    expected = sorted(name for name, attributes in content.items() if expression.of_item((name, attributes)))
    assert sorted(found(store, f"where {expression.text}{limit}", small_set)) == expected


@given(items, expressions, st.sampled_from(KEYS), st.booleans(), st.sampled_from([0, 1000]))
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_a_sorted_select_gives_the_naive_order(store, content, expression, key, descending, small_set):
    filled(store, content)
    expression = intersected(about_values(f"{named(key)} is not null", key, lambda value: True), expression)
    if f"{named(key)} is null" in expression.text:
        return
    extreme = max if descending else min
    names = sorted(name for name, attributes in content.items() if expression.of_item((name, attributes)))
    expected = sorted(
        names, key=lambda name: extreme(v.encode() for v in values_of((name, content[name]), key)), reverse=descending
    )  # also in reverse, ties stay in the order of names
    rest = f"where {expression.text} order by {named(key)} {'desc' if descending else 'asc'} limit 2"
    assert found(store, rest, small_set) == expected
