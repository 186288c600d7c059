"""Tells the rows of an import that could not have what another row of it has, which one that is."""

from collections.abc import Iterable
from dataclasses import replace

from webapp.users.bulk.progress import Progress
from webapp.users.bulk.rows import Unfit, items_of, row_of

MOST = 50_000  # rows that are told so: as many are kept in memory


def explain(progress: Progress, records: Iterable, now: str, unit: str) -> None:
    """Amend the reasons of the rejected rows that `progress` knows, by reading all records once more.

    `now` is what the import began with, `unit` what the rows' numbers count.
    """
    told = [each for each in progress.rejections(conflicts=True, most=MOST) if f" by {unit} " not in each.reason]
    if not told:
        return
    wanted, holders = {each.item for each in told}, {each.holder for each in told}
    line_of = {}
    for line, record in records:
        if isinstance(record, Unfit) or wanted.isdisjoint(items_of(record)):
            continue
        try:
            id = row_of(line, record, now).account.id
        except Unfit:
            continue
        if id in holders:
            line_of.setdefault(id, line)
    known = [
        replace(each, reason=f"{each.reason} by {unit} {line_of[each.holder]}")
        for each in told
        if line_of.get(each.holder, each.line) != each.line
    ]
    progress.save(progress.done, progress.began, progress.counts, known)
