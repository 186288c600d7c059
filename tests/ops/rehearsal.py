"""Small stages with nothing but user domains, at a real endpoint, and users in them."""

from itertools import count
from types import SimpleNamespace

from fabfile.domains import domains
from fabfile.engine.stage import Stage, make
from fabfile.engine.world import World
from fabfile.sdb import Domain, Shards
from tests.cloud.endpoint import REGION
from webapp.users.store import AccountStore

NUMBERS = count(1)


class Rehearsal:
    """One stage of its own, its users in `shards` domains; `run()` is what a task is handed."""

    def __init__(self, cloud, shards=4):
        self.name, self.cloud = f"s{next(NUMBERS)}", cloud
        keys = (cloud.access_key, cloud.secret_key)
        self.world = World(REGION, endpoint=cloud.url, credentials=keys, patience=0.02)
        self.shards = shards

    @property
    def prefix(self):
        return f"{self.name}-users"

    def run(self, shards=None):
        """A task's context, by a stages.py that says so many shards."""
        stage = Stage(self.name, REGION, domains(self.name, shards or self.shards), precious=False)
        stage.__dict__["world"] = self.world
        return SimpleNamespace(config={"stage": stage})

    def made(self):
        """Itself, once its domains are there."""
        make(self.run(), Shards, Domain)
        return self

    def store(self, shards=None, **calls):
        """The application's store, told of so many shards."""
        return AccountStore(self.world.client("sdb"), self.prefix, shards or self.shards, **calls)

    def with_users(self, many, address=""):
        """Itself, once it has accounts user-0, user-1 and so on; `address` is a pattern for theirs."""
        store = self.store()
        for number in range(many):
            store.create(f"user-{number}", "argon2$x", address.format(number))
        return self

    def divided(self, shards):
        """Itself, once its shards were divided until there are so many; nobody else works by an older map."""
        from webapp.users.division import Division

        Division(self.store(), pace=lambda domain: None, settling=0).run(shards)
        return self

    def listed(self):
        """The domains of the stage that there are."""
        names = self.world.read("sdb", "list_domains").get("DomainNames", [])
        return sorted(name for name in names if name.startswith(f"{self.prefix}-"))

    def clear(self):
        """Delete them all."""
        for name in self.listed():
            self.world.client("sdb").delete_domain(DomainName=name)
