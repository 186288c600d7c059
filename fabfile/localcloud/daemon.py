"""Finding, starting and stopping the local cloud's daemon. Nothing here loads moto, boto3 or Flask."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ..engine.errors import Failure
from ..engine.world import refuse_elsewhere
from .place import Place

HERE = Path(__file__).resolve().parent
PROGRAM = b"/fabfile/localcloud"
START = 60  # seconds the daemon may take until it answers; two are usual
STOP = 180  # seconds it may take to power everything off
LOOK = 0.1  # seconds between two looks
LINES = 12  # of the log shown when it dies


@dataclass(frozen=True)
class Endpoint:
    """A running local cloud as a client needs it."""

    url: str
    access_key: str
    secret_key: str = field(repr=False)
    drivers: str  # "real", "processes" or "memory"
    pid: int
    gateway: str = ""  # this machine's address as the cloud's machines see it
    started: str = ""


def endpoint(start=True, place=None, say=print):
    """The running local cloud as a dict (url, access_key, secret_key, drivers, ...), as a stage takes it.

    With `start` it is started if need be, else None comes back if it does not run. Raises Failure if it cannot start.
    """
    place = place or Place.current()
    found = ensure(place, say) if start else running(place)
    return asdict(found) if found else None


def running(place):
    """The Endpoint of the daemon that answers for this place, or None; a Refusal if it is not on this machine."""
    try:
        known = json.loads((place.home / "endpoint.json").read_text())
        found = Endpoint(**{name: known[name] for name in Endpoint.__dataclass_fields__ if name in known})
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None  # not there, or not what the daemon wrote
    if not is_ours(found.pid):
        return None
    refuse_elsewhere(found.url)
    return found if ask(found, "GET", "/_local/health") else None


def is_ours(pid):
    """Whether a process is a daemon of the local cloud: a pid may have gone to another since."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        # Not this very folder: the daemon may have been started from another checkout of the same project.
        return any(word.endswith(PROGRAM) for word in words)
    except OSError:
        return False


def ask(found, method, path, body=None):
    """What the daemon's administration answers, as Python values; None if it does not answer."""
    from http.client import HTTPConnection, HTTPException  # here, not above: `fab --list` should not pay for it

    link = HTTPConnection(urlsplit(found.url).netloc, timeout=30)
    try:
        link.request(method, path, body)
        answer = link.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else None
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        link.close()


def ensure(place=None, say=print, drivers=None):
    """The Endpoint of this place's daemon, started if it does not run. Two at once start one daemon.

    `drivers` names a set; without it the real ones are taken where this machine can hold hosts, and else those that
    run databases as plain processes, which is said in one sentence. Raises Failure if the daemon dies.
    """
    place = place or Place.current()
    found = running(place)
    if found:
        return found
    with alone(place):
        found = running(place)
        if found:
            return found
        drivers = _choose(place, say, drivers)
        say(f"starting the local cloud ({place.home})")
        return _start(place, drivers, say)


def _choose(place, say, drivers):
    from . import probe

    if full := probe.full(place):
        raise Failure(full)
    if drivers:
        return drivers
    made_with = place.home / "drivers"  # what the daemon noted at its first start: a cloud keeps to that
    if made_with.exists() and made_with.read_text() == "processes":
        return "processes"
    missing = probe.missing(place)
    if not missing:
        return "real"
    if made_with.exists():
        raise Failure(probe.sentence(missing))
    say(probe.sentence(missing))
    return "processes"


def _start(place, drivers, say):
    (place.home / "endpoint.json").unlink(missing_ok=True)
    with open(place.home / "daemon.out", "wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(HERE), "--drivers", drivers, "--port", str(place.port)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            start_new_session=True,
            env={**os.environ, **_environment(place)},
        )
    since = time.monotonic()
    told = since
    while time.monotonic() - since < START:
        found = running(place)
        if found:
            return found
        if process.poll() is not None:
            raise Failure(_last_words(place))
        if time.monotonic() - told > 5:
            told = time.monotonic()
            say(f"still starting, {told - since:.0f} s")
        time.sleep(LOOK)
    raise Failure(f"the local cloud did not answer within {START} s: see {place.home}/cloud.log")


def _environment(place):
    return {
        "HYDRA_CLOUD": place.name,
        "HYDRA_HOME": str(place.home),
        "HYDRA_CACHE": str(place.cache),
        "HYDRA_PORT": str(place.port),
    }


def _last_words(place):
    said = (place.home / "daemon.out").read_text(errors="replace").strip().splitlines()[-LINES:]
    if len(said) == 1:
        return said[0]
    return "\n".join([f"the local cloud ended as it started; the rest is in {place.home}/cloud.log", *said])


@contextmanager
def alone(place):
    """Only one of us starts or stops this place's daemon at a time."""
    try:
        place.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = open(place.home / "lock", "w")  # noqa: SIM115 - closed below
    except OSError as error:
        why = f"{place.home} cannot hold a local cloud ({error.strerror})"
        raise Failure(f"{why}: name another folder in HYDRA_HOME") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stop(place=None):
    """Power everything off and end the daemon; all is kept. Returns whether it ran. Raises Failure if it hangs."""
    place = place or Place.current()
    if not pids(place):
        return False
    with alone(place):
        found = pids(place)
        for pid in found:
            _end(pid, place)
    return bool(found)


def _end(pid, place):
    os.kill(pid, signal.SIGTERM)
    since = time.monotonic()
    while is_ours(pid):
        if time.monotonic() - since > STOP:
            raise Failure(f"the local cloud (pid {pid}) does not end: see {place.home}/cloud.log")
        _reap(pid)
        time.sleep(LOOK)


def _reap(pid):
    """Take note of its end if it is a child of this very process."""
    with suppress(ChildProcessError):  # somebody else's child, as is usual
        os.waitpid(pid, os.WNOHANG)


def pids(place):
    """The daemons of this place, found by what they run and for whom: also one that lost its files."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            mine = f"HYDRA_HOME={place.home}".encode() in (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended, or is another user's
        if mine and is_ours(process.name):
            found.append(int(process.name))
    return found


def kill(place):
    """End this place's daemons at once, whatever state they are in."""
    for pid in pids(place):
        os.kill(pid, signal.SIGKILL)
        while is_ours(pid):
            _reap(pid)
            time.sleep(LOOK)
