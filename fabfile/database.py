"""The database server: MySQL on RDS, and its parameter group."""

from dataclasses import dataclass, field

from .engine import names
from .engine.errors import Refusal
from .engine.plan import Seen
from .engine.steps import Call, Unknown, Wait
from .firewalls import group_id


@dataclass(frozen=True)
class ParameterGroup:
    """The server settings of a database. Only what is named here is looked at; the rest is AWS's default."""

    name: str
    family: str = field(compare=False)
    parameters: dict = field(default_factory=dict)
    needs = ()

    def __str__(self):
        return f"parameter group {self.name}"

    def look(self, world):
        gone = ("DBParameterGroupNotFound", "DBParameterGroupNotFoundFault")
        found = world.read("rds", "describe_db_parameter_groups", missing=gone, DBParameterGroupName=self.name)
        if not found or not found["DBParameterGroups"]:
            return Seen(ids={"now": {}})
        answer = world.read("rds", "describe_db_parameters", DBParameterGroupName=self.name)
        values = {it["ParameterName"]: it.get("ParameterValue", "") for it in answer["Parameters"]}
        now = {key: values.get(key, "") for key in self.parameters}
        return Seen(self.name, ParameterGroup(self.name, self.family, now), {"now": now})

    def plan(self, seen):
        if not seen:
            params = {"DBParameterGroupName": self.name, "DBParameterGroupFamily": self.family}
            params |= {"Description": f"Hydra: {self.name}", "Tags": names.tags(self.name)}
            yield Call(
                "create it", "rds", "create_db_parameter_group", params, already=("DBParameterGroupAlreadyExists",)
            )
        changed = {key: value for key, value in self.parameters.items() if seen.ids["now"].get(key) != value}
        if changed:
            values = [
                {"ParameterName": key, "ParameterValue": value, "ApplyMethod": method(key)}
                for key, value in changed.items()
            ]
            params = {"DBParameterGroupName": self.name, "Parameters": values}
            yield Call("set " + ", ".join(changed), "rds", "modify_db_parameter_group", params)

    def teardown(self, seen):
        params = {"DBParameterGroupName": self.name}
        yield Call(
            f"delete {self}", "rds", "delete_db_parameter_group", params, again=("InvalidDBParameterGroupState",)
        )


STATIC = {"performance_schema", "innodb_buffer_pool_instances", "innodb_log_file_size"}


def method(parameter):
    """How AWS lets this one be applied: static ones wait for the next reboot."""
    return "pending-reboot" if parameter in STATIC else "immediate"


@dataclass(frozen=True)
class Database:
    """One RDS instance: MySQL, encrypted, not public, its master password made and kept by AWS.

    `version` is a major one ("8.4"): AWS takes care of the minor. With `protected` it cannot be torn down. With `keep`,
    tearing it down leaves a final snapshot and its automated backups.
    """

    name: str
    version: str
    size: str
    storage: int  # GiB; may grow, never shrink
    parameters: str = field(compare=False)
    firewalls: tuple = field(compare=False)
    protected: bool = True
    backups: int = 7  # days
    standby: bool = False  # a second one in another zone (Multi-AZ)
    keep: bool = field(default=True, compare=False)

    @property
    def needs(self):
        return (f"parameter group {self.parameters}", *(f"firewall {name}" for name in self.firewalls))

    def __str__(self):
        return f"database {self.name}"

    def look(self, world):
        groups = [group_id(world, name) for name in self.firewalls]
        it = described(world, self.name)
        if not it:
            return Seen(ids={"groups": groups})
        version = ".".join(it["EngineVersion"].split(".")[: self.version.count(".") + 1])
        pending = it.get("PendingModifiedValues") or {}
        size = pending.get("DBInstanceClass", it["DBInstanceClass"])
        storage = pending.get("AllocatedStorage", it["AllocatedStorage"])
        now = Database(
            self.name,
            version,
            size,
            storage,
            "",
            (),
            it["DeletionProtection"],
            it["BackupRetentionPeriod"],
            it["MultiAZ"],
        )
        ids = {"groups": groups, "status": it["DBInstanceStatus"], "resource": it["DbiResourceId"]}
        return Seen(it["DBInstanceIdentifier"], now, ids)

    def plan(self, seen):
        available = Wait(
            "wait until it is available", "rds", "db_instance_available", {"DBInstanceIdentifier": self.name}
        )
        if not seen:
            yield Call(
                f"create MySQL {self.version} on a {self.size}, {self.storage} GiB",
                "rds",
                "create_db_instance",
                self.creation(seen.ids["groups"]),
                already=("DBInstanceAlreadyExists",),
            )
            yield available
            return
        if self.storage < seen.now.storage:
            raise Refusal(f"{self} has {seen.now.storage} GiB: storage cannot shrink; dump and load it into a new one")
        if self.version != seen.now.version:
            raise Refusal(
                f"{self} runs MySQL {seen.now.version}: upgrade it to {self.version} in AWS, after a snapshot"
            )
        if seen.ids["status"] == "stopped":
            yield Call("start it", "rds", "start_db_instance", {"DBInstanceIdentifier": self.name})
            yield available
        elif seen.ids["status"] != "available":
            yield available
        changes = self.changes(seen.now)
        if changes:
            params = {"DBInstanceIdentifier": self.name, "ApplyImmediately": True, **changes}
            yield Call("change " + ", ".join(changes), "rds", "modify_db_instance", params)
            yield Wait(
                "wait until the change is in force", "rds", "database_settled", {"DBInstanceIdentifier": self.name}
            )

    def changes(self, now):
        """The parameters of a ModifyDBInstance that makes `now` what we want."""
        wanted = {
            "DBInstanceClass": (self.size, now.size),
            "AllocatedStorage": (self.storage, now.storage),
            "DeletionProtection": (self.protected, now.protected),
            "BackupRetentionPeriod": (self.backups, now.backups),
            "MultiAZ": (self.standby, now.standby),
        }
        return {key: want for key, (want, there) in wanted.items() if want != there}

    def creation(self, groups):
        """The parameters of its creation: RDS's defaults are public, unencrypted, unprotected and a day of backups."""
        return {
            "DBInstanceIdentifier": self.name,
            "Engine": "mysql",
            "EngineVersion": self.version,
            "DBInstanceClass": self.size,
            "AllocatedStorage": self.storage,
            "StorageType": "gp3",
            "StorageEncrypted": True,
            "PubliclyAccessible": False,
            "DeletionProtection": self.protected,
            "BackupRetentionPeriod": self.backups,
            "MultiAZ": self.standby,
            "CopyTagsToSnapshot": True,
            "AutoMinorVersionUpgrade": True,
            "MasterUsername": "hydra_admin",
            "ManageMasterUserPassword": True,
            "DBParameterGroupName": self.parameters,
            "VpcSecurityGroupIds": groups,
            "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",  # else paid, by default
            "Tags": names.tags(self.name),
        }

    def teardown(self, seen):
        if seen.ids.get("status") != "deleting":
            yield from self.deletion(seen)
        yield Wait("wait until it is gone", "rds", "db_instance_deleted", {"DBInstanceIdentifier": self.name})

    def deletion(self, seen):
        """Lift a protection that stages.py no longer asks for, and delete it, with a last snapshot if it is kept."""
        it = {"DBInstanceIdentifier": self.name}
        if seen.now.protected:
            if self.protected:
                raise Refusal(f"{self} is protected: say protected=False in stages.py, and destroy again")
            lift = it | {"DeletionProtection": False, "ApplyImmediately": True}
            yield Call("lift its protection", "rds", "modify_db_instance", lift)
            yield Wait("wait until the change is in force", "rds", "database_settled", it)
        # Named by what AWS never gives twice: a successor of the same name needs a snapshot of its own.
        final = {"FinalDBSnapshotIdentifier": f"{self.name}-final-{names.token(seen.ids.get('resource'))[:8]}"}
        params = it | {"DeleteAutomatedBackups": not self.keep} | (final if self.keep else {"SkipFinalSnapshot": True})
        gone, busy = ("DBInstanceNotFound", "DBInstanceNotFoundFault"), ("InvalidDBInstanceState",)
        yield Call(f"delete {self}", "rds", "delete_db_instance", params, already=gone, again=busy)


def described(world, name):
    """AWS's word on the database of that name, or None."""
    gone = ("DBInstanceNotFound", "DBInstanceNotFoundFault")
    answer = world.read("rds", "describe_db_instances", missing=gone, DBInstanceIdentifier=name)
    return answer["DBInstances"][0] if answer else None


def endpoint(world, name):
    """(host name, port) of a database that is available, as far as there is one."""
    it = described(world, name)
    where = it and it.get("Endpoint")
    return (where["Address"], where["Port"]) if where else Unknown(f"database {name}")
