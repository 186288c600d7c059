"""The local cloud's own tasks: `fab local cloud.start` and so on. They touch no AWS account."""

import json
import shutil
import signal
import sys
from pathlib import Path

from fabric import task

from ..engine.errors import Refusal
from . import daemon
from .place import Place

CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21  # capabilities(7)
ROOTS_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
TABLES = {
    "machines": ("id", "name", "state", "address", "memory"),
    "volumes": ("id", "name", "state", "gib", "machine", "device"),
    "databases": ("id", "state", "address", "port", "engine", "served by", "memory"),
    "programs": ("name", "pid", "folder"),  # where there are no machines to run them
}


def to_stderr(line):
    print(line, file=sys.stderr)


@task(help={"drivers": "`processes` for a cloud without machines; else what this machine can hold"})
def start(c, drivers=""):
    """Start the local cloud, if it does not run, and boot what ran when it was stopped."""
    if drivers not in ("", "real", "processes"):
        raise Refusal(f"there are no drivers named {drivers}: say `real` or `processes`, or nothing")
    found = daemon.ensure(drivers=drivers)
    print(f"the local cloud answers at {found.url} ({found.drivers})")


@task
def stop(c):
    """Power the local cloud's machines off and end its daemon; everything is kept for the next start."""
    from . import plain  # here, not above: certificates are slow to import

    ended = plain.end(Place.current())
    print("the local cloud is stopped; all is kept" if daemon.stop() or ended else "the local cloud does not run")


@task(name="status", help={"json": "as JSON, for scripts"})
def status_(c, json=False):
    """Show the local cloud's machines, volumes and databases, and what backs each."""
    from . import plain  # here, not above: certificates are slow to import

    place = Place.current()
    found = daemon.running(place)
    seen = daemon.ask(found, "GET", "/_local/status") if found else None
    if found and seen is None:
        raise Refusal(f"the local cloud at {found.url} does not answer: see {place.home}/cloud.log")
    if programs := plain.listed(place):
        seen = {**(seen or {}), "programs": programs}
    if json:
        print(_as_json({**_head(place, found), **(seen or {})}))
        return
    if not found:
        print(f"the local cloud ({place.home}) does not run{_orphans(place)}: start it with `fab local cloud.start`")
        return
    print("\n".join(_plain(place, found, seen)))


@task(help={"yes": "do not ask"})
def destroy(c, yes=False):
    """Take the local cloud away: machines, volumes, databases and all their files."""
    place = Place.current()
    if not yes:
        if not sys.stdin.isatty():
            raise Refusal(f"this would take all of {place.home} away: say so with --yes")
        if input(f"Take all of the local cloud in {place.home} away? [y/N] ").strip().lower() not in ("y", "yes"):
            raise Refusal("nothing was done")
    erase(place)
    print("the local cloud is gone")


@task
def env(c):
    """Print what points boto3 and the aws CLI at the local cloud: eval "$(fab local cloud.env)"."""
    found = daemon.ensure(say=to_stderr)
    for name, value in variables(found).items():
        print(f"export {name}={value}")


def variables(found):
    """The environment that points any AWS client at the Endpoint `found`."""
    from .cloud import REGION

    return {
        "AWS_ENDPOINT_URL": found.url,
        "AWS_ACCESS_KEY_ID": found.access_key,
        "AWS_SECRET_ACCESS_KEY": found.secret_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def erase(place):
    """Take all of this place away, whether its daemon lives or not, and whatever is half gone. May raise Refusal."""
    if not place.home.exists() and not daemon.pids(place):
        return _sweep(place)
    with daemon.alone(place):
        daemon.kill(place)
        _sweep(place)
        shutil.rmtree(place.home, ignore_errors=True)


def _sweep(place):
    from . import plain, real
    from .databases import ProcessDatabases
    from .drivers import DriverError

    plain.end(place, signal.SIGKILL)
    ProcessDatabases(place).sweep()
    if not _may_change_the_kernel():
        return  # then nothing in it is ours
    try:
        real.sweep(place, files=True)
    except DriverError as error:
        raise Refusal(f"the local cloud could not be taken away: {error}; run this again") from error


def _may_change_the_kernel():
    """Whether networks and mounts are ours to make: root of an unprivileged container is root by name alone."""
    if not shutil.which("nft", path=ROOTS_PATH):
        return False
    status = Path("/proc/self/status").read_text().split()
    effective = int(status[status.index("CapEff:") + 1], 16)
    return all(effective >> capability & 1 for capability in (CAP_NET_ADMIN, CAP_SYS_ADMIN))


def _head(place, found):
    if not found:
        return {"running": False, "home": str(place.home)}
    return {
        "running": True,
        "url": found.url,
        "drivers": found.drivers,
        "pid": found.pid,
        "started": found.started,
        "home": str(place.home),
    }


def _orphans(place):
    """What to say of machines that outlived their daemon."""
    if not _may_change_the_kernel():
        return ""
    from . import real

    alive = [trace for trace in real.traces(place) if trace.startswith("network namespace")]
    return f", but {len(alive)} of its machines are still there" if alive else ""


def _as_json(value):
    return json.dumps(value, indent=2)


def _plain(place, found, seen):
    yield f"{found.url}  {found.drivers} drivers, pid {found.pid}, since {found.started}, files in {place.home}"
    for kind, columns in TABLES.items():
        if kind not in seen:
            continue
        rows = [{**row.get("backing", {}), **row} for row in seen.get(kind, ())]
        if not rows:
            yield f"no {kind}"
            continue
        table = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
        widths = [max(len(row[index]) for row in table) for index in range(len(columns))]
        for row in table:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(value):
    return "-" if value in (None, "") else str(value)
