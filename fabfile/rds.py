"""The relational database: parameter group, MySQL on RDS, and the schema in it."""

import json as encoding
from dataclasses import dataclass, field

from fabric import task

from . import vault
from .ec2 import group_id
from .engine import names
from .engine import show as screen
from .engine.errors import Refusal
from .engine.operations import Command, Directory, File, Package, Template
from .engine.plan import Seen
from .engine.secret import Secret
from .engine.stage import HostResource, make, stage_of
from .engine.stage import destroy as take_down
from .engine.steps import Call, Unknown, Wait

TRUST_STORE = "https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem"
CA, CLIENT = "/etc/hydra/rds-ca.pem", "/etc/hydra/mysql.cnf"


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
            # "pending-reboot" is right for dynamic and static ones alike on a new group; dynamic ones apply at once.
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

    `version` is a major one ("8.4"): AWS takes care of the minor. With `protected` it can neither be deleted nor torn
    down without a final snapshot.
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
        return Seen(it["DBInstanceIdentifier"], now, {"groups": groups, "status": it["DBInstanceStatus"]})

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
                f"{self} runs MySQL {seen.now.version}: a new major version is an upgrade of its own, take a snapshot and do it in AWS"
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
        if seen.now.protected:
            if self.protected:
                raise Refusal(f"{self} is protected: say protected=False in stages.py, and destroy again")
            params = {"DBInstanceIdentifier": self.name, "DeletionProtection": False, "ApplyImmediately": True}
            yield Call("lift its protection", "rds", "modify_db_instance", params)
        final = {"FinalDBSnapshotIdentifier": f"{self.name}-final-{names.token(seen.id)[:8]}"}
        end = final if self.protected else {"SkipFinalSnapshot": True}
        params = {"DBInstanceIdentifier": self.name, "DeleteAutomatedBackups": not self.protected, **end}
        yield Call(
            f"delete {self}",
            "rds",
            "delete_db_instance",
            params,
            already=("InvalidDBInstanceState", "DBInstanceNotFound"),
        )
        yield Wait("wait until it is gone", "rds", "db_instance_deleted", {"DBInstanceIdentifier": self.name})


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


def authority(world):
    """The certificates (PEM) that the stage's databases are signed with, checked against what RDS's API says of them."""
    bundle = world.fetch(TRUST_STORE.format(region=world.region))
    known = {
        it["Thumbprint"].lower().replace(":", "") for it in world.read("rds", "describe_certificates")["Certificates"]
    }
    if not known & set(thumbprints(bundle)):
        raise Refusal(
            "The CA bundle of RDS holds none of the certificates that its API names: not used; try again, and ask AWS if it stays so"
        )
    return bundle


def thumbprints(bundle):
    """The SHA-1 thumbprint, in hex, of each certificate of a PEM bundle."""
    import hashlib
    import ssl

    end = "-----END CERTIFICATE-----"
    for part in bundle.split(end)[:-1]:
        yield hashlib.sha1(ssl.PEM_cert_to_DER_cert(part[part.index("-----BEGIN") :] + end)).hexdigest()


@dataclass(frozen=True)
class Schema(HostResource):
    """One database inside the server, and the application's own user with rights on it alone, over TLS only.

    The server is not public, so it is reached from `machine`, which keeps the user's option file for `rds.shell`.
    """

    name: str  # the resource's
    database: str  # the server's
    machine: str
    secret: str
    schema: str = "hydra"
    user: str = "hydra"

    @property
    def needs(self):
        return (f"database {self.database}", f"machine {self.machine}", f"secret {self.secret}")

    def __str__(self):
        return f"schema {self.name}"

    says = "create the schema and the application's user"

    def look(self, world):
        at, password = endpoint(world, self.database), vault.secret(world, self.secret)
        missing = [it.what for it in (at, password) if isinstance(it, Unknown)]
        if missing:
            return Seen(ids={"operations": ()}, unsure=" and ".join(missing))
        ca = authority(world)
        seen = self.judge(world.facts(self.machine, self.all(at, password, ca, None)))
        if not seen.unsure and seen.ids["needed"]:  # only now is the master's password worth asking for
            secret = described(world, self.database)["MasterUserSecret"]["SecretArn"]
            seen.ids["operations"] = self.all(at, password, ca, encoding.loads(world.secret(secret).reveal()))
        return seen

    def judge(self, outcomes):
        if outcomes is None:
            return Seen(ids={"operations": ()}, unsure=f"machine {self.machine}")
        needed = tuple(it.operation for it in outcomes if it.state != "ok")
        return Seen(None if needed else self.name, None if needed else self, {"needed": needed})

    def all(self, at, password, ca, master):
        """Every operation; with `master` (user name and password) those that need it can be made so."""
        host, port = at
        options = f"[client]\nhost={host}\nport={port}\nuser={self.user}\npassword={{password}}\nssl-ca={CA}\nssl-verify-server-cert\n"
        told = (
            Template(self.sql(host, port, master), password=password, master=Secret(master["password"]))
            if master
            else None
        )
        return (
            Package("mariadb-client"),
            Directory("/etc/hydra"),
            File(CA, ca),
            File(CLIENT, Template(options, password=password), mode=0o600),
            Command(
                f"create schema {self.schema} and user {self.user}",
                RUN_SQL,
                input=told,
                secret=True,
                unless=f"mariadb --defaults-extra-file={CLIENT} -Ne 'select 1' {self.schema}",
            ),
        )

    def sql(self, host, port, master):
        """An option file for the master user, a line that ends it, and the statements."""
        return f"""[client]
host={host}
port={port}
user={master["username"]}
password="{{master}}"
ssl-ca={CA}
ssl-verify-server-cert
-- end of options
CREATE DATABASE IF NOT EXISTS `{self.schema}` CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS '{self.user}'@'%' IDENTIFIED BY '{{password}}' REQUIRE SSL;
ALTER USER '{self.user}'@'%' IDENTIFIED BY '{{password}}' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES ON `{self.schema}`.* TO '{self.user}'@'%';
"""


# `read` takes a pipe byte by byte, so that what follows the options is left for the client.
RUN_SQL = """
umask 077; folder=$(mktemp -d -p /run hydra-XXXXXXXX); trap 'rm -rf "$folder"' EXIT
while IFS= read -r line && [ "$line" != "-- end of options" ]; do printf '%s\\n' "$line"; done > "$folder/my.cnf"
mariadb --defaults-extra-file="$folder/my.cnf"
"""

KINDS = (ParameterGroup, Database, Schema)


@task(help={"plan": "only say what it would take", "json": "for programs"})
def create(c, plan=False, json=False):
    """Create the database: parameter group, server, and once its machine runs the schema with the application's user."""
    make(
        c, ParameterGroup, Database, Schema, vault.RandomSecret, only=lambda want: ready(c, want), plan=plan, json=json
    )


def ready(c, want):
    """A schema waits for its machine: `initialize_db` is the second step of a first day, before any machine is there."""
    if isinstance(want, vault.RandomSecret):
        return any(isinstance(it, Schema) and it.secret == want.name for it in stage_of(c).resources)
    return not isinstance(want, Schema) or stage_of(c).world.host(want.machine) is not None


@task(help={"json": "for programs"})
def status(c, json=False):
    """Say how the database is: state, endpoint, engine, size, protection, what is pending."""
    stage = stage_of(c)
    rows = [facts(stage, want) for want in stage.of(Database)]
    if json:
        return screen.as_json(rows)
    for row in rows:
        screen.table([(key, value) for key, value in row.items() if value not in ("", None)])


def facts(stage, want):
    """What there is to say of one database, as plain data."""
    it = described(stage.world, want.name)
    if not it:
        return {"database": want.name, "state": "missing", "next": f"make it with `fab {stage.name} initialize_db`"}
    where = it.get("Endpoint")
    engine = f"{it['Engine']} {it['EngineVersion']}"
    return {
        "database": want.name,
        "state": it["DBInstanceStatus"],
        "endpoint": f"{where['Address']}:{where['Port']}" if where else "none yet",
        "engine": engine,
        "stand-in": stand_in(stage, want.name),
        "size": f"{it['DBInstanceClass']}, {it['AllocatedStorage']} GiB",
        "encrypted": "yes" if it.get("StorageEncrypted") else "no",
        "public": "yes" if it.get("PubliclyAccessible") else "no",
        "protected": "yes" if it.get("DeletionProtection") else "no",
        "backups": f"{it['BackupRetentionPeriod']} days",
        "pending": ", ".join(it.get("PendingModifiedValues") or {}),
    }


def stand_in(stage, name):
    """What really answers where RDS is played by a local cloud, which says so in a tag of its own."""
    it = described(stage.world, name)
    return names.tag(it.get("TagList"), "localcloud:engine")


@task(help={"sql": "run these statements instead of opening a shell"})
def shell(c, sql=""):
    """Open an SQL shell on the schema, as the application's user, from the machine that may."""
    stage = stage_of(c)
    want = stage.of(Schema)[0]
    command = f"mariadb --defaults-extra-file={CLIENT} {want.schema}"
    if not sql:
        return stage.world.shell(want.machine, command)
    result = stage.world.run(want.machine, f"{command} -t", input=sql)
    if result.code:
        raise Refusal(f"{want.database}: {result.err.strip()[-500:]}")
    print(result.out, end="")


@task(help={"plan": "only say what it would take"})
def destroy(c, name="", yes="", plan=False):
    """Delete the database, with a final snapshot if it is protected. A precious stage wants `--yes STAGE`."""
    take_down(c, Database, ParameterGroup, name=name, yes=yes, plan=plan)
