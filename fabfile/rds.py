"""The relational database: server, settings and schema, as tasks."""

from fabric import task

from .database import Database, ParameterGroup, described
from .engine import names
from .engine import show as screen
from .engine.errors import Refusal
from .engine.stage import destroy as take_down
from .engine.stage import make, stage_of
from .firewalls import Firewall
from .schema import CLIENT, Schema
from .vault import RandomSecret

KINDS = (ParameterGroup, Database, Schema)


@task(
    help={
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def create(c, plan=False, json=False):
    """Create the database: its settings, the server and, once its machine runs, the schema with its user.

    The master password is made and kept by AWS; the application's own user has rights on its schema alone, over TLS.
    """
    make(
        c, Firewall, ParameterGroup, Database, Schema, RandomSecret, only=lambda it: ready(c, it), plan=plan, json=json
    )


def ready(c, want):
    """A schema waits for its machine: on a first day `initialize_db` comes before any machine is there."""
    if isinstance(want, RandomSecret):
        return any(isinstance(it, Schema) and it.secret == want.name for it in stage_of(c).resources)
    return not isinstance(want, Schema) or stage_of(c).world.host(want.machine) is not None


@task(help={"json": "print JSON, for programs, instead of lines for people"})
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
        # What really answers where RDS is played by a local cloud, which says so in a tag of its own.
        "stand-in": names.tag(it.get("TagList"), "localcloud:engine"),
        "size": f"{it['DBInstanceClass']}, {it['AllocatedStorage']} GiB",
        "encrypted": "yes" if it.get("StorageEncrypted") else "no",
        "public": "yes" if it.get("PubliclyAccessible") else "no",
        "protected": "yes" if it.get("DeletionProtection") else "no",
        "backups": f"{it['BackupRetentionPeriod']} days",
        "pending": ", ".join(it.get("PendingModifiedValues") or {}),
    }


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


@task(
    help={
        "name": "only this database",
        "yes": "the stage's name, where it is a precious one",
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
    }
)
def destroy(c, name="", yes="", plan=False):
    """Delete the database, with a final snapshot if it is to be kept. A precious stage wants `--yes STAGE`."""
    take_down(c, Database, ParameterGroup, name=name, yes=yes, plan=plan)
