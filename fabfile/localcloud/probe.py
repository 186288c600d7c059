"""Whether this machine can hold real hosts, found out by small trials that change nothing and leave nothing."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import cgroups, packages

PROGRAMS = ["systemd-nspawn", "mmdebstrap", "nft", "ip", "losetup", "unshare", "nsenter", "setsid", "flock"]
LOOP_CTL_GET_FREE = 0x4C82
ROOM = 16 << 20  # bytes without which there is no use in starting
# Each line of output names what works. All happens in namespaces that end with the shell.
TRIALS = """
cd "$1" && mkdir lower upper work root
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root && echo hello >root/file && echo overlay
umount root
mknod node b 7 0 && echo nodes
mount -t tmpfs tmpfs root && echo mounts
ip link set lo up && echo network
ip link add probe0 type veth peer name probe1 && echo veth
nft 'table inet probe {
    chain filter { type filter hook forward priority 0; ct state established accept; }
    chain source { type nat hook postrouting priority srcnat; masquerade; }
    chain target { type nat hook prerouting priority dstnat; tcp dport 80 dnat ip to 127.0.0.1:8080; }
}' && echo nft
[ -w /proc/sys/net/ipv4/conf/lo/forwarding ] && echo forwarding
"""
NAMES = {
    "mounts": "mount namespaces",
    "network": "network namespaces",
    "overlay": "overlayfs on the file system of {home}",
    "nodes": "the right to make device nodes",
    "veth": "veth interfaces",
    "nft": "nftables with connection tracking and NAT",
    "forwarding": "a writable /proc/sys/net",
}


def missing(place, path=""):
    """What this machine lacks to hold real hosts, each in a short phrase; nothing if it can. Takes under 0.3 s.

    Programs are looked for in `path`, or where root would find them.
    """
    if not sys.platform.startswith("linux"):
        return ["Linux"]
    lacks = [f"the program {name}" for name in PROGRAMS if not shutil.which(name, path=path or _path())]
    if not os.path.exists(packages.KEYRING):  # Ubuntu has it as a package too
        lacks.append("the package debian-archive-keyring")
    if os.geteuid() != 0:
        return ["root", *lacks]
    if any(f"the program {name}" in lacks for name in ("unshare", "ip", "nft")):
        return lacks
    works = _trials(place.home)
    lacks += [phrase.format(home=place.home) for name, phrase in NAMES.items() if name not in works]
    lacks += [] if _has_loop_devices() else ["loop devices (/dev/loop-control)"]
    return lacks + ([] if _has_cgroups() else ["writable cgroups (/sys/fs/cgroup)"])


def sentence(lacks):
    """One sentence for the user: what is missing, and what to do."""
    programs = [phrase for phrase in lacks if phrase.startswith(("the program ", "the package "))]
    if not lacks:
        return "This machine can hold real hosts."
    listed = lacks[0] if len(lacks) == 1 else f"{', '.join(lacks[:-1])} and {lacks[-1]}"
    if "Linux" in lacks:
        advice = "use a Linux virtual machine (Debian 12), as root"
    elif "root" in lacks:
        advice = "run this as root (sudo)" + (", after script/setup, which installs the programs" if programs else "")
    elif len(programs) == len(lacks):
        advice = "run script/setup, which installs them"
    else:
        advice = "run it as root on a Linux machine or virtual machine, not in an unprivileged container"
    return f"This machine cannot hold real hosts, for it lacks {listed}: {advice}."


def full(place):
    """One sentence if the disk that holds the place's home is full; "" if there is room."""
    disk = os.statvfs(_existing(place.home))
    free = disk.f_bavail * disk.f_frsize
    if free >= ROOM:
        return ""
    return f"The disk of {place.home} is full ({free >> 10} KiB left): free some room there, and run this again"


def _existing(home):
    """The home, or the nearest folder above it that is there."""
    return next(folder for folder in [home, *home.parents] if folder.is_dir())


def _path():
    """A user's own path may lack what only root uses; that alone is not a program missing."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def _trials(home):
    """The names of all trials that succeeded."""
    environment = {"PATH": _path(), "LC_ALL": "C"}
    try:
        with tempfile.TemporaryDirectory(prefix=".probe-", dir=_existing(home)) as folder:
            argv = ["unshare", "--mount", "--net", "sh", "-c", TRIALS, "sh", folder]
            done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return set(done.stdout.split())


def _has_loop_devices():
    try:
        with open("/dev/loop-control", "rb") as control:
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
        return os.access(f"/dev/loop{number}", os.R_OK | os.W_OK)
    except OSError:
        return False


def _has_cgroups():
    name = f"hydra-probe-{os.getpid()}"
    roots = cgroups.hierarchies()
    try:
        for root in roots:
            Path(root, name).mkdir()
            Path(root, name).rmdir()
    except OSError:
        return False
    return bool(roots)
