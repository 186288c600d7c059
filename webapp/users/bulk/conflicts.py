"""The rows of one import that want the same name or address: which of them has it, and whether it became free."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from webapp.users.bulk.progress import Progress, Rejection
from webapp.users.bulk.rows import Row, Unfit, items_of, row_of

MOST = 50_000  # rows that are looked after: as many are kept in memory


class Conflicts:
    """The rows that were rejected since somebody else has what they want; `unit` is what their numbers count."""

    def __init__(self, progress: Progress, unit: str):
        self._progress, self._unit = progress, unit
        self._told = {each.line: each for each in progress.rejections(conflicts=True, most=MOST)}

    def settle(self, records: Iterable, now: str, once_more: Callable[[Row], tuple[str, Rejection | None]]) -> None:
        """Read all records once more; try the rows again that wait for one that was rejected itself.

        `once_more` makes a row and returns how that ended. The reasons are amended in the progress.
        """
        if not self._told:
            return
        rows, line_of = self._rows(records, now)
        for line, row in sorted(rows.items()):
            holder = line_of.get(self._told[line].holder)
            if holder is None or holder not in self._told:
                continue
            outcome, rejection = once_more(row)
            if outcome in ("imported", "present"):
                del self._told[line]
                self._progress.forget([line])
            if rejection:
                self._told[line] = rejection
        self._save(self._amended(line_of))

    def _rows(self, records, now) -> tuple[dict[int, Row], dict[str, int]]:
        """The rejected rows, and the line of each row that has an id and wants what they want."""
        wanted = {each.item for each in self._told.values()}
        holders = {each.holder for each in self._told.values()}
        rows, line_of = {}, {}
        for line, record in records:
            if isinstance(record, Unfit) or wanted.isdisjoint(items_of(record)):
                continue
            try:
                row = row_of(line, record, now)
            except Unfit:
                continue
            if line in self._told:
                rows[line] = row
            if row.account.id in holders or line in self._told:
                line_of.setdefault(row.account.id, line)
        return rows, line_of

    def _amended(self, line_of) -> Iterator[Rejection]:
        for line, told in self._told.items():
            holder = line_of.get(told.holder)
            by = f" by {self._unit} {holder}"
            known = holder is not None and holder != line and not told.reason.endswith(by)
            yield replace(told, reason=told.reason + by) if known else told

    def _save(self, told):
        self._progress.save(self._progress.done, self._progress.began, self._progress.counts, list(told))
