"""Drivers with nothing behind them: for tests of the resources and of the endpoint, and for nothing else.

What they know is in files under `<home>/memory`, so that it outlives a kill of the daemon, as real things do, and so
that a test can look and meddle from outside: a machine's file holds its state; a file in `mounted` named like a volume
makes it busy; the file `no-start` makes every boot fail, and `slow-start` makes it last until the file is gone.
"""

import dataclasses
import json
import threading
import time

from .drivers import Busy, DriverError, Drivers

AUTHORITY = "-----BEGIN CERTIFICATE-----\nnothing stands behind the memory drivers\n-----END CERTIFICATE-----\n"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFxGTMrXPuGBW4gS0ygdDk7/MiOzLHhMTyCIrzO0UySa root@memory"


class Network:
    """A block of loopback addresses, so that a test can really speak from a machine's address."""

    gateway = "127.213.0.1"

    def __init__(self, home):
        self.home = home

    def up(self):
        self.home.mkdir(parents=True, exist_ok=True)
        return "127.213.0.0/16"

    def guard(self, guards):
        (self.home / "guards.json").write_text(json.dumps([dataclasses.asdict(guard) for guard in guards]))

    def down(self):
        pass


class Machines:
    """Machines as words: absent, stopped, running."""

    def __init__(self, home):
        self.home = home

    def create(self, spec):
        if self.state(spec.id) == "absent":
            self._put(spec.id, "stopped")
        (self.home / "specs.json").write_text(json.dumps(dataclasses.asdict(spec), default=bytes.decode))

    def start(self, id):
        if self.state(id) == "absent":
            raise DriverError(f"there is no machine {id}")
        while (self.home / "slow-start").exists():
            time.sleep(0.02)
        if (self.home / "no-start").exists():
            raise DriverError(f"{id} does not answer")
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
        keys = f"-----BEGIN SSH HOST KEY KEYS-----\n{HOST_KEY}\n-----END SSH HOST KEY KEYS-----\n"
        return f"booted {id}\n{keys}" if self.state(id) != "absent" else ""

    def cpu(self, id):
        return 1.0 if self.state(id) == "running" else None

    def backing(self, id):
        return {"state": self.state(id)}

    def _put(self, id, state):
        (self.home / id).write_text(state)


class Disks:
    """Volumes and snapshots as sizes in GiB."""

    def __init__(self, home):
        self.home = home

    def create(self, id, gib, snapshot=""):
        self._put(id, gib)

    def delete(self, id):
        (self.home / id).unlink(missing_ok=True)

    def attach(self, id, machine, device):
        pass

    def detach(self, id, machine, force=False):
        if (self.home / "mounted" / id).exists() and not force:
            raise Busy(f"{id} is still mounted on {machine}; unmount it there, or detach it by force")

    def grow(self, id, gib):
        self._put(id, gib)

    def snapshot(self, id, snapshot):
        self._put(snapshot, (self.home / id).read_text())

    def delete_snapshot(self, snapshot):
        (self.home / snapshot).unlink(missing_ok=True)

    def backing(self, id):
        return {"file": str(self.home / id), "loop": None, "bytes": 0}

    def _put(self, id, gib):
        (self.home / id).write_text(str(gib))


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
    home = place.home / "memory"
    return Drivers("memory", Network(home), Machines(home), Disks(home), Databases())
