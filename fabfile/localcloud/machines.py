"""The machines of a cloud: systemd-nspawn hosts, each kept by a process of its own that outlives the daemon.

All that is known of a machine is in `<home>/machines/<id>` and in the kernel under names that carry the prefix; no
process is remembered. So what is said of a machine is the truth, also by a daemon that was killed and came back.
"""

import json
import os
import shutil
import signal
import struct
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from . import attachments, cgroups, guest
from .commands import run
from .drivers import DriverError, MachineSpec
from .image import LAYERS, Images

SUPERVISOR = Path(__file__).with_name("supervise.sh")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONSOLE = 64 << 10  # bytes of it that EC2 shows
POWER_OFF = signal.SIGRTMIN + 4  # what systemd makes of these signals
REBOOT = signal.SIGRTMIN + 5
BOOTING = 120  # seconds a machine has to answer; two cores under load need some
STOPPING = 30  # seconds a machine has to power off, before it is taken off the mains
SSH = "0016"  # port 22, as /proc/net/tcp spells it
LISTENING = "0A"


class RealMachines:
    """The machines of one place, on its network. `say` is told what takes long."""

    def __init__(self, place, network, say=lambda sentence: None, images=None):
        self.place = place
        self.network = network
        self.images = images or Images(place, say)
        self.root = place.home / "machines"
        self._locks = {}

    def create(self, spec):
        """Prepare the machine's disk, host keys and network; nothing runs yet. Idempotent."""
        with self.alone(spec.id):
            folder = self.folder(spec.id)
            if not (folder / "machine.json").exists():
                lower = self.images.folders(spec.image)
                shutil.rmtree(folder, ignore_errors=True)
                for name in ("upper", "work", "root", "nodes", "apt", "apt-work"):
                    (folder / name).mkdir(parents=True)
                folder.chmod(0o700)
                guest.furnish(folder / "upper", lower, spec)
                self._remember(spec, lower)
            self.network.plug(spec.id, spec.address)

    def start(self, id):
        """Boot it, and return once it answers: its sshd, or systemd itself on a database's host."""
        with self.alone(id):
            spec, lower = self._spec(id)
            if self.state(id) != "running":
                self._boot(spec, lower)
            self._wait_until_ready(spec)

    def stop(self, id, force=False):
        """Power it off (with force: at once, as a lost machine); its disk stays."""
        with self.alone(id):
            self._spec(id)
            (self.folder(id) / "stop").touch()
            leader = self.leader(id)
            if leader and not force:
                _signal(leader, POWER_OFF)
                self._wait(lambda: self.state(id) == "stopped", STOPPING)
            cgroups.kill(self.group(id))

    def reboot(self, id):
        """Reboot it as from inside, and return once it answers again; one that hangs is taken off the mains."""
        with self.alone(id):
            spec, lower = self._spec(id)
            before = self.leader(id)
            if before is None:
                raise DriverError(f"{id} does not run, so it cannot be rebooted; start it")
            _signal(before, REBOOT)
            if not self._wait(lambda: self.leader(id) not in (before, None) or self.state(id) == "stopped", STOPPING):
                cgroups.kill(self.group(id))
            if self.state(id) != "running":
                self._boot(spec, lower)
            self._wait_until_ready(spec)

    def destroy(self, id):
        """End it and remove its disk and network. Volumes are detached, never deleted. Idempotent."""
        with self.alone(id):
            folder = self.folder(id)
            address = self._spec(id)[0].address if self.state(id) != "absent" else ""
            if folder.exists():
                (folder / "stop").touch()
            cgroups.kill(self.group(id))
            for volume in self.volumes(id):
                for loop in attachments.loops(volume.file):
                    run(["losetup", "--detach", loop])
            self.network.unplug(id, address)
            cgroups.remove(self.group(id))
            shutil.rmtree(folder, ignore_errors=True)

    def state(self, id):
        """`running`, `stopped` or `absent`, as it really is."""
        if not (self.folder(id) / "machine.json").exists():
            return "absent"
        alive = cgroups.pids(f"{self.group(id)}/keeper") | cgroups.pids(f"{self.group(id)}/host")
        return "running" if alive else "stopped"

    def console(self, id):
        """The last of what its console printed, with the host keys between cloud-init's markers."""
        try:
            with open(self.folder(id) / "console.log", "rb") as handle:
                handle.seek(max(0, handle.seek(0, os.SEEK_END) - CONSOLE))
                return handle.read().decode(errors="replace").replace("\r\n", "\n")
        except FileNotFoundError:
            return ""

    def cpu(self, id):
        """CPU seconds used by all its processes since it was last started; None if it does not run."""
        return cgroups.cpu(self.group(id)) if self.state(id) == "running" else None

    def backing(self, id):
        """What stands behind it: folder, address, image, namespace, the pid of its init, memory in MiB."""
        spec, lower = self._spec(id)
        return {
            "folder": str(self.folder(id)),
            "address": spec.address,
            "image": f"{spec.image} ({lower[0].name})",
            "namespace": self.network.namespace(id),
            "pid": self.leader(id),
            "memory": cgroups.memory(self.group(id)) if self.leader(id) else None,
        }

    def run(self, id, argv, input=None):
        """Run `argv` in the machine as root and return its CompletedProcess, output as bytes, whatever it ends with.

        Raises DriverError if the machine does not run. Give secrets as `input`, never in `argv`.
        """
        leader = self.leader(id)
        if leader is None:
            raise DriverError(f"{id} does not run, so nothing can be run on it; start it")
        inside = ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]
        inside += ["env", "-i", f"PATH={PATH}", "HOME=/root", "LC_ALL=C.UTF-8", *argv]
        return run(cgroups.entering(self.group(id), "visitor", inside), input=input, check=False)

    def put(self, id, path, content, mode=0o644, owner="root:root"):
        """Write `content` (bytes) whole to `path` in the running machine; its folder must be there."""
        script = 'umask 077; cat >"$1.new" && chown "$3" "$1.new" && chmod "$2" "$1.new" && mv -T "$1.new" "$1"'
        done = self.run(id, ["sh", "-c", script, "sh", path, f"{mode:o}", owner], input=content)
        if done.returncode:
            raise DriverError(f"{path} cannot be written on {id}: {done.stderr.decode(errors='replace').strip()}")

    def ids(self):
        """The ids of all machines that are not absent."""
        return sorted(file.parent.name for file in self.root.glob("*/machine.json"))

    def folder(self, id):
        """Where all of the machine lies."""
        return self.root / id

    def group(self, id):
        """The name of its cgroup."""
        return f"{self.place.prefix}/{id}"

    def leader(self, id):
        """The pid of its init as this machine counts, or None if it does not run."""
        depth = len(_pids_within("self"))
        for pid in sorted(cgroups.pids(f"{self.group(id)}/host")):
            within = _pids_within(pid)
            if len(within) == depth + 1 and within[-1] == "1":
                return pid
        return None

    def volumes(self, id):
        """The volumes attached to it, as Attachments."""
        return attachments.read(self.folder(id))

    @contextmanager
    def alone(self, id):
        """One act at a time on one machine, whoever does it."""
        with self._locks.setdefault(id, threading.RLock()):
            yield

    def _remember(self, spec, lower):
        known = asdict(spec) | {"user_data": "", "lower": [str(folder) for folder in lower]}
        new = self.folder(spec.id) / "machine.json.new"
        new.write_text(json.dumps(known, indent=1))
        new.rename(self.folder(spec.id) / "machine.json")

    def _spec(self, id):
        """The spec of a machine (without its user data, which is on its disk) and the folders of its image."""
        try:
            known = json.loads((self.folder(id) / "machine.json").read_text())
        except FileNotFoundError:
            raise DriverError(f"there is no machine {id}") from None
        lower = [Path(folder) for folder in known.pop("lower")]
        return MachineSpec(**known), lower

    def _boot(self, spec, lower):
        """Hand the machine to a supervisor of its own."""
        folder, group = self.folder(spec.id), self.group(spec.id)
        if missing := [str(layer) for layer in lower if not layer.is_dir()]:
            raise DriverError(f"{spec.id} was made from an image that is gone ({missing[0]}); make the machine anew")
        cgroups.kill(group)  # a command that was being run in it when it died
        cgroups.remove(group)  # its time is counted from here
        cgroups.make(group)
        cgroups.limit(group, spec.memory)
        (self.place.cache / "apt").mkdir(parents=True, exist_ok=True)
        _share_with_all_users(self.place.cache / "pip")
        (folder / "stop").unlink(missing_ok=True)
        self.network.plug(spec.id, spec.address)  # gone if this machine was rebooted
        words = [self.network.namespace(spec.id), str(folder), spec.hostname, ":".join(map(str, lower))]
        words += [str(self.place.cache), *cgroups.entrances(group, "host")]
        keep = ["setsid", "--fork", "unshare", "--mount", "--propagation", "slave", "sh", str(SUPERVISOR), *words]
        with open(folder / "console.log", "ab") as console:
            # Not waited for: it is a process of its own, found again by its cgroup.
            subprocess.run(
                cgroups.entering(group, "keeper", keep),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={"PATH": PATH},
                cwd="/",
                check=True,
            )

    def _wait_until_ready(self, spec):
        """Wait until it answers; raises DriverError with the console's last words if it ends or hangs instead."""
        ready = self._is_up if spec.image in LAYERS else self._admits
        self._wait(lambda: ready(spec.id) or self.state(spec.id) != "running", BOOTING)
        if self.state(spec.id) != "running" or not ready(spec.id):
            said = [line.strip() for line in self.console(spec.id).splitlines() if line.strip()][-3:]
            raise DriverError(f"{spec.id} did not come up; its console ends with: {' / '.join(said) or 'nothing'}")

    def _admits(self, id):
        """Whether its sshd listens and lets others in than root."""
        leader = self.leader(id)
        if leader is None or Path(f"/proc/{leader}/root/run/nologin").exists():
            return False
        for table in ("tcp", "tcp6"):
            # Read from outside: the machine's firewall need not admit us.
            rows = [line.split() for line in _read(f"/proc/{leader}/net/{table}").splitlines()[1:]]
            if any(row[1].endswith(f":{SSH}") and row[3] == LISTENING for row in rows):
                return True
        return False

    def _is_up(self, id):
        """Whether its systemd has started all it shall."""
        leader = self.leader(id)
        if leader is None or not Path(f"/proc/{leader}/root/run/systemd/private").exists():
            return False
        answer = self.run(id, ["timeout", str(BOOTING), "systemctl", "is-system-running", "--wait"])
        return answer.stdout.strip() in (b"running", b"degraded")

    def _wait(self, holds, seconds):
        """Wait until `holds()`; False if it does not within `seconds`."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                return False
            time.sleep(0.03)
        return True


def _share_with_all_users(folder):
    """Make the folder and whatever will be made in it everyone's: pip builds as root here, as another user there."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    owner, group, others = 0x01, 0x04, 0x20
    entries = b"".join(struct.pack("<HHI", who, 0o7, 0xFFFFFFFF) for who in (owner, group, others))
    try:
        os.setxattr(folder, "system.posix_acl_default", struct.pack("<I", 2) + entries)
    except OSError:  # a file system without access control lists: there the first user has the cache for himself
        return


def _pids_within(pid):
    """The pids of a process in each namespace that sees it, ours first; empty if it has ended."""
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith("NSpid:"):
            return line.split()[1:]
    return []


def _read(file):
    """A file of /proc, or nothing if its process has ended."""
    try:
        return Path(file).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
