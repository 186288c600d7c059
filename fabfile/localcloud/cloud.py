"""The local cloud as one object: what its parts (EC2, databases, metrics, ...) share, and how they change it safely.

Every request and every background change holds `cloud.lock`, so a part never sees another's half-made change. A change
made inside `with cloud.change():` is on disk when the block ends; the endpoint wraps every writing request in one, so
that nothing is acknowledged before it is saved.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

ACCOUNT = "123456789012"
REGION = "us-west-2"
ZONES = ("us-west-2a", "us-west-2b", "us-west-2c")


def now():
    """The time, with its zone: the default clock."""
    return datetime.now(UTC)


class Change:
    """What `Cloud.change` hands to its block."""

    needed = True


class Cloud:
    """One local cloud.

    place      where it lives (Place)
    drivers    what stands behind it (Drivers)
    log        a logging.Logger; its lines go to <home>/cloud.log
    clock      returns the time as an aware datetime
    block      the network's CIDR block, gateway: this machine's address in it
    url        the endpoint as this machine reaches it; inside_url: as the machines do. Known once it listens
    keep       a dict of plain values saved with everything else: {part's name: its value}
    parts      a dict for what parts hand to each other by name and never save ("names", "addresses", ...)
    """

    def __init__(self, place, drivers, log, clock=now):
        self.place, self.drivers, self.log, self.clock = place, drivers, log, clock
        self.block, self.gateway = drivers.network.up(), drivers.network.gateway
        self.url = self.inside_url = ""
        self.keep, self.parts = {}, {}
        self.lock = threading.RLock()
        self.executor = ThreadPoolExecutor(16, thread_name_prefix="cloud")
        self.writer = None  # callable(cloud): puts everything on disk; raises OSError
        self.dirty = False  # a change could not be written yet
        self.stopping = False
        self._after_change, self._at_start, self._at_stop = [], [], []
        self._status = {}
        self._waiting, self._depth = [], 0

    # -- changing --------------------------------------------------------------------------------------------------

    @contextmanager
    def change(self):
        """Hold the cloud still; what was changed is on disk when the outermost block ends. OSError if it cannot be.

        Yields a Change: a block that finds it has changed nothing sets its `needed` to False.
        """
        change = Change()
        with self.lock:
            self._depth += 1
            try:
                yield change
            finally:
                self._depth -= 1
                self.dirty |= change.needed
                if not self._depth:
                    self._settle(change.needed)

    def _settle(self, needed):
        if not self.dirty:
            return self._launch()
        try:
            self.save()
        except OSError:
            if needed:  # who only looked is answered all the same, and the next change tries again
                raise

    def save(self):
        """Put everything on disk now. Background work asked for meanwhile begins only after that."""
        with self.lock:
            self.dirty = True
            for part in self._after_change:
                part(self)
            if self.writer:
                self.writer(self)
            self.dirty = False
            self._launch()

    def background(self, work, *arguments):
        """Do `work(*arguments)` in a thread: after the running change is saved, or at once if there is none.

        The work takes `cloud.change()` around what it changes, and not around what takes time. What it raises is
        logged: a transition that can fail says so in the resource's own state.
        """
        with self.lock:
            self._waiting.append((work, arguments))
            if not self._depth:
                self._launch()

    def _launch(self):
        if self.stopping:
            return  # the next start finds it unfinished, and finishes it
        waiting, self._waiting = self._waiting, []
        for work, arguments in waiting:
            self.executor.submit(self._run, work, arguments)

    def _run(self, work, arguments):
        try:
            work(*arguments)
        except Exception:  # the thread's edge: there is nobody above to tell but the log
            self.log.exception("%s failed", getattr(work, "__qualname__", work))

    # -- what parts register ---------------------------------------------------------------------------------------

    def after_change(self, part):
        """Call `part(cloud)` after each change, before it is saved: for what is derived from the rest (firewalls)."""
        self._after_change.append(part)

    def at_start(self, part):
        """Call `part(cloud)` once, after the saved state is read and before the first request: to find things again."""
        self._at_start.append(part)

    def at_stop(self, part):
        """Call `part(cloud)` when the cloud is stopped (not when it is killed): to power things off cleanly."""
        self._at_stop.append(part)

    def report(self, name, part):
        """`cloud.status` shows what `part(cloud)` returns (a list of plain dicts, JSON) under `name`."""
        self._status[name] = part

    def start(self):
        """Find everything again, and finish what was under way."""
        with self.change():
            for part in self._at_start:
                part(self)

    def stop(self):
        """Power everything off cleanly; nothing new is begun."""
        self.stopping = True
        for part in self._at_stop:
            part(self)
        self.executor.shutdown(wait=True)
        with self.change():
            pass

    def status(self):
        """{"machines": [...], "volumes": [...], ...}: every part's report."""
        return {name: part(self) for name, part in self._status.items()}

    # -- what parts share ------------------------------------------------------------------------------------------

    @property
    def names(self):
        """The registry of DNS names (names.Names): put(name, address), remove(name), find(name)."""
        return self.parts["names"]

    @property
    def addresses(self):
        """The registry of private addresses (addresses.Addresses): take, release, protect."""
        return self.parts["addresses"]
