"""Random Select expressions, each with a slow and plain reading of what it says about an item."""

import operator
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

KEYS = ["a", "b", "select", "c`d", "itemName()"]
NAMES = ["i1", "i2", "I1", "a", "ab", "10", "é", "\x01", "<&>", "\U0001f600"]
NEW_NAMES = ["0", "aa", "i15", "z", "ä", "\x02", "\uffff", "\U0010ffff"]  # what comes while pages are turned
LETTERS = "aA01%\\_'\"` \n\ré\x00\uffff\U0001f600"
KNOWN = ["", "1", "10", "2", "a", "A", "ab", "a%b", "a\\b", "é", "z'", 'z"', "a\x00", "a\x00b", "\uffff", "\U0010ffff"]
PATTERNS = ["%", "a%", "%b", "%\\%%", "a\\\\%", "1", "", "%0%", "a%b", "\U0010ffff%", "_", "a\\b"]

values = st.sampled_from(KNOWN) | st.text(LETTERS, max_size=3)
patterns = st.sampled_from(PATTERNS) | st.text("aA01%%\\_é\x00", max_size=4)
attributes = st.dictionaries(st.sampled_from(KEYS[:-1]), st.sets(values, min_size=1, max_size=3), min_size=1)


@dataclass
class Reading:
    """An expression's text, and what it says: of an item, and (if it is all about one attribute) of one value."""

    text: str
    of_item: Callable  # of a pair (name, {attribute: values})
    key: str | None = None
    of_value: Callable | None = None
    parts: tuple = ()  # of an `and`


def values_of(item, key):
    """The values of an item's attribute, or its name."""
    return {item[0]} if key == "itemName()" else item[1].get(key, set())


def word(text):
    """A keyword in any case, between blanks of any kind."""
    return st.builds(
        "{1}{0}{2}".format, st.sampled_from([text, text.upper(), text.title()]), *[st.sampled_from(" \n\t")] * 2
    )


def quoted(value, quote):
    """The value as a literal."""
    return quote + value.replace(quote, quote * 2) + quote


def named(key):
    """The key as it must be written."""
    return key if key in ("itemName()", "a", "b") else "`" + key.replace("`", "``") + "`"


def about_values(text, key, of_value):
    """The Reading of a predicate that any one value satisfies."""
    return Reading(text, lambda item: any(of_value(value) for value in values_of(item, key)), key, of_value)


def fits(pattern, value):
    """Whether a value is like the pattern; letter by letter."""
    if not pattern:
        return not value
    if pattern[0] == "%":
        return any(fits(pattern[1:], value[start:]) for start in range(len(value) + 1))
    letter = pattern[1] if pattern[:2] in ("\\%", "\\\\") else pattern[0]
    rest = pattern[2:] if pattern[:2] in ("\\%", "\\\\") else pattern[1:]
    return value[:1] == letter and fits(rest, value[1:])


COMPARISONS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": lambda one, other: one.encode() < other.encode(),
    "<=": lambda one, other: one.encode() <= other.encode(),
    ">": lambda one, other: one.encode() > other.encode(),
    ">=": lambda one, other: one.encode() >= other.encode(),
}


@st.composite
def predicates(draw):
    """A Reading of one predicate."""
    key = draw(st.sampled_from(KEYS))
    kind = draw(st.sampled_from([*COMPARISONS, "between", "in", "like", "not like", "is null", "is not null"]))
    spoken = "".join(draw(word(part)) for part in kind.split())
    every = draw(st.booleans())
    subject = f"{draw(word('every'))}({named(key)})" if every else named(key)
    if kind == "is null":
        return Reading(subject + spoken, lambda item: not values_of(item, key))
    tail, holds = draw(tests(kind))
    if every:
        return Reading(subject + spoken + tail, lambda item: all_hold(values_of(item, key), holds))
    return about_values(subject + spoken + tail, key, holds)


@st.composite
def tests(draw, kind):
    """What follows the operator, and the function that says whether a value satisfies both."""
    literal = st.tuples(values, st.sampled_from("'\""))
    (one, quote), (other, _) = draw(literal), draw(literal)
    if kind == "is not null":
        return "", lambda value: True
    if kind == "between":
        tail = quoted(one, quote) + draw(word("and")) + quoted(other, quote)
        return tail, lambda value: one.encode() <= value.encode() <= other.encode()
    if kind == "in":
        some = draw(st.lists(values, min_size=1, max_size=3))
        return f"({', '.join(quoted(each, quote) for each in some)})", lambda value: value in some
    if kind.endswith("like"):
        pattern = draw(patterns)
        return quoted(pattern, quote), lambda value: fits(pattern, value) == (kind == "like")
    return quoted(one, quote), lambda value: COMPARISONS[kind](value, one)


def all_hold(found, holds):
    """What `every` asks of the values found."""
    return bool(found) and all(holds(value) for value in found)


def both(one, other, spoken=" and "):
    """The Reading of an `and`: tests of one attribute must be satisfied by one and the same value."""
    parts = (one.parts or (one,)) + (other.parts or (other,))
    text = f"({one.text}){spoken}({other.text})"

    def of_item(item):
        for key in {part.key for part in parts if part.key}:
            group = [part for part in parts if part.key == key]
            if not any(all(part.of_value(value) for part in group) for value in values_of(item, key)):
                return False
        return all(part.of_item(item) for part in parts if not part.key)

    if one.key and one.key == other.key:
        return Reading(text, of_item, one.key, lambda value: one.of_value(value) and other.of_value(value), parts)
    return Reading(text, of_item, parts=parts)


def either(one, other, spoken=" or "):
    """The Reading of an `or`."""

    def of_item(item):
        return one.of_item(item) or other.of_item(item)

    text = f"({one.text}){spoken}({other.text})"
    if one.key and one.key == other.key:
        return Reading(text, of_item, one.key, lambda value: one.of_value(value) or other.of_value(value))
    return Reading(text, of_item)


def intersected(one, other, spoken=" intersection "):
    """The Reading of an `intersection`: each side on its own."""
    return Reading(f"({one.text}){spoken}({other.text})", lambda item: one.of_item(item) and other.of_item(item))


def negated(one, spoken=" not "):
    """The Reading of a `not`: all items but those."""
    return Reading(f"{spoken}({one.text})", lambda item: not one.of_item(item))


expressions = st.recursive(
    predicates(),
    lambda inner: st.one_of(
        st.builds(both, inner, inner, word("and")),
        st.builds(either, inner, inner, word("or")),
        st.builds(intersected, inner, inner, word("intersection")),
        st.builds(negated, inner, word("not")),
    ),
    max_leaves=6,
)


@st.composite
def sorted_expressions(draw):
    """(a Reading that names the key, the key, whether descending): items that lack the key may be among the found."""
    key, combine = draw(st.sampled_from(KEYS)), draw(st.sampled_from([intersected, either, both]))
    constraint = about_values(f"{named(key)} is not null", key, lambda value: True)
    return combine(constraint, draw(expressions)), key, draw(st.booleans())


def in_order(items, key, descending):
    """The items, pairs (name, attributes), as a sorted Select gives them: by their smallest value ascending, by their
    largest descending, those without one below all others, ties by name."""

    def rank(item):
        extreme = max if descending else min
        found = values_of(item, key)
        return (1, extreme(value.encode() for value in found)) if found else (0, b"")

    return sorted(sorted(items, key=lambda item: item[0].encode()), key=rank, reverse=descending)
