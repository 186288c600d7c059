"""What the cloud measures of itself: the CPU time of each machine and database, one data point a minute.

`CPUUtilization` is in percent of all CPUs of the machine the cloud runs on, as its instances share them all: 100 means
that an instance kept every one of them busy, whatever its class is said to have.
"""

import os
import threading
import time
from dataclasses import dataclass

from .drivers import DriverError
from .metric_store import HOUR, MINUTE

EVERY = 5  # seconds between two looks; a new instance has its first point after two of them


@dataclass(frozen=True)
class Target:
    """One thing that is measured: `AWS/RDS`, `DBInstanceIdentifier`, its id, and the driver that knows its CPU time."""

    namespace: str
    dimension: str
    id: str
    driver: object
    memory: int = 0  # MiB its class has; for databases


@dataclass
class Minute:
    """What was measured of one instance within one minute."""

    begin: int
    used: float = 0.0  # CPU seconds
    passed: float = 0.0  # seconds


class Sampler:
    """Reads the drivers every five seconds. `processors`: how many CPUs are 100 percent."""

    def __init__(self, cloud, store, processors=None):
        self.cloud, self.store = cloud, store
        self.processors = processors or os.cpu_count() or 1
        self._last, self._minutes, self._thinned = {}, {}, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self):
        while True:
            try:
                self.look(int(self.cloud.clock().timestamp()), time.monotonic(), targets(self.cloud))
            except Exception:  # the thread's edge: one failed look must not end all measuring
                self.cloud.log.exception("measuring failed")
            if self._ended.wait(EVERY):
                return

    def look(self, now, ticks, targets):
        """Read every target once. `now`: seconds since the epoch; `ticks`: a clock that is never set, in seconds."""
        present = set()
        for target in targets:
            key = (target.namespace, target.id)
            try:
                used = target.driver.cpu(target.id)
            except DriverError:
                used = None  # it went while we looked
            if used is not None:
                present.add(key)
                self._note(key, target, used, now, ticks)
        for key in set(self._last) - present:
            del self._last[key]
            self._minutes.pop(key, None)
        if now - self._thinned > HOUR:
            self._thinned = now
            self.store.thin(now)

    def _note(self, key, target, used, now, ticks):
        last = self._last.get(key)
        self._last[key] = (used, ticks)
        if not last or used < last[0] or ticks <= last[1]:
            return  # the first look, or it was restarted since the last
        minute = self._minutes.get(key)
        if not minute or minute.begin != now // MINUTE * MINUTE:
            minute = self._minutes[key] = Minute(now // MINUTE * MINUTE)
            self._note_server(target, minute.begin)
        minute.used += used - last[0]
        minute.passed += ticks - last[1]
        percent = min(100.0, 100 * minute.used / minute.passed / self.processors)
        self._keep(target, "CPUUtilization", minute.begin, "Percent", percent)

    def _note_server(self, target, begin):
        """Once a minute, what else is told of a database."""
        if target.namespace != "AWS/RDS":
            return
        try:
            clients = target.driver.connections(target.id)
            memory = target.driver.backing(target.id).get("memory")
        except DriverError:
            return  # it is being stopped
        if clients is not None:
            self._keep(target, "DatabaseConnections", begin, "Count", float(clients))
        if memory:
            self._keep(target, "FreeableMemory", begin, "Bytes", max(0.0, target.memory - memory) * (1 << 20))

    def _keep(self, target, name, begin, unit, value):
        self.store.replace(target.namespace, name, {target.dimension: target.id}, begin, unit, value)


def targets(cloud):
    """The machines and databases that should run."""
    from moto.ec2.models import ec2_backends
    from moto.rds.models import rds_backends

    with cloud.lock:
        machines = [
            Target("AWS/EC2", "InstanceId", instance.id, cloud.drivers.machines)
            for _, _, backend in ec2_backends.iter_backends()
            for reservation in backend.reservations.values()
            for instance in reservation.instances
            if instance.state == "running"
        ]
        databases = [
            Target("AWS/RDS", "DBInstanceIdentifier", id, cloud.drivers.databases, memory=_memory(one))
            for _, _, backend in rds_backends.iter_backends()
            for id, one in backend.databases.items()
            if one.status not in ("creating", "deleting", "stopped", "failed")
        ]
    return machines + databases


def _memory(database):
    from .relational_rules import CLASSES

    return CLASSES[database.db_instance_class][0] * 1024
