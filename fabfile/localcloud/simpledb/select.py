"""One page of a Select: found, measured, cut and written down."""

import sqlite3
import time
from dataclasses import dataclass

from . import plan, tokens, wire
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


def select(store, region, expression, token=None, consistent=False, clock=time.monotonic):
    """The Page for an expression's text. `clock` tells seconds, for the limit on a run. Raises Refused."""
    query = parse(expression)
    with store.read(consistent) as snapshot:
        domain = snapshot.domain(region, query.domain)
        question = (query.domain, query.where, query.order)
        position = tokens.unpack(question, token)
        deadline = clock() + LONGEST_RUN
        # Called every few thousand steps of SQLite's machine; a true answer interrupts the statement.
        snapshot.connection.set_progress_handler(lambda: clock() > deadline, 20_000)
        try:
            if query.output == "count(*)":
                return _count(query, question, snapshot, domain, position)
            return _page(query, question, snapshot, domain, position)
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            raise Refused("QueryTimeout", query.domain, expression) from error
        finally:
            snapshot.connection.set_progress_handler(None, 0)


def _rows(query, snapshot, domain, position, most):
    """At most `most` rows, then None if there are no more. A run that takes too long ends early, but not without a row."""
    fragment = plan.statement(query, snapshot, domain, position, most + 1)
    found = 0
    try:
        for row in snapshot.connection.execute(fragment.sql, fragment.values):
            if found == most:
                return
            found += 1
            yield row
    except sqlite3.OperationalError as error:
        if found == 0 or "interrupted" not in str(error):
            raise
        return
    yield None


def _count(query, question, snapshot, domain, position):
    most = query.limit or snapshot.size(domain)
    items, last, row = 0, None, None
    for row in _rows(query, snapshot, domain, position, most):
        if row:
            items, last = items + 1, row
    token = None if row is None else tokens.pack(question, plan.position_of(query, last))
    return Page(wire.item("Domain", [("Count", str(items))]), items, query.output, token)


def _page(query, question, snapshot, domain, position):
    pieces, size, last, more = [], 0, None, True
    rows = list(_rows(query, snapshot, domain, position, query.limit or USUAL_PAGE))
    if rows and rows[-1] is None:
        rows.pop()
        more = False
    for row, pairs in _with_pairs(query, snapshot, rows):
        piece = wire.item(row[1], pairs)
        size += len(piece.encode())
        if pieces and size > LARGEST_ANSWER:
            more = True
            break
        pieces.append(piece)
        last = row
    token = tokens.pack(question, plan.position_of(query, last)) if more and last else None
    return Page("".join(pieces), len(pieces), query.output, token)


def _with_pairs(query, snapshot, rows):
    """Each row with the pairs that the output list asks for."""
    if query.output == "itemName()":
        yield from ((row, []) for row in rows)
        return
    wanted = None if query.output == "*" else frozenset(query.output)
    for start in range(0, len(rows), _AT_A_TIME):
        some = rows[start : start + _AT_A_TIME]
        pairs_of = snapshot.pairs_of([row[0] for row in some])
        for row in some:
            yield row, [pair for pair in pairs_of[row[0]] if wanted is None or pair[0] in wanted]
