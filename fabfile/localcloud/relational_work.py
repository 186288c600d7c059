"""What a database's state changes really do, in the background: servers are made, restarted, copied and taken away."""

import threading
from collections import defaultdict

from .drivers import DatabaseSpec, DriverError
from .relational_rules import CLASSES

OWNER = "db-{id}"  # of its address
STAND_IN = "localcloud:engine"  # the tag that names what really answers


class Work:
    """The part of the RDS backend that moves what stands behind an instance. `cloud` is set on the backend's class.

    One worker at a time works on an instance; each first looks whether its work is still wanted, so that resuming
    after a kill is no more than starting the same work again.
    """

    cloud = None
    _busy = defaultdict(threading.RLock)

    @property
    def drivers(self):
        return self.cloud.drivers.databases

    def _make(self, id):
        """creating -> (backing-up) -> available, or failed with the reason in StatusInfos."""
        with self._busy[id]:
            database = self._in(id, "creating")
            if not database:
                return
            wanted = self.wanted_parameters(database)
            try:
                facts = self.drivers.create(self._spec(database, wanted))
            except DriverError as error:
                if self._in(id, "creating"):
                    self._fail(database, error)
                return
            with self.cloud.change():
                database.applied = wanted
                database.restored_from = ""
                self._locate(database, facts)
                if database.status != "creating":  # it was deleted meanwhile; that work is waiting for us to end
                    return
                backup = database.backup_retention_period and self._automatic_snapshot(database)
                database.status = "backing-up" if backup else "available"
            if backup:
                self._copy(id, backup.db_snapshot_identifier)

    def _spec(self, database, parameters):
        id = database.db_instance_identifier
        snapshot = database.restored_from
        return DatabaseSpec(
            id=id,
            address=self.cloud.addresses.of(OWNER.format(id=id)) or "127.0.0.1",
            port=database.port,
            endpoint=database.dns_name,
            user=database.master_username,
            password=database._master_user_password,
            database=database.db_name or "",
            parameters=parameters,
            memory=CLASSES[database.db_instance_class][0] * 1024,
            snapshot=archive(snapshot) if snapshot else "",
        )

    def _locate(self, database, facts):
        """Note where the server answers. Plain processes have no name: the address is this machine's."""
        database.port = facts["port"]
        if self.cloud.drivers.name == "processes":
            database.host = facts["address"]
        else:
            self.cloud.names.put(database.dns_name, facts["address"])
            database.host = database.dns_name
        database.behind, database.trouble = facts["engine"], ""
        # DescribeDBInstances has no field to say that another server stands in; a tag is the honest place.
        others = [pair for pair in database.tags if pair["Key"] != STAND_IN]
        database.tags = [*others, {"Key": STAND_IN, "Value": f"{facts['engine']}, standing in for MySQL"}]

    def _start(self, id):
        """starting, rebooting or modifying -> available, with all parameters in force."""
        with self._busy[id]:
            database = self._in(id, "starting", "rebooting", "modifying")
            if not database:
                return
            wanted = self.wanted_parameters(database)
            try:
                if database.status == "rebooting":
                    self.drivers.stop(id)
                self.drivers.configure(id, wanted)
                facts = self.drivers.start(id)
                if database.fresh_password:
                    self.drivers.set_password(id, database.master_username, database._master_user_password)
            except DriverError as error:
                self._fail(database, error)
                return
            with self.cloud.change():
                if database.status != "modifying":
                    database.applied = wanted
                database.fresh_password = False
                self._locate(database, facts)
                self._settle(database)

    def _modify(self, id):
        """modifying -> available: the password told to the server, the new values shown."""
        with self._busy[id]:
            database = self._in(id, "modifying")
            if not database:
                return
            try:
                if database.fresh_password:
                    self.drivers.set_password(id, database.master_username, database._master_user_password)
            except DriverError as error:
                self._fail(database, error)
                return
            with self.cloud.change():
                database.fresh_password = False
                self._settle(database)

    def _settle(self, database):
        """Put pending values in force where they were asked for now, and say so."""
        if database.status == "modifying":
            for name, value in database.pending.items():
                setattr(database, name, value)
            database.pending = {}
        if database.status in ("modifying", "rebooting", "starting"):
            database.status = "available"

    def _configure(self, id, parameters):
        """Bring parameters to a running server."""
        with self._busy[id]:
            database = self._in(id, "available")
            if not database:
                return
            try:
                waiting = self.drivers.configure(id, parameters)
            except DriverError as error:
                self.cloud.log.error("database %s: parameters not applied: %s", id, error)
                waiting = sorted(parameters)
            with self.cloud.change():
                before = database.applied or {}
                database.applied = {name: value for name, value in parameters.items() if name not in waiting}
                database.applied |= {name: before[name] for name in waiting if name in before}
                database.applying = False

    def _stop(self, id):
        with self._busy[id]:
            database = self._in(id, "stopping")
            if not database:
                return
            try:
                self.drivers.stop(id)
            except DriverError as error:
                self._fail(database, error)
                return
            with self.cloud.change():
                if database.status == "stopping":
                    database.status = "stopped"

    def _copy(self, id, snapshot):
        """creating -> available for a snapshot; its database is `available` again if it was `backing-up` for it."""
        with self._busy[id]:
            record = self.database_snapshots.get(snapshot)
            try:
                if record and record.status == "creating":
                    self.drivers.snapshot(id, archive(snapshot))
                status = "available"
            except DriverError as error:
                self.cloud.log.error("snapshot %s of database %s failed: %s", snapshot, id, error)
                status = "failed"
            with self.cloud.change():
                if record:
                    record.status, record.percent_progress = status, 100 if status == "available" else 0
                database = self.databases.get(id)
                if database and database.status == "backing-up":
                    database.status = "available"

    def _remove(self, id, final):
        """deleting -> gone, its last snapshot taken first. Without that snapshot nothing is taken away."""
        with self._busy[id]:
            database = self._in(id, "deleting")
            if not database:
                return
            if final:
                self._copy(id, final)
                if self.database_snapshots[final].status == "failed":
                    self._fail(database, f"its final snapshot {final} could not be made, so nothing was deleted")
                    return
            try:
                self.drivers.destroy(id)
            except DriverError as error:
                self._fail(database, error)
                return
            with self.cloud.change():
                self._forget(database)

    def _drop_copy(self, snapshot):
        self.drivers.delete_snapshot(archive(snapshot))

    def _fail(self, database, error):
        self.cloud.log.error("database %s failed: %s", database.db_instance_identifier, error)
        with self.cloud.change():
            database.status, database.trouble = "failed", str(error)

    def _in(self, id, *states):
        """The database, if it is in one of these states."""
        with self.cloud.lock:
            database = self.databases.get(id)
            return database if database is not None and database.status in states else None

    # -- start and stop of the cloud -------------------------------------------------------------------------------

    def resume(self):
        """After a start of the daemon: finish what was under way, and start again what should run and does not.

        What failed is tried once more: a full disk may be empty now, or a parameter right.
        """
        for database in self.databases.values():
            if database.status == "failed":
                database.status = "starting" if database.host else "creating"
        for id, database in self.databases.items():
            status = database.status
            if status == "creating":
                self.cloud.background(self._make, id)
            elif status == "deleting":
                self.cloud.background(self._remove, id, database.final_snapshot)
            elif status == "stopping":
                self.cloud.background(self._stop, id)
            elif status in ("starting", "rebooting", "modifying"):
                self.cloud.background(self._start, id)
            elif status in ("available", "backing-up"):
                self._find_again(id, database)
        for name, snapshot in self.database_snapshots.items():
            if snapshot.status == "creating" and snapshot.db_instance_identifier in self.databases:
                self.cloud.background(self._copy, snapshot.db_instance_identifier, name)

    def _find_again(self, id, database):
        if database.status == "backing-up" and not self._copying(id):
            database.status = "available"
        if self.drivers.state(id) != "running":
            database.status = "starting"
            self.cloud.background(self._start, id)
        elif self.cloud.drivers.name != "processes":
            self.cloud.names.put(database.dns_name, self.cloud.addresses.of(OWNER.format(id=id)))

    def revive(self, database):
        """A server that died is started again, as RDS does; the database is `starting` meanwhile."""
        id = database.db_instance_identifier
        if database.status == "available" and self.drivers.state(id) != "running":
            self.cloud.log.warning("database %s has died: it is started again", id)
            database.status = "starting"
            self.cloud.background(self._start, id)

    def _copying(self, id):
        mine = [one for one in self.database_snapshots.values() if one.db_instance_identifier == id]
        return any(one.status == "creating" for one in mine)

    def power_off(self):
        """For `cloud.stop`: end every server cleanly. Their status stays, so that the next start brings them back."""
        for id in list(self.databases):
            with self._busy[id]:
                try:
                    if self.drivers.state(id) == "running":
                        self.drivers.stop(id)
                except DriverError as error:
                    self.cloud.log.error("database %s was not stopped: %s", id, error)


def archive(snapshot):
    """What the drivers call a snapshot: automatic ones have a colon, which programs take for a host's name."""
    return snapshot.replace(":", ".")
