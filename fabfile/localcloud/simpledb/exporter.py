"""The thread that carries exports out, one after the other."""

import logging
import math
import threading
import time

from ..cloud import ACCOUNT
from . import export_files
from .errors import Refused
from .exports import PENDING
from .sinks import Undeliverable

log = logging.getLogger(__name__)


def milliseconds(moment):
    """A time in seconds, cut to AWS's precision: never later than it was."""
    return math.floor(moment * 1000) / 1000


def arn_of(export):
    """Its ARN, with two colons behind `aws` as AWS has it."""
    return f"arn:aws::sdb:{export.region}:{ACCOUNT}:domain/{export.domain}/export/{export.id}"


class Exporter:
    """Works through what is PENDING, and first through what a kill has left IN_PROGRESS."""

    def __init__(self, store, exports, sink, clock=time.time, largest=export_files.LARGEST_FILE):
        """`sink` is one of sinks.py; `clock` tells seconds since 1970; `largest` is a data file's size in bytes."""
        self._store, self._exports, self._sink = store, exports, sink
        self._clock, self._largest = clock, largest
        self._wanted, self._ending, self._lock = threading.Event(), False, threading.Lock()
        self._thread = None

    def wake(self):
        """Look for work, now or as soon as the present export is done."""
        with self._lock:
            if self._ending:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="exporter", daemon=True)
                self._thread.start()
        self._wanted.set()

    def close(self):
        """End after the file that is being written; the rest is done after the next start."""
        with self._lock:
            self._ending = True
        self._wanted.set()
        if self._thread:
            self._thread.join()

    def _run(self):
        while not self._ending:
            self._wanted.wait()
            self._wanted.clear()
            try:
                while not self._ending and (export := self._exports.next()):
                    self._carry_out(export)
            except Exception:  # not even its failure could be recorded (a full disk): the next wake tries again
                log.exception("the record of exports cannot be written")

    def _carry_out(self, export):
        try:
            self._write(export)
        except Undeliverable as error:
            self._exports.fail(export, error.code, error.message)
        except Refused as refused:  # the domain is gone, by other ways than DeleteDomain
            self._exports.fail(export, f"{refused.code}Exception", refused.message)
        except Exception:  # the thread's edge: one export fails, and the others go on
            log.exception("the export %s of %s failed", export.id, export.domain)
            self._exports.fail(export, "InternalError", Refused("InternalError").message)

    def _write(self, export):
        if export.status == PENDING:
            cutoff = milliseconds(self._clock())  # before the look: what is written between the two is in it as well
            with self._store.read_domain(export.region, export.domain, consistent=True) as (snapshot, domain):
                newest = snapshot.newest_item(domain)
            export = self._exports.begin(export, cutoff, newest)
        files = self._exports.files(export)
        if not files:
            self._put(export, *export_files.started(export))
        while found := export_files.data_file(self._store, export, files, self._largest):
            file, body = found
            self._put(export, file.key, body)
            self._exports.add_file(export, file)
            files.append(file)
            if self._ending:
                return
        items = sum(file.items for file in files)
        self._put(export, *export_files.manifest_files(export, files))
        self._put(export, *export_files.manifest_summary(export, arn_of(export), items))
        self._exports.succeed(export, items)

    def _put(self, export, key, body):
        self._sink.put(export.target, key, body)
