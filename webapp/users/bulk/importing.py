"""One import from beginning to end: its source, its progress and its report, brought together."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from webapp.users.bulk.loading import Loader, Summary, Told
from webapp.users.bulk.progress import Progress
from webapp.users.bulk.rows import Unfit
from webapp.users.store import AccountStore


class Readable(Protocol):
    """Where rows come from. `key` tells the content, and is empty for what is read only once."""

    key: str
    unit: str

    def records(self, after: int = 0) -> Iterator[tuple[int, dict | Unfit]]:
        """(number, record) of all with a number above `after`."""

    def again(self) -> "Readable | None":
        """The same from the beginning, if it can be had."""

    def close(self) -> None:
        """Let go of it."""


def bring_in(
    store: AccountStore,
    source: Readable,
    target: str,
    report: Path,
    drop_taken_emails: bool = False,
    tell: Callable[[Told], None] = lambda told: None,
) -> Summary:
    """Import all rows of the source; what was not imported is in the file `report`, a JSON line each.

    `target` names the stage: the progress is kept for it and the source, until every row has been dealt with. Raises
    Busy, Moving, Malformed, Unavailable, OSError; run again, it goes on from there.
    """
    progress = Progress.open(f"{target}-{source.key}" if source.key else "")
    finished = False
    try:
        if progress.done and store.count() < progress.counts["imported"] + progress.counts["present"]:
            progress.restart()  # the accounts are gone: it was another stage of that name
        loader = Loader(store, progress, drop_taken_emails, tell)

        def again():
            with contextlib.closing(source.again()) as second:
                yield from second.records()

        summary = loader.load(source.records(progress.done), again if source.key else None, source.unit)
        progress.report(report, source.unit)
        finished = not summary.failed
    finally:
        progress.close(finished)
    return summary
