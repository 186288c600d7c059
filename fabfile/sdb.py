"""The SimpleDB domains that hold the users."""

from dataclasses import dataclass

from fabric import task

from webapp.users import shards

from .engine import show as screen
from .engine.plan import Seen
from .engine.stage import make, stage_of
from .engine.stage import status as tell
from .engine.steps import Call


@dataclass(frozen=True)
class Domain:
    """One SimpleDB domain. Creating it is idempotent; SimpleDB has no tags, its name is all."""

    name: str
    needs = ()

    def __str__(self):
        return f"domain {self.name}"

    def look(self, world):
        gone = ("NoSuchDomain",)
        return (
            Seen(self.name, self)
            if world.read("sdb", "domain_metadata", missing=gone, DomainName=self.name)
            else Seen()
        )

    def plan(self, seen):
        if not seen:
            yield Call("create it", "sdb", "create_domain", {"DomainName": self.name})

    def teardown(self, seen):
        yield Call(f"delete {self} and every user in it", "sdb", "delete_domain", {"DomainName": self.name})


@task(help={"plan": "only say what it would take", "json": "for programs"})
def create(c, plan=False, json=False):
    """Create the user domains of the shard map that are missing."""
    make(c, Domain, plan=plan, json=json)


@task(help={"json": "for programs"})
def status(c, json=False):
    """Say how many users each domain holds, in how many bytes, and how even they are spread."""
    stage = stage_of(c)
    rows = []
    for domain in stage.of(Domain):
        seen = stage.world.read("sdb", "domain_metadata", missing=("NoSuchDomain",), DomainName=domain.name)
        parts = ("ItemNamesSizeBytes", "AttributeNamesSizeBytes", "AttributeValuesSizeBytes")
        size = sum(seen[part] for part in parts) if seen else 0
        rows.append({"domain": domain.name, "users": seen["ItemCount"] if seen else None, "bytes": size})
    if json:
        return screen.as_json(rows)
    most = max((row["users"] or 0 for row in rows), default=0)
    for row in rows:
        bar = "█" * round(30 * (row["users"] or 0) / most) if most else ""
        users = "missing" if row["users"] is None else f"{row['users']:,}"
        print(f"{row['domain']}  {users:>9} users  {row['bytes']:>12,} bytes  {bar}")
    print(f"{sum(row['users'] or 0 for row in rows):,} users in {len(rows)} domains")


@task(help={"json": "for programs"})
def check(c, json=False):
    """Say which user domains are there."""
    tell(c, Domain, json=json)


def domains(stage, count=16):
    """The user domains of a stage, one for each shard."""
    return tuple(Domain(name) for name in shards.domains(f"{stage}-users", count))
