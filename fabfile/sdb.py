"""The SimpleDB domains that hold the users."""

from dataclasses import dataclass

from fabric import task

from webapp.users import shards

from .engine import show as screen
from .engine.errors import Refusal
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


@task(
    help={
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def create(c, plan=False, json=False):
    """Create the user domains of the shard map that are missing."""
    make(c, Domain, plan=plan, json=json)


@task(help={"json": "print JSON, for programs, instead of lines for people"})
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


@task(help={"json": "print JSON, for programs, instead of lines for people"})
def check(c, json=False):
    """Say which user domains are there."""
    tell(c, Domain, json=json)


@task(
    positional=["name"],
    help={
        "name": "the user name",
        "email": "the e-mail address; may be left out",
        "password_stdin": "read the password from the first line of standard input instead of asking",
    },
)
def adduser(c, name, email="", password_stdin=False):
    """Make an account, its password asked for (or read from standard input), never on the command line."""
    from webapp.users.store import NameTaken, StoreError

    stage = stage_of(c)
    password = password_of(password_stdin)
    try:
        accounts(stage).create(name, hashed(password), email)
    except (shards.InvalidName, NameTaken) as error:
        raise Refusal(f"{str(error).rstrip('.')}: choose another name") from None
    except StoreError as error:
        raise Refusal(f"{str(error).rstrip('.')}: nothing was made, try again in a moment") from None
    print(f"{name} can sign in; the account is in {shards.domain(name, f'{stage.name}-users')}.")


@task(
    positional=["name"],
    help={"name": "the user name, in any spelling", "json": "print JSON, for programs, instead of lines for people"},
)
def find(c, name, json=False):
    """Show one account and the domain that holds it; never its password."""
    from webapp.users.store import StoreError

    stage = stage_of(c)
    try:
        account = accounts(stage).get(name)
    except (shards.InvalidName, StoreError) as error:
        raise Refusal(str(error)) from None
    if not account:
        raise Refusal(f"There is no account {name}: it would be in {shards.domain(name, f'{stage.name}-users')}")
    shown = ("name", "email", "active", "created", "updated", "last_login", "version")
    row = {"domain": shards.domain(name, f"{stage.name}-users")} | {key: getattr(account, key) for key in shown}
    return screen.as_json(row) if json else screen.table(row.items())


def accounts(stage):
    """The stage's user store: the application's own code, with our client."""
    from webapp.users.store import AccountStore

    return AccountStore(stage.world.client("sdb"), f"{stage.name}-users", len(stage.of(Domain)))


def password_of(from_stdin):
    """A password of at least eight characters, typed twice or read from standard input."""
    import getpass
    import sys

    if from_stdin or not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise Refusal("The two passwords differ: run this again")
    if len(password) < 8:
        raise Refusal("A password has at least 8 characters: run this again with a longer one")
    return password


def hashed(password):
    """The password as Django's Argon2PasswordHasher encodes it, with that hasher's own work factors."""
    from argon2 import PasswordHasher

    return "argon2" + PasswordHasher(time_cost=2, memory_cost=102400, parallelism=8).hash(password)


def domains(stage, count=16):
    """The user domains of a stage, one for each shard."""
    return tuple(Domain(name) for name in shards.domains(f"{stage}-users", count))
