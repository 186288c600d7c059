"""The volumes of a cloud: sparse files, shown to machines as block devices through loop devices.

A machine finds a volume as on EC2: under the name it was attached as (a link, as the kernel there has names of its
own too) and under /dev/disk/by-id. What is attached where is written with the machine (attachments.py) and nowhere
else.
"""

import errno
import os
import stat
import subprocess
from contextlib import contextmanager

from . import attachments, cgroups
from .commands import run
from .drivers import Busy, DriverError

GIB = 1 << 30
LOOP_MAJOR = 7
DISK_GROUP = 6  # Debian's


class RealDisks:
    """The volumes and snapshots of one place, for its machines."""

    def __init__(self, place, machines):
        self.machines = machines
        self.volumes = place.home / "volumes"
        self.snapshots = place.home / "snapshots"

    def create(self, id, gib, snapshot=""):
        """Make a volume of `gib` GiB, blank or from a snapshot; a volume that is there stays as it is.

        Takes no room but what the snapshot holds; raises DriverError if there is not even that.
        """
        if self.file(id).exists():
            return
        size = gib * GIB
        with self._new(self.file(id)) as new:
            if snapshot:
                held = self._snapshot_file(snapshot)
                if held.stat().st_size > size:
                    raise DriverError(f"{snapshot} is {held.stat().st_size // GIB} GiB, more than the volume asked for")
                _copy(held, new)
            with open(new, "ab") as handle:
                handle.truncate(size)

    def delete(self, id):
        """Remove the volume; raises Busy while it is attached. Idempotent."""
        if machine := self._machine(id):
            raise Busy(f"{id} is attached to {machine}; detach it first")
        self._let_go(id)
        self.file(id).unlink(missing_ok=True)

    def attach(self, id, machine, device):
        """Show it on the machine as `device` ("/dev/sdf") and by id; it is there again after a reboot. Idempotent."""
        with self.machines.alone(machine):
            file = self._existing(id)
            if self.machines.state(machine) == "absent":
                raise DriverError(f"there is no machine {machine}")
            wanted = attachments.of(id, device, file)
            there = self.machines.volumes(machine)
            if (holder := self._machine(id)) and wanted not in there:
                raise DriverError(f"{id} is attached to {holder} already")
            if clash := [each for each in there if each.node == wanted.node and each != wanted]:
                raise DriverError(f"{machine} has another volume as /dev/{clash[0].name}")
            loop = self._loop(id)
            if wanted not in there:
                attachments.write(self.machines.folder(machine), [*there, wanted])
            if leader := self.machines.leader(machine):
                _show(leader, wanted, loop)

    def detach(self, id, machine, force=False):
        """Take it from the machine. Raises Busy while it is mounted there, unless forced. Idempotent."""
        with self.machines.alone(machine):
            there = self.machines.volumes(machine)
            mine = [each for each in there if each.file == str(self.file(id))]
            leader = self.machines.leader(machine)
            if mine and leader and force:
                self._unmount(machine, id)
            if mine and not force and any(_held(loop) for loop in attachments.loops(self.file(id))):
                raise Busy(f"{id} is still mounted on {machine}; unmount it there, or detach it by force")
            if mine:
                attachments.write(self.machines.folder(machine), [each for each in there if each not in mine])
            for each in mine:
                for loop in attachments.loops(each.file):
                    if leader:
                        _hide(leader, each, loop)
            if mine or not self._machine(id):
                self._let_go(id)

    def grow(self, id, gib):
        """Grow it, online if it is attached; one that is as large stays as it is, and none ever shrinks."""
        file = self._existing(id)
        if file.stat().st_size < gib * GIB:
            with _room(file), open(file, "ab") as handle:
                handle.truncate(gib * GIB)
        for loop in attachments.loops(file):
            run(["losetup", "--set-capacity", loop])

    def snapshot(self, id, snapshot):
        """Keep what is on the volume now, as it would be after a power cut. Idempotent.

        A file system mounted from it is held still meanwhile, so that the copy is of one moment.
        """
        held = self.snapshots / f"{snapshot}.img"
        if held.exists():
            return
        file = self._existing(id)
        with self._new(held) as new, self.still(id):
            for loop in attachments.loops(file):
                run(["blockdev", "--flushbufs", loop])
            _copy(file, new)

    def delete_snapshot(self, snapshot):
        """Remove the snapshot. Idempotent."""
        (self.snapshots / f"{snapshot}.img").unlink(missing_ok=True)

    def backing(self, id):
        """{"file": path, "loop": "/dev/loop3" or None, "bytes": really used, "machine": id or ""}"""
        file = self._existing(id)
        loops = attachments.loops(file)
        used = file.stat().st_blocks * 512
        return {"file": str(file), "loop": loops[0] if loops else None, "bytes": used, "machine": self._machine(id)}

    def file(self, id):
        """Where the bytes of a volume are."""
        return self.volumes / f"{id}.img"

    @contextmanager
    def still(self, id):
        """Hold still what is mounted from the volume; it goes on when we are done, or killed.

        The one who froze it waits at a pipe of ours, and thaws it when that closes.
        """
        machine = self._machine(id)
        leader = self.machines.leader(machine) if machine else None
        folders = sorted(set(self._mounts(machine, id))) if leader else []
        if not folders:
            yield
            return
        script = (
            'trap "" INT TERM HUP; fsfreeze -f "$1" && thaw=1; echo; read -r end; [ -z "$thaw" ] || fsfreeze -u "$1"'
        )
        inside = ["nsenter", f"--target={leader}", "--mount", "--root", "--wd", "sh", "-c", script, "sh", folders[0]]
        argv = cgroups.entering(self.machines.group(machine), "visitor", inside)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(argv, **pipes) as holder:
            holder.stdout.readline()
            try:
                yield
            finally:
                holder.stdin.close()
                holder.wait()

    def _existing(self, id):
        if not self.file(id).exists():
            raise DriverError(f"there is no volume {id}")
        return self.file(id)

    def _snapshot_file(self, snapshot):
        file = self.snapshots / f"{snapshot}.img"
        if not file.exists():
            raise DriverError(f"there is no snapshot {snapshot}")
        return file

    def _machine(self, id):
        """The machine it is attached to, or nothing."""
        file = str(self.file(id))
        holders = (name for name in self.machines.ids() if any(v.file == file for v in self.machines.volumes(name)))
        return next(holders, "")

    def _loop(self, id):
        """The loop device of the volume, made if there is none."""
        file = self.file(id)
        if loops := attachments.loops(file):
            if (attachments.BLOCKS / os.path.basename(loops[0]) / "loop/autoclear").read_text().strip() == "1":
                raise Busy(f"{id} was detached by force and is still held open there; end what holds it")
            return loops[0]
        return run(["losetup", "--find", "--nooverlap", "--show", str(file)]).stdout.decode().strip()

    def _let_go(self, id):
        for loop in attachments.loops(self.file(id)):
            run(["losetup", "--detach", loop], check=False)

    def _mounts(self, machine, id):
        """Where the volume is mounted on the machine."""
        numbers = {_number(loop) for loop in attachments.loops(self.file(id))}
        table = self.machines.run(machine, ["cat", "/proc/1/mountinfo"]).stdout.decode()
        rows = [line.split() for line in table.splitlines()]
        return [row[4].encode().decode("unicode_escape") for row in rows if row[2] in numbers]

    def _unmount(self, machine, id):
        for folder in reversed(self._mounts(machine, id)):
            self.machines.run(machine, ["umount", "--lazy", folder])

    @contextmanager
    def _new(self, file):
        """A file that appears whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.unlink(missing_ok=True)
        try:
            with _room(file):
                yield new
                new.rename(file)
        finally:
            new.unlink(missing_ok=True)


@contextmanager
def _room(file):
    """Say a full disk in a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise DriverError(f"there is no room left for {file.name} in {file.parent}; free some, and try again") from None


def _copy(source, target):
    """Copy what the file really holds; costs nothing where the file system shares blocks."""
    done = run(["cp", "--reflink=auto", "--sparse=always", str(source), str(target)], check=False)
    if b"No space left" in done.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if done.returncode:
        raise DriverError(f"{source} cannot be copied: {done.stderr.decode(errors='replace').strip()}")


def _show(leader, attachment, loop):
    """Make the nodes and links on a running machine; at a boot, its supervisor and a unit do."""
    dev = f"/proc/{leader}/root/dev"
    number = os.stat(loop).st_rdev
    # Under the kernel's own name too: what looks for a file system's UUID goes by that.
    for name in (attachment.node, os.path.basename(loop)):
        try:
            os.mknod(f"{dev}/{name}", stat.S_IFBLK | 0o660, number)
        except FileExistsError:
            continue
        os.chown(f"{dev}/{name}", 0, DISK_GROUP)
        os.chmod(f"{dev}/{name}", 0o660)
    os.makedirs(f"{dev}/disk/by-id", exist_ok=True)
    _link(f"../../{attachment.node}", f"{dev}/disk/by-id/{attachment.link}")
    if attachment.name != attachment.node:
        _link(attachment.node, f"{dev}/{attachment.name}")


def _hide(leader, attachment, loop):
    dev = f"/proc/{leader}/root/dev"
    names = [attachment.node, attachment.name, os.path.basename(loop), f"disk/by-id/{attachment.link}"]
    names += [f"disk/{kind}/{name}" for kind in ("by-uuid", "by-label") for name in _links_to(dev, kind, attachment)]
    for name in names:
        try:
            os.unlink(f"{dev}/{name}")
        except FileNotFoundError:
            continue


def _links_to(dev, kind, attachment):
    try:
        names = os.listdir(f"{dev}/disk/{kind}")
    except FileNotFoundError:
        return []
    return [name for name in names if os.path.basename(os.readlink(f"{dev}/disk/{kind}/{name}")) == attachment.node]


def _link(target, path):
    try:
        os.symlink(target, path)
    except FileExistsError:
        os.unlink(path)
        os.symlink(target, path)


def _number(loop):
    return f"{LOOP_MAJOR}:{os.minor(os.stat(loop).st_rdev)}"


def _held(loop):
    """Whether a file system is mounted from the device, or something else holds it for itself."""
    try:
        os.close(os.open(loop, os.O_RDONLY | os.O_EXCL))
    except OSError as error:
        if error.errno == errno.EBUSY:
            return True
        raise
    return False
