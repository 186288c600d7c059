"""Statistics as CSV, sent while they are read: a long history takes no more memory than a short one."""

import csv
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import chain, islice

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse

PAGE = 2000  # rows of a query
# What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        """The text itself."""
        return text


def cell(value) -> str:
    """A value as a cell that no spreadsheet computes."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def pages(rows, key: str = "pk", size: int = PAGE) -> Iterator:
    """All objects of a query, in the order of `key`, which is unique, a page at a time.

    MySQL's client would otherwise fetch the whole result before it gives the first row.
    """
    rows, last = rows.order_by(key), None
    while page := list(rows.filter(**{f"{key}__gt": last})[:size] if last is not None else rows[:size]):
        yield from page
        last = getattr(page[-1], key)


def csv_response(request, name: str, head: Iterable[str], rows: Iterable[Iterable]) -> StreamingHttpResponse:
    """A download of this name; what the cells hold is made harmless. A number is never negative here."""
    writer = csv.writer(Echo())
    lines = (writer.writerow([cell(value) for value in row]) for row in chain([head], rows))
    parts = iter(lambda: "".join(islice(lines, PAGE)), "")
    if isinstance(request, ASGIRequest):
        parts = fetched(parts)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(parts, content_type="text/csv; charset=utf-8", headers=headers)


async def fetched(parts: Iterator[str]) -> AsyncIterator[str]:
    """The same for an event loop, where Django would fetch them all before it sends the first."""
    while part := await sync_to_async(next)(parts, ""):
        yield part
