"""/metrics: what all workers of this server have measured, in Prometheus's text format.

Each worker of gunicorn writes its numbers into files of its own, in one folder of the server. What a worker has counted
outlives it: its numbers are added to those of all workers before it. prometheus_client alone would keep two files for
every worker there ever was, and read them all each time it is asked.
"""

import fcntl
import os
import shutil
import struct
import tempfile
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus_client looks for the folder, as it is imported
PREFIX = "hydra-metrics-"
MEMORY = Path("/dev/shm")
GONE = "0"  # stands for all workers that have ended; no process has this pid


def own_folder() -> Path:
    """The folder of the server that is this process; on a disk that syncs, a request would wait for it."""
    parent = MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    return parent / f"{PREFIX}{os.geteuid()}-{os.getpid()}"


def begin(folder: Path) -> None:
    """Make the folder anew, for our eyes only, and remove those of servers that were killed."""
    for old in folder.parent.glob(f"{PREFIX}{os.geteuid()}-*"):
        pid = old.name.rpartition("-")[2]
        if old == folder or not Path("/proc", pid).exists():
            shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(mode=0o700)


def retire(folder: Path, pid: int) -> None:
    """A worker has ended: add its numbers to those of all before it. Without the folder there is nothing to add.

    Raises OSError, ValueError or RuntimeError if they cannot be read or written; they are lost then.
    """
    from prometheus_client.mmap_dict import MmapedDict  # it looks for the folder as it is imported

    if not folder.is_dir():
        return
    with locked(folder, fcntl.LOCK_EX):
        for kind in ("counter", "histogram"):
            file = folder / f"{kind}_{pid}.db"
            if not file.exists():
                continue
            try:
                sums = MmapedDict(str(folder / f"{kind}_{GONE}.db"))
                for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(file)):
                    sums.write_value(key, sums.read_value(key)[0] + value, timestamp)
                sums.close()
            except struct.error as error:
                raise ValueError(f"{file} is damaged: {error}") from error
            finally:
                file.unlink()


def end(folder: Path) -> None:
    """Remove the folder: the server ends."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(folder: Path, how: int):
    """No worker's numbers are moved while they are read: they would count twice, or not at all."""
    with open(folder / "lock", "w") as file:
        fcntl.flock(file, how)
        yield


def text() -> tuple[bytes, str]:
    """All numbers and their content type: those that were counted, and those that are asked for now."""
    from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    asked = CollectorRegistry()
    asked.register(Asked())
    folder = os.environ.get(VARIABLE)
    if not folder:  # one process: a development server, say
        return generate_latest(REGISTRY) + generate_latest(asked), CONTENT_TYPE_LATEST
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)
    with locked(Path(folder), fcntl.LOCK_SH):
        counted = generate_latest(registry)
    return counted + generate_latest(asked), CONTENT_TYPE_LATEST


class Asked:
    """What stores are asked for, as prometheus_client wants to be told."""

    def collect(self):
        """All of it."""
        from webapp.metrics import ASKED  # which imports prometheus_client

        for ask in ASKED.values():
            yield from ask()
