"""The user store: its SimpleDB domains, the accounts in them, and how they are spread."""

from fabric import task

from .division import reshard
from .domains import Domain, Shards, accounts, domains
from .engine.stage import make
from .engine.stage import status as tell
from .spread import status
from .transfer import export, import_
from .users import adduser, deluser, disable, enable, find, passwd, repair

__all__ = [
    "Domain",
    "Shards",
    "accounts",
    "adduser",
    "check",
    "create",
    "deluser",
    "disable",
    "domains",
    "enable",
    "export",
    "find",
    "import_",
    "passwd",
    "repair",
    "reshard",
    "status",
]


@task(
    help={
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def create(c, plan=False, json=False):
    """Create the user domains that stages.py lists and that are missing.

    After a change of their number in stages.py alone this refuses: the users would not be found in the new domains.
    `sdb.reshard` is what changes the number.
    """
    make(c, Shards, Domain, plan=plan, json=json)


@task(help={"json": "print JSON, for programs, instead of lines for people"})
def check(c, json=False):
    """Say which user domains are there, and whether their number agrees with stages.py and the shard map."""
    tell(c, Shards, Domain, json=json)
