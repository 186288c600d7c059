"""From a where clause to SQL: what an item must satisfy, and what one value must."""

from dataclasses import dataclass

from .expressions import ITEM_NAME, And, Intersection, Not, Or, Presence, Test, conjuncts, shared_key
from .like import prefix

_OPERATORS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


@dataclass(frozen=True)
class Fragment:
    """A piece of SQL and the parameters for its question marks."""

    sql: str
    values: tuple = ()

    def __add__(self, other):
        if isinstance(other, str):
            return Fragment(self.sql + other, self.values)
        return Fragment(self.sql + other.sql, self.values + other.values)


def joined(word, fragments):
    """The fragments with the word between them."""
    values = tuple(value for fragment in fragments for value in fragment.values)
    return Fragment(f" {word} ".join(fragment.sql for fragment in fragments), values)


def item_filter(node):
    """What an item, called `i` in the SQL, must satisfy to be found."""
    match node:
        case None:
            return Fragment("1")
        case Not(inner):
            return Fragment("NOT ") + item_filter(inner)
        case Presence(key, present, _):
            return Fragment("" if present else "NOT ") + _has_value(Presence(key, present=True))
        case Test(every=True):
            some = Test(node.key, node.operator, node.values, negated=node.negated)
            return _all(_has_value(Presence(node.key, present=True)), Fragment("NOT ") + _has_value(some, "NOT "))
        case Intersection(parts):
            return _all(*(item_filter(part) for part in parts))
        case Or(parts):
            return _any(*(item_filter(part) for part in parts))
        case And():
            parts = conjuncts(node)
            return _all(*(item_filter(part) if shared_key(part) is None else _has_value(part) for part in parts))
    return _has_value(node)


def value_filter(node, column):
    """What the value in `column` must satisfy; only for trees with a shared key."""
    match node:
        case Presence():
            return Fragment("1")
        case And(parts):
            return _all(*(value_filter(part, column) for part in parts))
        case Or(parts):
            return _any(*(value_filter(part, column) for part in parts))
        case Test(operator="between"):
            return Fragment(f"({column} BETWEEN ? AND ?)", node.values)
        case Test(operator="in"):
            return Fragment(f"{column} IN ({', '.join('?' * len(node.values))})", node.values)
        case Test(operator="like", negated=True):
            return Fragment(f"(NOT matches(?, {column}))", node.values)
        case Test(operator="like"):
            return _like(node.values[0], column)
    return Fragment(f"{column} {_OPERATORS[node.operator]} ?", node.values)


def _has_value(node, negation=""):
    """Whether the item has a value that satisfies the tree (or, with "NOT ", one that does not)."""
    key = shared_key(node)
    if key is ITEM_NAME:
        return Fragment(f"({negation}") + value_filter(node, "i.name") + ")"
    has = Fragment("EXISTS (SELECT 1 FROM pairs v WHERE v.item = i.id AND v.name = ? AND ", (key,))
    return has + negation + value_filter(node, "v.value") + ")"


def _like(pattern, column):
    """The pattern, with what it begins with told apart, so that an index can be used."""
    start = prefix(pattern)
    fragments = [Fragment(f"matches(?, {column})", (pattern,))]
    if start:
        fragments.append(Fragment(f"{column} >= ?", (start,)))
    if after := _after(start):
        fragments.append(Fragment(f"{column} < ?", (after,)))
    return _all(*fragments)


def _after(start):
    """The smallest text that sorts behind every text with this start, or "" if there is none."""
    for end in range(len(start) - 1, -1, -1):
        code = ord(start[end]) + 1
        if code < 0x110000:
            return start[:end] + chr(0xE000 if code == 0xD800 else code)  # UTF-8 has no surrogates
    return ""


def _all(*fragments):
    return Fragment("(") + joined("AND", fragments) + ")"


def _any(*fragments):
    return Fragment("(") + joined("OR", fragments) + ")"
