"""The way through the indexes: from a Query and a position to the SQL that gives the next rows."""

from math import isqrt

from .expressions import ITEM_NAME, And, Intersection, Or, Presence, Test, conjuncts, requires, shared_key
from .filters import Fragment, item_filter, joined, value_filter
from .like import prefix

SMALL_SET = 1000  # so many candidates are always worth sorting


def statement(query, snapshot, domain, position, most, small_set=SMALL_SET):
    """The Fragment that gives at most `most` rows (id, name, sort key) of the domain of this id, behind `position`.

    A position is what `position_of` said of the row before, or None for the start. `small_set` says up to how many
    candidates an index is asked for in any case; it changes the time a Select takes and never what it finds.
    """
    # To fill a page, a walk looks at most * size / matches items; with fewer matches than that, sorting them is less.
    straight = not small_set or _leads_straight(query, snapshot, domain)
    bounds = () if straight else (small_set, isqrt(most * snapshot.size(domain)))
    found = (_candidates(query.where, snapshot, domain, bound) for bound in bounds)
    candidates = next((some for some in found if some), None)
    if query.order is None:
        rows = _in_order_of("i.id", "ASC", query, candidates, domain, position)
    elif query.order.key is ITEM_NAME:
        rows = _in_order_of("i.name", _direction(query), query, candidates, domain, position)
    elif candidates is None and requires(query.where, query.order.key):
        rows = _along_values(query, snapshot, domain, position)
    else:
        rows = _sorted_by_value(query, candidates, domain, position)
    return rows + f" LIMIT {most}"


def _leads_straight(query, snapshot, domain):
    """Whether a walk in the order asked for meets nothing but what is asked for: nothing can be quicker."""
    if query.order is None:
        return False
    key = query.order.key
    stretches = all(_is_stretch(part, key) for part in _parts(query.where))
    return stretches and (key is ITEM_NAME or snapshot.is_single(domain, key))


def _is_stretch(node, key):
    """Whether the index of the key's values leads straight to what the tree finds."""
    match node:
        case And(parts):
            return all(_is_stretch(part, key) for part in parts)
        case Test(every=False):
            return node.key == key and _indexed(node)
    return False


def position_of(query, row):
    """Where a page stands that ended with this row; a list that JSON can carry."""
    id, name, key = row
    if query.order is None:
        return [id]
    return [name] if query.order.key is ITEM_NAME else [key, name]


def _in_order_of(column, direction, query, candidates, domain, position):
    index = "items_by_age" if column == "i.id" else "items_by_name"
    rows = Fragment("SELECT i.id, i.name, NULL FROM ") + _items(candidates, index, domain)
    if position:
        rows += Fragment(f" AND {column} {_beyond(direction)} ?", tuple(position))
    return rows + " AND " + item_filter(query.where) + f" ORDER BY {column} {direction}"


def _along_values(query, snapshot, domain, position):
    """Along the index of the sort key's values, each item at the smallest of its own (descending: at the largest)."""
    key, direction = query.order.key, _direction(query)
    rows = Fragment("SELECT i.id, i.name, k.value FROM pairs k INDEXED BY pairs_by_value CROSS JOIN items i")
    rows += Fragment(" ON i.id = k.item WHERE k.domain = ? AND k.name = ?", (domain, key))
    if position:
        value, name = position
        beyond = _beyond(direction)
        rows += Fragment(f" AND k.value {beyond}= ? AND (k.value {beyond} ? OR i.name > ?)", (value, value, name))
    if snapshot.is_single(domain, key):
        for part in _parts(query.where):
            if shared_key(part) == key:
                rows += Fragment(" AND ") + _stretch(part, position, direction)
    else:
        rows += " AND NOT EXISTS (SELECT 1 FROM pairs o WHERE o.item = k.item AND o.name = k.name AND o.value"
        rows += f" {'>' if direction == 'DESC' else '<'} k.value)"
    return rows + " AND " + item_filter(query.where) + f" ORDER BY k.value {direction}, i.name"


def _stretch(node, position, direction):
    """The stretch of the index that the tests of its only value leave.

    Behind a position, the tests that say where the stretch begins are kept from the index by a plus sign: else SQLite
    might begin there again instead of at the position.
    """
    match node:
        case And(parts):
            return joined("AND", [_stretch(part, position, direction) for part in parts])
        case Test(key, "between", (low, high)):
            return _stretch(And((Test(key, ">=", (low,)), Test(key, "<=", (high,)))), position, direction)
        case Test(operator=operator) if position and operator[0] == _beyond(direction):
            return value_filter(node, "+k.value")
    return value_filter(node, "k.value")


def _sorted_by_value(query, candidates, domain, position):
    """The same order by sorting. Items without the sort key are lowest: their key is a number, below every text."""
    direction = _direction(query)
    extreme = "max" if direction == "DESC" else "min"
    key = f"coalesce((SELECT {extreme}(o.value) FROM pairs o WHERE o.item = i.id AND o.name = ?), 0)"
    rows = Fragment(f"SELECT id, name, key FROM (SELECT i.id, i.name, {key} AS key FROM ", (query.order.key,))
    rows += _items(candidates, "items_by_age", domain) + " AND " + item_filter(query.where) + ") WHERE 1"
    if position:
        value, name = position
        rows += Fragment(f" AND (key {_beyond(direction)} ? OR (key = ? AND name > ?))", (value, value, name))
    return rows + f" ORDER BY key {direction}, name"


def _items(candidates, index, domain):
    if candidates is None:
        source = Fragment(f"items i INDEXED BY {index}")
    else:
        # CROSS JOIN holds SQLite to this order: the few candidates first.
        source = Fragment("(") + candidates + ") c CROSS JOIN items i ON i.id = c.item"
    return source + Fragment(" WHERE i.domain = ?", (domain,))


def _direction(query):
    return "DESC" if query.order.descending else "ASC"


def _beyond(direction):
    return "<" if direction == "DESC" else ">"


def _candidates(where, snapshot, domain, bound):
    """The smallest set of ids, below `bound`, that an index gives and that holds all results; None if there is none."""
    best = None
    for part in _parts(where):
        sets = _sets(part, domain)
        size = sum(_size(one, bound, snapshot) for one in sets)
        if sets and size < bound:
            best, bound = joined("UNION", sets), size
    return best


def _size(one, bound, snapshot):
    probe = Fragment("SELECT count(*) FROM (") + one + Fragment(" LIMIT ?)", (bound,))
    return snapshot.connection.execute(probe.sql, probe.values).fetchone()[0]


def _parts(node):
    if isinstance(node, Intersection):
        return [inner for part in node.parts for inner in _parts(part)]
    return [] if node is None else conjuncts(node)


def _sets(node, domain):
    """Queries whose union holds the ids of all items that `node` finds; none if no index leads to them."""
    if (key := shared_key(node)) is not None:
        return [_ids(key, node, domain)] if _indexed(node) else []
    match node:
        case Or(parts):
            found = [_sets(part, domain) for part in parts]
            return [one for sets in found for one in sets] if all(found) else []
        case And() | Intersection():
            return next((sets for part in _parts(node) if (sets := _sets(part, domain))), [])
        case Test(every=True):
            return _sets(Test(node.key, node.operator, node.values, negated=node.negated), domain)
    return []


def _ids(key, node, domain):
    if key is ITEM_NAME:
        names = "SELECT v.id AS item FROM items v INDEXED BY items_by_name WHERE v.domain = ? AND "
        return Fragment(names, (domain,)) + value_filter(node, "v.name")
    values = "SELECT DISTINCT v.item AS item FROM pairs v INDEXED BY pairs_by_value WHERE v.domain = ? AND v.name = ?"
    return Fragment(values + " AND ", (domain, key)) + value_filter(node, "v.value")


def _indexed(node):
    """Whether an index leads straight to the values; only for trees with a shared key."""
    match node:
        case And(parts):
            return any(_indexed(part) for part in parts)
        case Or(parts):
            return all(_indexed(part) for part in parts)
        case Presence():
            return False
    if node.operator == "like":
        return not node.negated and prefix(node.values[0]) != ""
    return node.operator != "!="
