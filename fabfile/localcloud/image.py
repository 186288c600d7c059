"""The images machines boot from: Debian 12 made by mmdebstrap, and layers over it, each made once per machine.

An image is a list of folders for an overlay, uppermost first, below `<cache>/images/<name>/<version>`. The version is
a hash of all that goes in, so a changed recipe makes a new image and machines keep the one they were made from.
"""

import fcntl
import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from . import cgroups, packages
from .commands import run
from .drivers import DriverError

SUITE = "bookworm"
BASE = "debian-12"
LOGIN = "admin"  # of Debian's own images on EC2
# fmt: off
PACKAGES = [
    "systemd", "systemd-sysv", "dbus", "libpam-systemd", "libnss-myhostname", "udev", "openssh-server", "sudo",
    "python3", "ca-certificates", "iproute2", "iputils-ping", "procps", "netbase", "e2fsprogs", "xfsprogs", "curl",
    "less",
]
MASKED = [  # timers that would take dpkg's lock at any moment, and units that mean nothing in a container
    "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
    "dpkg-db-backup.timer", "systemd-udevd.service", "systemd-udev-trigger.service", "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket", "console-getty.service", "getty.target",
]
# fmt: on
LAYERS = {"mariadb": ["mariadb-server"]}  # name: packages installed over the base, their services disabled
DISABLED = {"mariadb": ["mariadb.service", "ssh.service"]}
UNITS = {  # of rootfs/, and the targets that want them
    "attached-volumes.service": "local-fs.target",
    "print-host-keys.service": "multi-user.target",
    "user-data.service": "multi-user.target",
}
MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"  # without it, a package does so, and brings all of perl
ROOTFS = Path(__file__).with_name("rootfs")
LAYER = Path(__file__).with_name("layer.sh")
SHARED_ARCHIVES = "var/cache/apt/shared"
PIP_CACHE = "var/cache/pip"


class Images:
    """The images of one cache folder, made when first asked for."""

    def __init__(self, place, say=lambda sentence: None, sources=None):
        self.place = place
        self.cache = place.cache / "images"
        self.archives = place.cache / "apt"
        self.say = say
        self.sources = sources or packages.of_this_machine()

    def folders(self, name):
        """The folders of the image `name`, uppermost first; makes what is not there yet, which takes a minute.

        Raises DriverError with the failing program's last words; nothing half made is ever taken for an image.
        """
        folder = self.folder(name)
        below = [] if name == BASE else self.folders(BASE)
        if not folder.is_dir():
            self._make(name, folder, below)
        return [folder, *below]

    def folder(self, name):
        """Where the image's own files are, or will be once it is made."""
        version = hashlib.sha256(json.dumps(self._recipe(name), sort_keys=True).encode()).hexdigest()[:12]
        return self.cache / name / version

    def ready(self, name):
        """Whether asking for the image costs nothing."""
        return self.folder(name).is_dir()

    def _recipe(self, name):
        """All that goes into an image."""
        if name == BASE:
            files = {str(file.relative_to(ROOTFS)): file.read_text() for file in _files(ROOTFS)}
            made_of = {"suite": SUITE, "packages": PACKAGES, "units": UNITS, "masked": MASKED}
            return made_of | {"files": files, "sources": asdict(self.sources)}
        if name in LAYERS:
            made_of = {"base": self.folder(BASE).name, "packages": LAYERS[name], "disabled": DISABLED.get(name, [])}
            return made_of | {"script": LAYER.read_text()}
        raise DriverError(f"there is no image {name}; there are {', '.join([BASE, *LAYERS])}")

    def _make(self, name, folder, below):
        folder.parent.mkdir(parents=True, exist_ok=True)
        self.archives.mkdir(parents=True, exist_ok=True)
        with _locked(folder.parent / "lock") as lock:
            if folder.is_dir():  # made by someone else while we waited
                return
            for left in folder.parent.glob("*.*"):  # of a build that was killed
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            building = folder.with_suffix(".building")
            building.mkdir()
            self.say(f"making the image {name}, once on this machine; it takes about a minute")
            if name == BASE:
                self._debootstrap(building, lock)
            else:
                self._layer(name, below[0], building, lock)
            building.rename(folder)
            self.say(f"the image {name} is there")

    def _debootstrap(self, folder, lock):
        archives, lists = self.archives, folder.with_suffix(".list")
        lists.write_text(self.sources.lines(SUITE))
        settings = [f'Acquire::{scheme}::Proxy "{proxy}"' for scheme, proxy in self.sources.proxies]
        settings += ['APT::Install-Recommends "false"', 'Acquire::Languages "none"']
        dpkg = ["force-unsafe-io", "path-exclude=/usr/share/man/*", "path-exclude=/usr/share/locale/*"]
        dpkg += ["path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright"]
        # A hard link costs nothing, and is whole from its first moment: no lock is needed.
        inside = '"$1"/var/cache/apt/archives'
        bring = f"mkdir -p {inside}; cp -ln {archives}/*.deb {inside}/ 2>/dev/null || true"
        keep = f"cp -ln {inside}/*.deb {archives}/ || true"
        self._run(
            ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory"]
            + [f"--include={','.join(PACKAGES)}", f"--keyring={packages.KEYRING}"]
            + [f"--aptopt={setting}" for setting in settings]
            + [f"--dpkgopt={option}" for option in dpkg]
            + ["--skip=essential/unlink", "--skip=cleanup/apt/lists", f"--hook-dir={MERGED_USR}"]
            + [f"--setup-hook={bring}", f"--customize-hook={keep}", SUITE, str(folder), str(lists)],
            lock,
        )
        lists.unlink()
        self._furnish(folder)

    def _furnish(self, root):
        """All that makes plain Debian a machine of a cloud."""
        for left in [*root.glob("etc/ssh/ssh_host_*"), root / "var/lib/dbus/machine-id", root / "etc/resolv.conf"]:
            left.unlink(missing_ok=True)
        (root / "etc/machine-id").write_text("")
        for file in _files(ROOTFS):
            there = root / file.relative_to(ROOTFS)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, there)
            there.chmod(0o755 if there.parent.name == "sbin" else 0o644)  # in a checkout, modes depend on its owner
        for unit in MASKED:
            _link(root / "etc/systemd/system" / unit, "/dev/null")
        for unit, target in UNITS.items():
            _link(root / f"etc/systemd/system/{target}.wants" / unit, f"../{unit}")
        for folder in (SHARED_ARCHIVES, PIP_CACHE):
            (root / folder).mkdir(parents=True)
        self._reach_packages(root)
        run(["chroot", str(root), "useradd", "--create-home", "--shell", "/bin/bash", LOGIN])
        sudoers = root / f"etc/sudoers.d/90-{LOGIN}"
        sudoers.write_text(f"{LOGIN} ALL=(ALL) NOPASSWD:ALL\n")
        sudoers.chmod(0o440)

    def _reach_packages(self, root):
        for left in root.glob("etc/apt/sources.list.d/*"):  # mmdebstrap's copy of the same
            left.unlink()
        (root / "etc/apt/sources.list").write_text(self.sources.lines(SUITE))
        proxies = "".join(f'Acquire::{scheme}::Proxy "{proxy}";\n' for scheme, proxy in self.sources.proxies)
        (root / "etc/apt/apt.conf.d/80-proxies").write_text(proxies)
        for name, pem in self.sources.authorities:
            (root / "usr/local/share/ca-certificates" / name).write_text(pem)
        run(["chroot", str(root), "update-ca-certificates"])
        pip = {"cache-dir": f"/{PIP_CACHE}", "cert": "/etc/ssl/certs/ca-certificates.crt", **dict(self.sources.pip)}
        pip |= {"disable-pip-version-check": "true"}
        pip |= {"proxy": self.sources.proxies[-1][1]} if self.sources.proxies else {}
        lines = "".join(f"{option} = {value}\n" for option, value in pip.items())
        (root / "etc/pip.conf").write_text(f"[global]\n{lines}")

    def _layer(self, name, base, folder, lock):
        """Install over the base in a mount namespace of its own, which ends with the shell, however that ends."""
        work, root = folder.with_suffix(".work"), folder.with_suffix(".root")
        for path in (work, root):
            path.mkdir()
        disabled = " ".join(DISABLED.get(name, ()))
        self._run(
            ["sh", str(LAYER), str(base), str(folder), str(work), str(root), str(self.archives)]
            + [disabled, *LAYERS[name]],
            lock,
        )
        shutil.rmtree(work)
        root.rmdir()

    def _run(self, argv, lock):
        """Run a builder in a cgroup of this cloud, where its sweep finds it if we are killed meanwhile.

        It has a mount namespace of its own: nothing stays mounted where the next one clears up. It holds the lock as
        well, so that until it has ended too, nobody else builds in the same place.
        """
        group = f"{self.place.prefix}/image"
        cgroups.make(group, leaves=("keeper",))
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TMPDIR": "/tmp"}
        entered = cgroups.entering(group, "keeper", ["unshare", "--mount", "--propagation", "slave", *argv])
        run(entered, environment=environment, name=f"making an image with {argv[0]}", keep_open=(lock,))


def _files(folder):
    return [file for file in sorted(folder.rglob("*")) if file.is_file()]


def _link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@contextmanager
def _locked(file):
    """Alone among all processes of this machine; the kernel opens the lock when its holder dies."""
    with open(file, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle.fileno()
