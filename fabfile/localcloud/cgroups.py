"""The cgroups of a cloud's machines: by them each process is found again, counted and bounded, with no state but names.

Each machine has one group, `<prefix>/<name>`, in every hierarchy of this kernel (one on cgroup v2, one for each
controller on v1), with three leaves, since v2 forbids processes in a group that has groups: `keeper` (the
supervisor), `host` (systemd-nspawn and all inside) and `visitor` (commands we run in the host).
"""

import errno
import os
import signal
import time
from pathlib import Path

from .drivers import DriverError

LEAVES = ("keeper", "host", "visitor")


def hierarchies():
    """The mount points of this kernel's hierarchies, without cpuset, which admits nobody before it is configured."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    found = [
        Path(point)
        for _, point, kind, options, *_ in mounts
        if kind == "cgroup2" or (kind == "cgroup" and "cpuset" not in options.split(","))
    ]
    return sorted(set(found))


def make(name, leaves=LEAVES):
    """Make the group `name` ("hyabcd/i-01") with its leaves, everywhere."""
    for root in hierarchies():
        for folder in _controlled(root, name):
            _share_controllers(folder)
        for leaf in leaves:
            (root / name / leaf).mkdir(parents=True, exist_ok=True)


def _controlled(root, name):
    """The folders from a hierarchy's root down to the group, made on the way."""
    (root / name).mkdir(parents=True, exist_ok=True)
    parts = Path(name).parts
    return [root.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]


def _share_controllers(folder):
    """On v2, hand the controllers we use down to the folder's groups; v1 has no such file."""
    try:
        there = (folder / "cgroup.controllers").read_text().split()
        wanted = " ".join(f"+{name}" for name in ("cpu", "memory", "pids") if name in there)
        (folder / "cgroup.subtree_control").write_text(wanted)
    except OSError:
        # Not ours to give (a container's root group holds processes): time is counted without, memory is not bounded.
        return


def entrances(name, leaf):
    """The files a process writes "0" to, to enter the leaf of the group in every hierarchy."""
    return [str(root / name / leaf / "cgroup.procs") for root in hierarchies() if (root / name / leaf).is_dir()]


def entering(name, leaf, argv):
    """The command that enters the leaf and goes on as `argv`."""
    script = 'while [ "$1" != -- ]; do echo 0 >"$1" || exit 70; shift; done; shift; exec "$@"'
    return ["sh", "-c", script, "sh", *entrances(name, leaf), "--", *argv]


def pids(name):
    """The ids of all live processes of the group and the groups within."""
    found = set()
    for root in hierarchies():
        for folder, _, _ in os.walk(root / name):
            try:
                found.update(int(pid) for pid in Path(folder, "cgroup.procs").read_text().split())
            except OSError:  # the group went away, or is a threaded one
                continue
    return found - {0}


def kill(name, seconds=20):
    """End all processes of the group at once; raises DriverError if one is still there after `seconds`."""
    end = time.monotonic() + seconds
    while left := pids(name):
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > end:
            raise DriverError(f"process {min(left)} does not end, though killed; it may wait for a disk")
        time.sleep(0.01)


def remove(name):
    """Remove the group and those within, everywhere; it must hold no process. Returns the folders removed."""
    removed = []
    for root in hierarchies():
        for folder, _, _ in os.walk(root / name, topdown=False):
            if _rmdir(folder):
                removed.append(folder)
    return removed


def _rmdir(folder, tries=100):
    """A group whose last process has just ended is busy for a moment more."""
    for _ in range(tries):
        try:
            os.rmdir(folder)
            return True
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            time.sleep(0.01)
    raise DriverError(f"the cgroup {folder} cannot be removed: it still holds a process")


def limit(name, mib):
    """Bound the memory of all processes of the group; 0 for no bound. Where the kernel cannot, nothing is bound."""
    for root in hierarchies():
        for file, none in (("memory.limit_in_bytes", "-1"), ("memory.max", "max")):
            if (root / name / file).exists():
                (root / name / file).write_text(str(mib << 20) if mib else none)


def cpu(name):
    """The seconds of CPU the group has used since it was made, or None if there is no such group."""
    for root in hierarchies():
        try:
            if (root / name / "cpuacct.usage").exists():
                return int((root / name / "cpuacct.usage").read_text()) / 1e9
            if (root / "cpu.stat").exists() or (root / name / "memory.current").exists():
                return _numbers(root / name / "cpu.stat")["usage_usec"] / 1e6
        except (FileNotFoundError, KeyError):
            continue
    return None


def memory(name):
    """The MiB the group holds, without the page cache that can be had back; None if the kernel does not count."""
    for root in hierarchies():
        try:
            numbers = _numbers(root / name / "memory.stat")
        except FileNotFoundError:
            continue
        held = sum(numbers.get(key, 0) for key in ("total_rss", "total_mapped_file", "anon", "file_mapped"))
        return round(held / (1 << 20), 1)
    return None


def _numbers(file):
    pairs = (line.split() for line in file.read_text().splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
