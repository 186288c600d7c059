"""Progress of a long piece of work: how much of it is done, and about how long the rest will take."""

import sys
import time


class Bar:
    """Progress of one phase after the other: redrawn on a terminal, elsewhere a line now and then."""

    WIDTH = 30
    EVERY = 10.0  # seconds between lines where nothing is redrawn

    def __init__(self, words=None, quiet=False, out=None, clock=time.monotonic):
        """`words` says for a phase what is shown for it; a `quiet` bar shows nothing. `clock` gives seconds."""
        self.words = words or {}
        self.quiet, self.out, self.clock = quiet, out or sys.stdout, clock
        self.live = self.out.isatty()
        self.what, self.began, self.shown, self.first = None, 0.0, 0.0, 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._end()

    def tell(self, what, done, total, besides=""):
        """`done` of `total` (None: nobody knows) of the phase `what`; `besides` is shown behind it.

        The time left is judged by what has been done since the phase was first told of: the rest an earlier run did.
        """
        if self.quiet:
            return
        now = self.clock()
        if what != self.what:
            self._end()
            self.what, self.began, self.shown, self.first = what, now, now - self.EVERY, done
        if now - self.shown < (0.1 if self.live else self.EVERY) and (total is None or done < total):
            return
        self.shown = now
        line = f"{self.words.get(what, what)}  {self._share(done, total, now - self.began)}{besides}"
        print(f"\r\033[K{line}" if self.live else line, end="" if self.live else "\n", file=self.out, flush=True)

    def _share(self, done, total, spent):
        if total is None:
            return f"{done:,.0f}"
        share = done / total if total else 1.0
        filled = round(self.WIDTH * share)
        bar = "█" * filled + "░" * (self.WIDTH - filled)
        now, rest = done - self.first, total - done
        left = f"  {spent / now * rest:.0f} s left" if now > 0.02 * (now + rest) and rest > 0 else ""
        return f"{bar}  {done:,.0f} of {total:,.0f}{left}"

    def _end(self):
        if self.what and self.live:
            print(file=self.out)
        self.what = None
