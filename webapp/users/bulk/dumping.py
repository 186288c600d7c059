"""Writes all accounts to a file: whole, readable by its owner alone, and never in place of one that is there.

An export holds password hashes and stamps: who has it can try passwords as long as he likes. It carries every field, so
that an import of it gives the same accounts, their sessions among them.
"""

import csv
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from webapp.users.account import Account
from webapp.users.bulk.rows import OURS

FORMATS = ("jsonl", "csv")
_OFTEN = 500  # accounts between two words on how far it is


class InTheWay(Exception):
    """The file cannot be written; the message says why and what to do."""


def write(
    accounts: Iterable[Account], file: TextIO, format: str, tell: Callable[[int], None] = lambda done: None
) -> int:
    """Write each account as a line; returns how many. `tell` is called with how many there are, now and then."""
    line = _csv(file) if format == "csv" else _json(file)
    done = 0
    for done, account in enumerate(accounts, 1):
        line(account)
        if done % _OFTEN == 0:
            tell(done)
    if done % _OFTEN:
        tell(done)
    file.flush()
    return done


@contextmanager
def new_file(path: Path, force: bool = False) -> Iterator[TextIO]:
    """A file that becomes `path` when the block ends well; until then it is PATH.part, as after a kill.

    With `force` it takes the place of an old one. Raises InTheWay.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        if path.exists() and (not force or not path.is_file()):
            raise InTheWay(f"{path} is there already: name another file, or say --force to replace it")
        descriptor = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise InTheWay(f"{part} cannot be written: {error.strerror}") from None
    with open(descriptor, "w", encoding="utf-8", newline="") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InTheWay(f"another export is writing to {part}: wait for it, or name another file") from None
        os.fchmod(descriptor, 0o600)
        file.truncate(0)
        yield file
        file.flush()
        os.fsync(descriptor)
        if force:
            part.replace(path)
            return
        try:
            os.link(part, path)  # which fails where a rename would replace
        except FileExistsError:
            raise InTheWay(f"{path} has come there meanwhile: the export is in {part}") from None
        part.unlink()


def _json(file):
    def line(account):
        values = {name: getattr(account, name) for name in OURS}
        file.write(json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n")

    return line


def _csv(file):
    rows = csv.writer(file)
    rows.writerow(OURS)

    def line(account):
        values = account.values()
        rows.writerow([values[name] for name in OURS])

    return line
