"""The drivers of a machine that can hold real hosts, and how to clear away all that a cloud made there."""

import os
import shutil
import signal
import time
from pathlib import Path

from . import attachments, cgroups, network
from .commands import run
from .disks import RealDisks
from .drivers import DriverError
from .machines import SUPERVISOR, RealMachines
from .network import RealNetwork


def drivers(place, say=lambda sentence: None):
    """(network, machines, disks) of the place; `say` is told, in sentences, what takes long."""
    net = RealNetwork(place)
    machines = RealMachines(place, net, say)
    return net, machines, RealDisks(place, machines)


def sweep(place, files=False):
    """Take away all that the place's cloud has running or made in the kernel, found by name alone.

    Needs no state, may be called at any time and again, also where the cloud was killed half way. With `files`, what it
    has on disk goes too (the shared cache never). Returns what it removed, in words.
    """
    removed = _end_processes(place)
    removed += _unmount(place)
    for loop in attachments.loops(place.home):
        run(["losetup", "--detach", loop], check=False)
        removed.append(f"loop device {loop}")
    removed += network.sweep(place.prefix, place)
    removed += [f"cgroup {folder}" for folder in cgroups.remove(place.prefix)]
    if files and place.home.exists():
        shutil.rmtree(place.home)
        removed.append(f"folder {place.home}")
    return removed


def traces(place):
    """What of the place's cloud is running or in the kernel now, in words; nothing after a sweep."""
    found = [f"process {pid}" for pid in sorted(_pids(place))]
    found += [f"mount {point}" for point in _mounts(place)]
    found += [f"loop device {loop}" for loop in attachments.loops(place.home)]
    found += network.traces(place.prefix)
    return found + [f"cgroup {root / place.prefix}" for root in cgroups.hierarchies() if (root / place.prefix).is_dir()]


def _pids(place):
    return cgroups.pids(place.prefix) | _supervisors(place)


def _supervisors(place):
    """Supervisors by their command line: one may have been started and not yet be in its cgroup."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if os.fsencode(SUPERVISOR) in words and any(word.startswith(os.fsencode(f"{place.home}/")) for word in words):
            found.add(int(entry.name))
    return found - {os.getpid()}


def _end_processes(place, seconds=20):
    ended = set()
    end = time.monotonic() + seconds
    while left := _pids(place):
        ended |= left
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > end:
            raise DriverError(f"process {min(left)} does not end, though killed; it may wait for a disk")
        time.sleep(0.01)
    return [f"process {pid}" for pid in sorted(ended)]


def _unmount(place):
    removed = []
    for point in reversed(_mounts(place)):
        run(["umount", "--lazy", point])
        removed.append(f"mount {point}")
    return removed


def _mounts(place):
    """What is mounted below the home; hosts mount in namespaces of their own, so there should be nothing."""
    rows = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    points = (row[4].encode().decode("unicode_escape") for row in rows)
    return [point for point in points if point.startswith(f"{os.path.realpath(place.home)}/")]
