"""How far an import is: a small database in the state directory, whole at any moment, whatever kills the process.

It tells up to which number of the source every row has been dealt with, and which rows were not imported, and why. The
rows behind that number are looked at again by the next run. With the import it ends too: there is nothing left to do.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rejected (
    line INTEGER PRIMARY KEY, name TEXT NOT NULL, reason TEXT NOT NULL, imported INTEGER NOT NULL,
    item TEXT NOT NULL, holder TEXT NOT NULL);
"""
COUNTS = ("imported", "present", "rejected", "without_email")


class Busy(Exception):
    """Another import of the same source is at work."""


@dataclass(frozen=True)
class Rejection:
    """A row that was not imported, or not all of it; never with a password.

    `item` is what it could not have, and `holder` the id of the account that has it; both may be empty. `imported` is
    true where only the e-mail address was left out.
    """

    line: int
    name: str
    reason: str
    imported: bool = False
    item: str = ""
    holder: str = ""


def folder() -> Path:
    """Where the state of imports is kept, by the XDG rules."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(base) / "hydra" / "imports"


class Progress:
    """The progress of one import; for one process at a time, used from one thread."""

    def __init__(self, path: Path | str, connection: sqlite3.Connection):
        self.path, self._connection = path, connection
        self._connection.executescript(_SCHEMA)
        known = dict(connection.execute("SELECT name, value FROM state"))
        self.done = int(known.get("done", 0))
        self.began = known.get("began", "")
        self.counts = {name: int(known.get(name, 0)) for name in COUNTS}
        # What is known of rows that will be looked at again may be otherwise by then.
        self._connection.execute("DELETE FROM rejected WHERE line > ?", (self.done,))
        self._connection.commit()
        count = "SELECT count(*) FROM rejected WHERE NOT imported"
        self.counts["rejected"] = connection.execute(count).fetchone()[0]

    @classmethod
    def open(cls, key: str, where: Path | None = None) -> Self:
        """That of the source called `key`; of "" one that is forgotten with the process. Raises Busy, OSError."""
        if not key:
            return cls("", sqlite3.connect(":memory:"))
        where = where or folder()
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = where / f"{key}.sqlite"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))  # it holds names
        connection = sqlite3.connect(path, timeout=0.2)
        try:
            # The lock is the kernel's, and gone with its process.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.commit()
            return cls(path, connection)
        except sqlite3.OperationalError as error:
            connection.close()
            if "locked" in str(error):
                raise Busy(f"another import of the same rows is at work (it keeps {path})") from None
            raise OSError(f"{path} cannot be used: {error}") from None

    def save(self, done: int, began: str, counts: dict[str, int], rejections: list[Rejection]) -> None:
        """Keep all of this, or nothing."""
        values = {"done": done, "began": began, **counts}
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO state VALUES (?, ?)", [(name, str(value)) for name, value in values.items()]
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO rejected VALUES (?, ?, ?, ?, ?, ?)",
                [(each.line, each.name, each.reason, each.imported, each.item, each.holder) for each in rejections],
            )
        self.done, self.began, self.counts = done, began, dict(counts)

    def restart(self) -> None:
        """Forget everything: all rows are to be looked at again."""
        with self._connection:
            self._connection.execute("DELETE FROM state")
            self._connection.execute("DELETE FROM rejected")
        self.done, self.began, self.counts = 0, "", dict.fromkeys(COUNTS, 0)

    def rejections(self, conflicts: bool = False, most: int = -1) -> Iterator[Rejection]:
        """All, or those alone that were not imported since another has what they want, by their numbers."""
        condition = "WHERE item != '' AND NOT imported" if conflicts else ""
        rows = self._connection.execute(
            f"SELECT line, name, reason, imported, item, holder FROM rejected {condition} ORDER BY line LIMIT ?",
            (most,),
        )
        for line, name, reason, imported, item, holder in rows:
            yield Rejection(line, name, reason, bool(imported), item, holder)

    def report(self, path: Path, unit: str) -> int:
        """Write what was not imported to `path`, a JSON line each, and return how many lines; whole or not at all.

        An old report there is replaced; without a line to write, only an old one is, by an empty one.
        """
        part = path.with_name(f"{path.name}.part")
        lines = 0
        with open(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            for each in self.rejections():
                told = {unit: each.line, "name": each.name, "reason": each.reason}
                file.write(json.dumps(told | ({"imported": True} if each.imported else {}), ensure_ascii=False) + "\n")
                lines += 1
            file.flush()
            os.fsync(file.fileno())
        if lines or path.exists():
            part.replace(path)
        else:
            part.unlink()
        return lines

    def close(self, finished: bool) -> None:
        """Let go of it; what is finished is forgotten."""
        self._connection.close()
        if finished and self.path:
            Path(self.path).unlink(missing_ok=True)
