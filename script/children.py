"""Processes that end when we do, however we do."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from processes import ROOT, program

PATIENCE = 30  # seconds a server may take to answer, and to end
LOOK = 0.05


class Ended(Exception):
    """A process that was to stay has ended, or never answered."""


@dataclass
class Child:
    """One process: `words` are its command, `environment` all that it gets, `log` the file for what it prints.

    Without a log it prints where we do. It is in a session of its own, so that Ctrl-C asks us, and we end it in order.
    """

    name: str
    words: tuple
    environment: dict = field(repr=False)
    log: Path | None = None
    process: subprocess.Popen | None = None

    def start(self, keep=()):
        """Start it; the kernel asks it to end when we are gone. `keep` are files that stay open in it."""
        output = open(self.log, "wb") if self.log else None  # noqa: SIM115 - closed below
        try:
            self.process = subprocess.Popen(
                [program("setpriv"), "--pdeathsig", "TERM", *self.words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=ROOT,
                env=self.environment,
                start_new_session=True,
                pass_fds=keep,
            )
        finally:
            if output:
                output.close()

    def wait_for(self, answers):
        """Come back once `answers()` is true. Raises Ended with the last words of a process that never comes so far."""
        deadline = time.monotonic() + PATIENCE
        while not answers():
            if self.has_ended or time.monotonic() > deadline:
                raise Ended(self.last_words)
            time.sleep(LOOK)

    @property
    def has_ended(self):
        return self.process.poll() is not None

    @property
    def last_words(self):
        """A sentence, and the end of its log."""
        how = f"has ended with code {self.process.returncode}" if self.has_ended else "does not answer"
        if not self.log:
            return f"{self.name} {how}; what it said is above"
        said = self.log.read_text(errors="replace").strip().splitlines()[-12:]
        return "\n".join([f"{self.name} {how}; the end of {self.log}:", *said])

    def ask_to_end(self):
        """SIGTERM, if it runs."""
        if self.process and not self.has_ended:
            self.process.terminate()

    def end(self):
        """Come back when it has ended; what does not end when asked to is killed, with all that it started."""
        if not self.process:
            return
        self.ask_to_end()
        try:
            self.process.wait(PATIENCE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self.kill()

    def start_anew(self, keep=()):
        """End it, if it runs, and start it again. An interrupt meanwhile is our caller's, who is to end all."""
        self.ask_to_end()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        self.start(keep)

    def kill(self):
        """End it now, with all that it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def python(*words):
    """The words of a command of our interpreter."""
    return (sys.executable, *words)
