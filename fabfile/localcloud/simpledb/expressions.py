"""What a Select says, as a tree of values."""

from dataclasses import dataclass


class _ItemName:
    def __repr__(self):
        return "itemName()"  # the same in every process: tokens are made from it


ITEM_NAME = _ItemName()  # as a key: the item's own name


@dataclass(frozen=True)
class Test:
    """A comparison of an attribute's values.

    `operator` is one of = != < <= > >= like, between (two values) or in (one or more). It holds for an item if any
    value satisfies it; with `every`, if there are values and all do. `negated` is only ever set with like.
    """

    key: object  # an attribute's name, or ITEM_NAME
    operator: str
    values: tuple
    every: bool = False
    negated: bool = False


@dataclass(frozen=True)
class Presence:
    """The attribute has values (`present`), or has none."""

    key: object
    present: bool
    every: bool = False


@dataclass(frozen=True)
class Not:
    """The items of the domain that the inner expression does not find."""

    inner: object


@dataclass(frozen=True)
class And:
    """Both; where both sides test one attribute, it is one value that must satisfy them."""

    parts: tuple


@dataclass(frozen=True)
class Or:
    """Any of the parts."""

    parts: tuple


@dataclass(frozen=True)
class Intersection:
    """The items that each of the parts finds on its own."""

    parts: tuple


@dataclass(frozen=True)
class Order:
    """What the result is sorted by."""

    key: object
    descending: bool = False


@dataclass(frozen=True)
class Query:
    """A whole Select. `output` is "*", "itemName()", "count(*)" or a tuple of attribute names."""

    output: object
    domain: str
    where: object = None
    order: Order | None = None
    limit: int | None = None


def predicates(node):
    """Every Test and Presence in the tree."""
    match node:
        case None:
            return
        case Not(inner):
            yield from predicates(inner)
        case And(parts) | Or(parts) | Intersection(parts):
            for part in parts:
                yield from predicates(part)
        case _:
            yield node


def shared_key(node):
    """The key, if the whole tree can be judged by looking at one value of one attribute; else None."""
    match node:
        case Test(key, every=False) | Presence(key, present=True, every=False):
            return key
        case And(parts) | Or(parts):
            keys = {shared_key(part) for part in parts}
            return keys.pop() if len(keys) == 1 else None
    return None


def conjuncts(node):
    """The parts of nested Ands in one list, those that must be satisfied by one and the same value put together."""
    groups, parts = {}, []
    for part in _flat(node):
        key = shared_key(part)
        if key is None:
            parts.append(part)
        else:
            groups.setdefault(key, []).append(part)
    return parts + [And(tuple(group)) if len(group) > 1 else group[0] for group in groups.values()]


def requires(node, key):
    """Whether every item that is found surely has the attribute."""
    if key is ITEM_NAME:
        return True
    match node:
        case Test():
            return node.key == key
        case Presence(present=True):
            return node.key == key
        case And(parts) | Intersection(parts):
            return any(requires(part, key) for part in parts)
        case Or(parts):
            return all(requires(part, key) for part in parts)
    return False


def _flat(node):
    if not isinstance(node, And):
        return [node]
    return [inner for part in node.parts for inner in _flat(part)]
