"""How changes of items come into the file: looked at, decided, and only then written, the whole call at once."""

from collections import Counter
from dataclasses import dataclass

from .errors import Refused


@dataclass(eq=False)
class Job:
    """The changes (see changes.py) of one call, each of another item; `error` says why none of them was made."""

    region: str
    domain: str
    changes: list
    done: bool = False
    error: BaseException | None = None


@dataclass(frozen=True)
class _Step:
    """One item that will differ: its name, and its pairs before and after as frozensets."""

    item: str
    before: frozenset
    after: frozenset


def write(connection, job, limits):
    """Make the job's changes, in the transaction that the connection is in. Raises Refused, and has written nothing."""
    found = connection.execute(
        "SELECT id, pairs, item_bytes + value_bytes FROM domains WHERE region = ? AND name = ?",
        (job.region, job.domain),
    ).fetchone()
    if found is None:
        raise Refused("NoSuchDomain")
    domain, pairs, size = found
    ids = _ids(connection, domain, [change.item for change in job.changes])
    steps = _steps(connection, job.changes, ids)
    if not steps:
        return
    tally = _tally(steps)
    if tally[2] > 0 and pairs + tally[2] > limits.domain_pairs:
        raise Refused("NumberDomainAttributesExceeded")
    if tally[1] + tally[3] > 0 and size + tally[1] + tally[3] > limits.domain_bytes:
        raise Refused("NumberDomainBytesExceeded")
    connection.execute(
        "UPDATE domains SET items = items + ?, item_bytes = item_bytes + ?, pairs = pairs + ?,"
        " value_bytes = value_bytes + ? WHERE id = ?",
        (*tally, domain),
    )
    ids |= _new_ids(connection, domain, [step.item for step in steps if step.item not in ids])
    _write_pairs(connection, domain, steps, ids)


def pairs_of(connection, ids):
    """The sorted pairs of each of the items of these ids, by id."""
    sql = "SELECT name, value FROM pairs WHERE item = ? ORDER BY name, value"
    return {id: connection.execute(sql, (id,)).fetchall() for id in ids}


def _ids(connection, domain, names):
    marks = ",".join("?" * len(names))
    return dict(
        connection.execute(f"SELECT name, id FROM items WHERE domain = ? AND name IN ({marks})", (domain, *names))
    )


def _steps(connection, changes, ids):
    there = pairs_of(connection, ids.values()) if ids else {}
    steps = []
    for change in changes:
        before = frozenset(there[ids[change.item]]) if change.item in ids else frozenset()
        after = change.apply(before)
        if after != before:
            steps.append(_Step(change.item, before, after))
    return steps


def _tally(steps):
    """What the steps add to the domain's items, bytes of their names, pairs, bytes of their values."""
    tally = [0, 0, 0, 0]
    for step in steps:
        items = bool(step.after) - bool(step.before)
        tally[0] += items
        tally[1] += items * len(step.item.encode())
        tally[2] += len(step.after) - len(step.before)
        tally[3] += _value_bytes(step.after - step.before) - _value_bytes(step.before - step.after)
    return tally


def _new_ids(connection, domain, names):
    if not names:
        return {}
    rows = ",".join(["(?, ?)"] * len(names))
    values = [value for name in names for value in (domain, name)]
    return dict(connection.execute(f"INSERT INTO items (domain, name) VALUES {rows} RETURNING name, id", values))


def _write_pairs(connection, domain, steps, ids):
    gone = [(ids[step.item], *pair) for step in steps for pair in step.before - step.after]
    new = [(ids[step.item], *pair, domain) for step in steps for pair in step.after - step.before]
    if gone:
        connection.executemany("DELETE FROM pairs WHERE item = ? AND name = ? AND value = ?", gone)
    new.sort()  # in the order of the table
    connection.executemany("INSERT INTO pairs VALUES (?, ?, ?, ?)", new)
    several = set()
    for step in steps:
        if len(names := Counter(name for name, _ in step.after)) < len(step.after):
            several |= {(domain, name) for name, count in names.items() if count > 1}
    connection.executemany("INSERT OR IGNORE INTO several VALUES (?, ?)", several)
    emptied = [(ids[step.item],) for step in steps if not step.after]
    connection.executemany("DELETE FROM items WHERE id = ?", emptied)


def _value_bytes(pairs):
    return len("".join([value for _, value in pairs]).encode())
