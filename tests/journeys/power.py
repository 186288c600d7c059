"""A power cut: a machine ends at once, and what it had not yet written to its volume is lost with it."""

import fcntl
import os
import struct
import time

from fabfile import redis
from fabfile.localcloud import cgroups, real

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, with which the authors of file systems try theirs
DROP_ALL = 2  # neither pages nor the journal are written any more


def cut(place, machine, path="/volume"):
    """Cut the power of this machine of a local cloud; gives the moments between which it failed (`time.monotonic`).

    Killing its processes alone would be gentler than that: the kernel, which lives on, would write to the volume what
    it still holds in memory. So the file system goes first. What had reached the volume by then, and no more, is there
    when the machine starts again: its file system finds its journal, as after a real power cut.
    """
    machines = real.drivers(place)[1]
    leader = machines.leader(machine)
    volume = os.open(f"/proc/{leader}/root{path}", os.O_RDONLY | os.O_DIRECTORY)
    try:
        before = time.monotonic()
        fcntl.ioctl(volume, SHUTDOWN, struct.pack("I", DROP_ALL))
    finally:
        os.close(volume)
    cgroups.kill(machines.group(machine))
    return before, time.monotonic()


def tear(said, path="/volume"):
    """Bring another file to the volume: with it goes the new length of what Redis appends to, but not what is in it.

    A power cut just then leaves zeros at the end of Redis's file. `said` is Person.inside.
    """
    said(f"dd if=/dev/zero of={path}/another bs=1 count=1 conv=fsync status=none")


def end_the_minute(said):
    """Do to the open batch of clicks what the clock does, and bring all into MySQL; `said` is Person.inside."""
    said(f"{redis.PASSWORD} redis-cli --no-auth-warning del clicks:open")
    while said(f"{redis.PASSWORD} redis-cli --no-auth-warning scard clicks:batches") != "0":
        said("hydra-manage rolluplinks")  # the service may be at it
