"""Where rows come from: JSON lines, CSV and Django's `dumpdata`, read as streams in constant memory.

A source gives (number, record) pairs; a record is a dict, or Unfit where a line could not be read. Numbers ascend: the
line in a file of lines, the entry's place in `dumpdata`'s array. What cannot be read on from somewhere is Malformed.
"""

import codecs
import csv
import hashlib
import json
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from webapp.users.bulk.arrays import Broken, elements
from webapp.users.bulk.rows import DJANGO, LEFT_OUT, OURS, Unfit

FORMATS = ("jsonl", "csv", "dumpdata")
LONGEST = 1 << 20  # bytes of one line or entry
_CHUNK = 1 << 18
_BOM = codecs.BOM_UTF8


class Malformed(ValueError):
    """The file cannot be read, or not from this place on; the message says where and what to do."""


class Source:
    """A file of rows, or standard input for "-". `unit` is what a number counts, `size` in bytes (None: not known)."""

    def __init__(self, path: str, format: str = ""):
        """Raises Malformed for a file that is not there, or whose format cannot be told."""
        self.path = path
        try:
            self._file = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115 - closed by close()
            self.size = None if path == "-" else Path(path).stat().st_size
            self._skipped = self._skip_blanks()
        except OSError as error:
            raise Malformed(f"{path} cannot be read: {error.strerror}") from None
        first = self._file.peek(1)[:1]
        if not first:
            raise Malformed(f"{self.name} is empty: there is nothing to import")
        self.format = format or {b"[": "dumpdata", b"{": "jsonl"}.get(first, "csv")
        self.unit = "entry" if self.format == "dumpdata" else "line"

    @property
    def name(self) -> str:
        """What the source is called in sentences."""
        return "standard input" if self.path == "-" else self.path

    @cached_property
    def key(self) -> str:
        """What tells this content, whatever the file is called; empty for a stream that is read only once."""
        if self.size is None or not Path(self.path).is_file():
            return ""
        digest, self.lines = hashlib.sha256(), 0
        with open(self.path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                self.lines += chunk.count(b"\n")
        return f"{self.format}-{digest.hexdigest()}"

    def total(self, rows: int) -> int | None:
        """About how many rows there are, when `rows` have been read; None if that cannot be known."""
        if not self.key:
            return None
        if self.format == "dumpdata":  # one line, mostly
            return max(rows, round(rows * self.size / self.at)) if self.at else rows
        return max(rows, self.lines - (self.format == "csv"))

    @property
    def at(self) -> int:
        """How many bytes have been read."""
        return self._file.tell() if self.size is not None else 0

    def close(self) -> None:
        """Close the file."""
        if self.path != "-":
            self._file.close()

    def again(self) -> "Source | None":
        """The same from the beginning, or None for a stream that is read only once."""
        return Source(self.path, self.format) if self.key else None

    def records(self, after: int = 0) -> Iterator[tuple[int, dict | Unfit]]:
        """(number, record) of all with a number above `after`. Raises Malformed."""
        read = {"jsonl": self._lines, "csv": self._table, "dumpdata": self._array}[self.format]
        return read(after)

    def _skip_blanks(self):
        if self._file.peek(3)[:3] == _BOM:
            self._file.read(3)
        lines = 0
        while (first := self._file.peek(1)[:1]) and first in b" \t\r\n":
            lines += self._file.read(1) == b"\n"
        return lines

    def _read_lines(self):
        """(number, bytes) of each line; of one that is too long its beginning, its end still on it."""
        number = self._skipped
        while line := self._file.readline(LONGEST + 1):
            number += 1
            rest = line
            while len(rest) > LONGEST and not rest.endswith(b"\n"):
                rest = self._file.readline(LONGEST + 1)
                if not rest:
                    break
                line = line[: LONGEST + 1]
            yield number, line

    def _lines(self, after):
        for number, line in self._read_lines():
            if number > after and line.strip() and not _of_another_model(record := _parsed(line)):
                yield number, record

    def _table(self, after):
        lines = _Lines(self._read_lines())
        head = next(lines, "")
        delimiter = max(",;\t", key=head.count)
        columns = [column.strip() for column in next(csv.reader([head], delimiter=delimiter))]
        self._check(columns)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            number = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                cells = Unfit(f"it is no row of CSV ({error})")
            if number > after and cells:
                yield number, _row_of_cells(columns, cells)

    def _check(self, columns):
        needed = {"name", "username"} & set(columns)
        known = {*DJANGO, *LEFT_OUT} if "username" in columns and "name" not in columns else OURS
        unknown = [column for column in columns if column not in known]
        if not needed or unknown or len(set(columns)) < len(columns):
            what = f"has a column {unknown[0]!r}" if needed and unknown else "has no heading with a column `name`"
            if needed and not unknown:
                what = "has a column twice"
            raise Malformed(
                f"{self.name} {what}: begin it with a line that names the columns, of {', '.join(OURS)}, or as Django's"
                " auth_user calls them"
            )

    def _array(self, after):
        try:
            for number, record in enumerate(elements(self._file), 1):
                if number > after and not _of_another_model(record):
                    yield number, record if isinstance(record, dict) else Unfit("it is no JSON object")
        except Broken as broken:
            raise Malformed(
                f"{self.name} is no JSON from entry {broken.number} on, or cut off there: mend it, and run this again"
            ) from None


class _Lines:
    """The lines as texts for csv.reader, and the number of the last one it took."""

    def __init__(self, lines):
        self._lines, self.number = lines, 0

    def __iter__(self):
        return self

    def __next__(self):
        self.number, line = next(self._lines)
        return line.decode(errors="surrogateescape")


def _parsed(line):
    if len(line) > LONGEST:
        return Unfit(f"it is longer than {LONGEST:,} bytes")
    try:
        record = json.loads(line.decode())
    except UnicodeDecodeError:
        return Unfit("it is not valid UTF-8")
    except (ValueError, RecursionError):
        return Unfit("it is no JSON")
    return record if isinstance(record, dict) else Unfit("it is no JSON object")


def _row_of_cells(columns, cells):
    if isinstance(cells, Unfit):
        return cells
    if len(cells) != len(columns):
        return Unfit(f"it has {len(cells)} columns and the heading {len(columns)}")
    return dict(zip(columns, cells, strict=True))


def _of_another_model(record):
    """Whether an entry of a `dumpdata` of more than the users is none of them."""
    return isinstance(record, dict) and "model" in record and "username" not in (record.get("fields") or ())
