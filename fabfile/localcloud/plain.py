"""Programs that run beside a cloud without machines, as plain processes; they are found again by name alone."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .certificates import write_private
from .place import Place

MARK = "HYDRA_PLAIN"  # in the environment of each of these processes, and so of their children: their folder
PATIENCE = 20  # seconds a program may take to end when it is asked to
LOOK = 0.05  # seconds between two looks


@dataclass(frozen=True)
class Program:
    """One program of a place: it outlives who started it, and its folder holds all that it writes.

    `environment` is all that it gets. `kind` is any text that tells one making of it from another, its release say.
    """

    place: Place
    name: str
    words: tuple = ()
    environment: dict = field(default_factory=dict, repr=False)
    kind: str = ""

    @property
    def folder(self):
        return folder(self.place, self.name)

    @property
    def log(self):
        return self.folder / "output.log"

    @property
    def pids(self):
        """Its processes, children included: a pid file lies once its pid is used again."""
        return [pid for pid, place in _marked() if place == str(self.folder)]

    @property
    def as_wanted(self):
        """Whether it runs, started with these words, this environment and this kind."""
        kept = self.folder / "started"
        return bool(self.pids) and kept.exists() and kept.read_text() == self._told

    def start(self):
        """Start it; what runs under its name is ended first. Comes back before it answers."""
        self.end()
        folder(self.place, self.name, make=True)
        with open(self.log, "wb") as output:
            process = subprocess.Popen(
                self.words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env={**self.environment, MARK: str(self.folder)},
                start_new_session=True,  # it outlives the terminal too
            )
        # For a moment after it was started its environment is empty: whoever looked then would take it for ended.
        while process.poll() is None and process.pid not in self.pids:
            time.sleep(LOOK / 10)
        write_private(self.folder / "started", self._told)

    def end(self, number=signal.SIGTERM):
        """End it, and come back when it has; what does not end when asked to is killed. Its files stay."""
        deadline, asked = time.monotonic() + PATIENCE, set()
        while pids := self.pids:
            late = time.monotonic() > deadline
            for pid in pids:
                if late or pid not in asked:
                    asked.add(pid)
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL if late else number)
                with suppress(ChildProcessError):  # somebody else's child, as is usual
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(LOOK)

    @property
    def _told(self):
        return "\n".join([self.kind, *self.words, *(f"{key}={value}" for key, value in self.environment.items())])


def folder(place, name="", make=False):
    """Where one program of a place has its files, or all of them; with `make` it is there, for our eyes only."""
    found = place.home / "plain" / name
    if make:
        found.mkdir(parents=True, exist_ok=True, mode=0o700)
    return found


def programs(place):
    """The names of the programs of this place that run, whoever started them and whatever is left of their files."""
    root = f"{folder(place)}/"
    return sorted({found.removeprefix(root) for _, found in _marked() if found.startswith(root)})


def listed(place):
    """Each of them as plain data: its name, the pid of its first process, and its folder."""
    found = [Program(place, name) for name in programs(place)]
    return [{"name": it.name, "pid": min(it.pids, default=None), "folder": str(it.folder)} for it in found]


def end(place, number=signal.SIGTERM):
    """End every program of this place; returns their names."""
    names = programs(place)
    for name in names:
        Program(place, name).end(number)
    return names


def _marked():
    """(pid, folder) of every living process that carries the mark."""
    begin = f"{MARK}=".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended, or is another user's
        yield from ((int(process.name), os.fsdecode(it[len(begin) :])) for it in words if it.startswith(begin))
