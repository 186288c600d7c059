"""A local cloud's machine of its own for each test module: its network, machines and volumes, swept away at the end."""

import fcntl
import hashlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from fabfile.localcloud import real
from fabfile.localcloud.drivers import Guard, MachineSpec, Rule
from fabfile.localcloud.place import Place

USER = os.geteuid()
BASE = Path(f"/var/tmp/hydra-tests-{USER}" if USER else "/var/tmp/hydra-tests")  # nobody can write to another's
ANYWHERE = ("0.0.0.0/0",)
EVERYTHING = Rule("all", 0, 65535, ANYWHERE)
SSH = Rule("tcp", 22, 22, ANYWHERE)


class Ground:
    """The drivers of one place, and words for what tests do with them again and again."""

    def __init__(self, place, folder):
        self.place = place
        self.network, self.machines, self.disks = real.drivers(place)
        self.block = self.network.up()
        self.key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        self.folder = folder

    def address(self, last):
        """The address of this network that ends in `last`."""
        return f"{self.network.gateway.rpartition('.')[0]}.{last}"

    def spec(self, id, last, **more):
        """A machine to be, whom our key lets in."""
        keys = (self.key.with_suffix(".pub").read_text(),)
        return MachineSpec(id, "debian-12", self.address(last), f"host-{last}", authorized_keys=keys, **more)

    def boot(self, id, last, **more):
        """A machine that runs."""
        self.machines.create(self.spec(id, last, **more))
        self.machines.start(id)

    def open(self, *addresses, inbound=(SSH,), outbound=(EVERYTHING,)):
        """Firewalls for these addresses, all alike; every other is closed."""
        self.network.guard([Guard(address, inbound, outbound) for address in addresses])

    def said(self, id, command, code=0):
        """What a shell command says on the machine, run without ssh."""
        done = self.machines.run(id, ["sh", "-c", command])
        assert done.returncode == code, done.stderr.decode()
        return done.stdout.decode().strip()

    def ssh(self, id, last, command):
        """Run it over ssh, with the host key pinned from the machine's console."""
        known = self.folder / "known_hosts"
        keys = host_keys(self.machines.console(id))
        known.write_text("".join(f"{self.address(last)} {key}\n" for key in keys))
        options = ["StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}", "BatchMode=yes", "ConnectTimeout=5"]
        words = [word for option in options for word in ("-o", option)]
        argv = ["ssh", "-F", "none", "-i", str(self.key), *words, f"admin@{self.address(last)}", command]
        return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def host_keys(console):
    """The host keys between cloud-init's markers, those of the last boot."""
    block = console.rpartition("-----BEGIN SSH HOST KEY KEYS-----")[2].partition("-----END SSH HOST KEY KEYS-----")[0]
    lines = (line.split() for line in block.splitlines())
    return [" ".join(words[:2]) for words in lines if words and words[0].startswith(("ssh-", "ecdsa-"))]


def until(holds, seconds=60):
    """Wait for what comes of itself, and fail if it does not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it did not come within {seconds} seconds"
        time.sleep(0.02)


def own_place(module):
    """A place for a test module; always the same, so that what a killed run left is found by the next."""
    name = f"test-{hashlib.sha256(module.encode()).hexdigest()[:8]}"
    current = Place.current()
    return Place(name, BASE / name, current.cache, port=0)


@pytest.fixture(scope="module")
def place(request):
    """This module's own place, clean before and after; a second run at the same time waits for the first."""
    own = own_place(request.module.__name__)
    own.home.parent.mkdir(parents=True, exist_ok=True)
    with open(own.home.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        real.sweep(own, files=True)
        yield own
        real.sweep(own, files=True)


@pytest.fixture(scope="module")
def ground(place, tmp_path_factory):
    """The drivers of this module's place, its network up."""
    return Ground(place, tmp_path_factory.mktemp("ground"))
