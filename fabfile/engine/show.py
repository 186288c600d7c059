"""What people see: one line a resource with state and elapsed time, plans in three words, tables."""

import json
import os
import shutil
import sys
import threading
import time

from .steps import Call, Script, Upload

COLOURS = {"green": 32, "yellow": 33, "red": 31, "grey": 90, "bold": 1, "cyan": 36}


def colourful(out):
    return out.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(text, colour, out=None):
    """The text in that colour, or as it is where colours are not wanted."""
    return f"\033[{COLOURS[colour]}m{text}\033[0m" if colourful(out or sys.stdout) else text


class Board:
    """Progress of many things at once.

    On a terminal what is under way is redrawn at the bottom, twice a second; elsewhere every event is a plain line.
    Safe to use from several threads. `out` is a text stream, `clock` gives seconds.
    """

    def __init__(self, out=None, clock=time.monotonic):
        self.out, self.clock = out or sys.stdout, clock
        self.live = self.out.isatty() and os.environ.get("TERM") != "dumb"
        self.active, self.drawn, self.lock = {}, 0, threading.Lock()
        self.stopped = threading.Event()

    def __enter__(self):
        if self.live:
            threading.Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Take away what is redrawn, and say nothing more: threads may still be at work after an interrupt."""
        with self.lock:
            self.stopped.set()
            self._erase()

    def say(self, thing, doing):
        """`thing` is now at `doing`."""
        thing = str(thing)
        with self.lock:
            if self.stopped.is_set():
                return
            began = self.active.get(thing, (None, self.clock()))[1]
            news = self.active.get(thing, ("",))[0] != doing
            self.active[thing] = (doing, began)
            if self.live:
                self._draw()
            elif news and doing:
                print(f"  {thing}: {doing}", file=self.out, flush=True)

    def end(self, thing, mark, colour, told):
        """`thing` is finished: one lasting line, with what it took if that was over a second."""
        thing = str(thing)
        with self.lock:
            if self.stopped.is_set():
                return
            began = self.active.pop(thing, ("", self.clock()))[1]
            took = self.clock() - began
            spent = f"  {paint(f'{took:.1f} s', 'grey', self.out)}" if took >= 1 else ""
            self._erase()
            print(f"{paint(mark, colour, self.out)} {thing}: {told}{spent}", file=self.out, flush=True)
            self._draw()

    def _tick(self):
        while not self.stopped.wait(0.5):
            with self.lock:
                self._draw()

    def _erase(self):
        if self.live and self.drawn:
            self.out.write(f"\033[{self.drawn}F\033[J")
            self.out.flush()
        self.drawn = 0

    def _draw(self):
        if not self.live:
            return
        self._erase()
        size = shutil.get_terminal_size()
        rows = list(self.active.items())[: max(1, size.lines - 3)]
        for thing, (doing, began) in rows:
            line = f"· {thing}: {doing} ({self.clock() - began:.0f} s)"
            print(line[: size.columns - 1], file=self.out)
        self.drawn = len(rows)
        self.out.flush()


WORDS = {"will": ("~", "yellow", "will change"), "may": ("?", "cyan", "may change"), "no": ("=", "grey", "no change")}


def plan_lines(want, word, steps, unsure=""):
    """The lines of one resource in a plan: its word, then each step as a sentence."""
    mark, colour, said = WORDS[word]
    depends = f" (depends on {unsure}, not there yet)" if unsure else ""
    yield f"{paint(mark, colour)} {want}: {said}{depends}"
    for step in steps:
        where = f"{step.machine}: " if isinstance(step, Script | Upload) else ""
        yield f"    {where}{step.says}"
        if isinstance(step, Script):
            for outcome in step.pending:
                yield f"      - {outcome.operation}"
                yield from (f"        {paint(line, shade(line))}" for line in outcome.diff.splitlines())
            yield from (f"      - {operation}" for operation in step.operations if not step.pending)


def shade(line):
    """The colour of a line of a unified diff."""
    return {"+": "green", "-": "red"}.get(line[:1], "grey")


def step_data(step):
    """One step as plain data for --json; secrets stay hidden, what is not known yet is said so."""
    data = {"kind": type(step).__name__.lower(), "says": step.says}
    if isinstance(step, Call):
        data |= {"service": step.service, "method": step.method, "params": step.params}
    if isinstance(step, Script):
        operations = [outcome.operation for outcome in step.pending] or step.operations
        data |= {"machine": step.machine, "operations": [str(operation) for operation in operations]}
    return data


def as_json(data):
    """Print data for a program."""
    print(json.dumps(data, indent=2, default=str, ensure_ascii=False))


def table(rows, head=()):
    """Print rows of texts in aligned columns, with an optional heading."""
    rows = [[str(cell) for cell in row] for row in rows]
    if not rows:
        return
    widths = [max(len(row[i]) for row in [*rows, list(head)] if i < len(row)) for i in range(len(rows[0]))]
    if head:
        print(paint("  ".join(cell.ljust(width) for cell, width in zip(head, widths, strict=False)).rstrip(), "grey"))
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip())
