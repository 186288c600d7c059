"""Brings the clicks of passed minutes from Redis into MySQL: `manage.py rolluplinks --every 60`."""

import logging
import signal
import threading

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.db import close_old_connections
from django.utils import timezone
from redis.exceptions import RedisError

from webapp.links.counter import note_pass
from webapp.links.rollup import Done, only_one, roll_up, sweep

log = logging.getLogger(__name__)
BUSY = "Another worker is rolling up just now; nothing was left for this one to do."


class Command(BaseCommand):
    """One pass, or a pass every so many seconds until SIGTERM, which lets the transaction under way end.

    One pass tells its caller; a service tells the log.
    """

    help = (
        "Bring the clicks of all passed minutes from Redis into MySQL, exactly once however often this is killed,"
        " and remove statistics that are too old. One pass, unless --every is given. Two may run side by side."
    )

    def add_arguments(self, parser):
        parser.add_argument("--every", type=float, metavar="SECONDS", help="go on until stopped, a pass every SECONDS")

    def handle(self, *, every, **_):
        if every is not None and not 1 <= every <= 3600:
            raise CommandError("--every takes a number of seconds from 1 to 3600; 60 suits most.")
        stop = threading.Event()
        if every is None:
            try:
                return self.stdout.write(told(self.once(stop)))
            except (RedisError, DatabaseError) as error:
                raise CommandError(f"{reason(error)}. What is done is done; run it again for the rest.") from error
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        log.info("Rolling up every %g seconds.", every)
        while not stop.is_set():
            self.try_once(stop)
            stop.wait(every)
        log.info("Stopped when told to; nothing is half done.")

    def try_once(self, stop) -> None:
        """A pass that may fail: the clicks wait in Redis until the next. One that had nothing to do tells nothing."""
        close_old_connections()
        try:
            done = self.once(stop)
        except (RedisError, DatabaseError) as error:
            log.error("This pass failed and the next will go on where it stopped: %s.", reason(error))
            return
        if done and (done.batches or done.late):
            log.info(told(done))

    def once(self, stop) -> Done | None:
        """One pass; None when another worker has the lock."""
        with only_one() as mine:
            if not mine:
                return None
            done = roll_up(stop.is_set)
            if not stop.is_set():
                note_pass()
            sweep(timezone.now(), stop.is_set)
            return done


def told(done: Done | None) -> str:
    """A line about a pass."""
    if done is None:
        return BUSY
    return f"{done.batches} batches with {done.clicks} clicks rolled up, and {done.late} late clicks."


def reason(error: Exception) -> str:
    """An error of a store in one line."""
    return f"{type(error).__name__}: {error}".rstrip(".")
