"""One page of a Select: found, measured, cut and written down."""

import sqlite3
import time
from dataclasses import dataclass

from . import plan, tokens, usage, wire
from .errors import Refused
from .grammar import parse

USUAL_PAGE = 100  # items
LARGEST_ANSWER = 1024 * 1024 - 4096  # bytes of items: 1 MB less what surrounds them
LONGEST_RUN = 5.0  # seconds
_AT_A_TIME = 100  # items whose pairs are read at once, so that a page of large ones does not read them all


@dataclass(frozen=True)
class Page:
    """The XML of a page's items, how many were looked at, and the token of the next page, if any."""

    xml: str
    items: int
    output: object
    next_token: str | None


def select(store, region, expression, token=None, consistent=False, clock=time.monotonic, small_set=plan.SMALL_SET):
    """The Page for an expression's text. Raises Refused.

    `clock` tells seconds, for the limit on a run; `small_set` is as in plan.statement.
    """
    query = parse(expression)
    with store.read_domain(region, query.domain, consistent) as (snapshot, domain):
        question = (query.domain, query.where, query.order)
        position = tokens.unpack(question, token)
        rows = _rows(query, snapshot, domain, position, clock, small_set)
        try:
            if query.output == "count(*)":
                return _count(query, question, rows)
            return _page(query, question, rows, snapshot)
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            raise Refused("QueryTimeout", query.domain, expression, usage.SELECT_REFUSED) from error


def _rows(query, snapshot, domain, position, clock, small_set):
    """The rows of one page, then None if there are no more. A run that takes too long ends early, but not empty."""
    most = query.limit or (snapshot.size(domain) if query.output == "count(*)" else USUAL_PAGE)
    deadline = clock() + LONGEST_RUN
    found = 0
    # Called every so many steps of SQLite's machine; a true answer interrupts the statement.
    snapshot.connection.set_progress_handler(lambda: clock() > deadline, 10_000)
    try:
        fragment = plan.statement(query, snapshot, domain, position, most + 1, small_set)
        for row in snapshot.connection.execute(fragment.sql, fragment.values):
            if found == most:
                return
            found += 1
            yield row
        yield None
    except sqlite3.OperationalError as error:
        if found == 0 or "interrupted" not in str(error):
            raise
    finally:
        snapshot.connection.set_progress_handler(None, 0)


def _count(query, question, rows):
    items, last, more = 0, None, True
    for row in rows:
        if row is None:
            more = False
        else:
            items, last = items + 1, row
    token = tokens.pack(question, plan.position_of(query, last)) if more else None
    return Page(wire.item("Domain", [("Count", str(items))]), items, query.output, token)


def _page(query, question, rows, snapshot):
    pieces, size, last, rows = [], 0, None, list(rows)
    more = rows[-1] is not None
    if not more:
        rows.pop()
    for row, pairs in _with_pairs(query, snapshot, rows):
        piece = wire.item(row[1], pairs)
        size += len(piece.encode())
        if pieces and size > LARGEST_ANSWER:
            more = True
            break
        pieces.append(piece)
        last = row
    token = tokens.pack(question, plan.position_of(query, last)) if more else None
    return Page("".join(pieces), len(pieces), query.output, token)


def _with_pairs(query, snapshot, rows):
    """Each row with the pairs that the output list asks for."""
    if query.output == "itemName()":
        yield from ((row, []) for row in rows)
        return
    wanted = frozenset(query.output)
    for start in range(0, len(rows), _AT_A_TIME):
        some = rows[start : start + _AT_A_TIME]
        pairs_of = snapshot.pairs_of([row[0] for row in some])
        for row in some:
            pairs = pairs_of[row[0]]
            yield row, pairs if query.output == "*" else [pair for pair in pairs if pair[0] in wanted]
