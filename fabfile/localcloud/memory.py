"""Drivers with nothing behind them: for tests of the resources and of the endpoint, and for nothing else."""

import threading
from pathlib import Path

from .drivers import Busy, DriverError, Drivers

AUTHORITY = "-----BEGIN CERTIFICATE-----\nnothing stands behind the memory drivers\n-----END CERTIFICATE-----\n"


class Network:
    """A block of loopback addresses, so that a test can really speak from a machine's address."""

    gateway = "127.213.0.1"

    def __init__(self):
        self.guards = []

    def up(self):
        return "127.213.0.0/16"

    def guard(self, guards):
        self.guards = list(guards)

    def down(self):
        self.guards = []


class Machines:
    """Machines as words: absent, stopped, running. They outlive a kill of the daemon, as real ones do: a file each."""

    def __init__(self, home):
        self.home = Path(home) / "memory-machines"
        self.specs = {}

    def create(self, spec):
        self.specs[spec.id] = spec
        self.home.mkdir(parents=True, exist_ok=True)
        if self.state(spec.id) == "absent":
            self._put(spec.id, "stopped")

    def start(self, id):
        if self.state(id) == "absent":
            raise DriverError(f"there is no machine {id}")
        self._put(id, "running")

    def stop(self, id, force=False):
        if self.state(id) != "absent":
            self._put(id, "stopped")

    def reboot(self, id):
        self.start(id)

    def destroy(self, id):
        (self.home / id).unlink(missing_ok=True)

    def state(self, id):
        path = self.home / id
        return path.read_text() if path.exists() else "absent"

    def console(self, id):
        return (
            f"booted {id}\n-----BEGIN SSH HOST KEY KEYS-----\n"
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFxGTMrXPuGBW4gS0ygdDk7/MiOzLHhMTyCIrzO0UySa root@memory\n"
            "-----END SSH HOST KEY KEYS-----\n"
        )

    def cpu(self, id):
        return 1.0 if self.state(id) == "running" else None

    def backing(self, id):
        return {"state": self.state(id)}

    def _put(self, id, state):
        (self.home / id).write_text(state)


class Disks:
    """Volumes and snapshots as sizes. `busy` holds the ids of volumes that a test calls mounted."""

    def __init__(self):
        self.volumes, self.snapshots, self.attached, self.busy = {}, {}, {}, set()

    def create(self, id, gib, snapshot=""):
        self.volumes.setdefault(id, gib)

    def delete(self, id):
        self.volumes.pop(id, None)

    def attach(self, id, machine, device):
        self.attached[id] = (machine, device)

    def detach(self, id, machine, force=False):
        if id in self.busy and not force:
            raise Busy(f"{id} is mounted on {machine}")
        self.attached.pop(id, None)

    def grow(self, id, gib):
        self.volumes[id] = gib

    def snapshot(self, id, snapshot):
        self.snapshots[snapshot] = self.volumes.get(id)

    def delete_snapshot(self, snapshot):
        self.snapshots.pop(snapshot, None)

    def backing(self, id):
        return {"file": None, "loop": None, "bytes": 0}


class Databases:
    """Database servers as words."""

    authority = AUTHORITY

    def __init__(self):
        self.specs, self.states, self.lock = {}, {}, threading.Lock()

    def create(self, spec):
        self.specs[spec.id] = spec
        return self.start(spec.id)

    def start(self, id):
        self.states[id] = "running"
        spec = self.specs.get(id)
        address, port = (spec.address, spec.port) if spec else ("", 3306)
        return {"address": address, "port": port, "engine": "MariaDB 10.11.0"}

    def stop(self, id):
        self.states[id] = "stopped"

    def destroy(self, id):
        self.specs.pop(id, None)
        self.states.pop(id, None)

    def configure(self, id, parameters):
        return []

    def set_password(self, id, user, password):
        pass

    def snapshot(self, id, snapshot):
        pass

    def delete_snapshot(self, snapshot):
        pass

    def connections(self, id):
        return 0 if self.state(id) == "running" else None

    def state(self, id):
        return self.states.get(id, "absent")

    def cpu(self, id):
        return 1.0 if self.state(id) == "running" else None

    def backing(self, id):
        return {"state": self.state(id)}


def drivers(place):
    """The set for `place`."""
    return Drivers("memory", Network(), Machines(place.home), Disks(), Databases())
