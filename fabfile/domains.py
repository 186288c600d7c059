"""The SimpleDB domains of a stage's users, and the number of shards by which the users lie in them."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from webapp.users import shards

from .engine import names
from .engine.errors import Refusal
from .engine.plan import Seen
from .engine.steps import Call

GONE = ("NoSuchDomain",)
SAMPLE = 20  # items of a domain that tell by how many shards they lie: for another number half of them would not fit
AT_ONCE = 8  # domains asked side by side
# For work in bulk: no retries below those of the store's own calls, which see each 503, and no attempt that outlasts
# what the shard map waits for. SimpleDB may take five seconds to count.
BULK = {
    "retries": {"total_max_attempts": 1},
    "connect_timeout": 2,
    "read_timeout": 10,
    "max_pool_connections": 64,
    "user_agent": "Hydra",
}


@dataclass(frozen=True)
class Domain:
    """One SimpleDB domain. Creating it is idempotent; SimpleDB has no tags, its name is all."""

    name: str
    after: str = ""  # what has to agree before it may be made

    @property
    def needs(self):
        return (self.after,) if self.after else ()

    def __str__(self):
        return f"domain {self.name}"

    def look(self, world):
        there = world.read("sdb", "domain_metadata", missing=GONE, DomainName=self.name)
        return Seen(self.name, self) if there else Seen()

    def plan(self, seen):
        if not seen:
            yield Call("create it", "sdb", "create_domain", {"DomainName": self.name})

    def teardown(self, seen):
        yield Call(f"delete {self} and every user in it", "sdb", "delete_domain", {"DomainName": self.name})


@dataclass(frozen=True)
class Shards:
    """By how many shards the users of a stage lie in its domains: makes nothing, and watches that nothing contradicts.

    The domains are made one by one, after this. Once the shards were divided, the shard map in SimpleDB says how many
    there are, and `count` is only what stages.py remembers. Until then users may lie otherwise than by `count` if
    stages.py was changed alone: then nothing is made, since those users would not be found any more.
    """

    name: str  # the domains' names without their numbers
    count: int
    needs = ()

    def __str__(self):
        return f"{self.count} shards of {self.name}"

    def look(self, world):
        listed = world.read("sdb", "list_domains").get("DomainNames", [])
        numbers = {it: re.fullmatch(re.escape(self.name) + "-([0-9a-f]{2})", it) for it in listed}
        there = sorted(int(found[1], 16) for found in numbers.values() if found)
        has_map = f"{self.name}-map" in listed
        shard_map = self.read_map(world) if has_map else None
        count = shard_map.count if shard_map else self.lying(world, there)
        ids = {"there": there, "has_map": has_map, "map": shard_map, "count": count}
        if not there and not has_map:
            return Seen(ids=ids)
        return Seen(self.name, self, ids, advice=self.advice(shard_map, there))

    def plan(self, seen):
        there, count = seen.ids.get("there", ()), seen.ids.get("count", self.count)
        stage = names.stage_of(self.name)
        if count is None:
            raise Refusal(
                f"The users in {self.name}-00 to {shards.domain_of(max(there), self.name)} lie there by no number of"
                " shards that there is: look at them with `aws sdb select` before anything is made"
            )
        shard_map = seen.ids.get("map")
        # Too few do no harm once there is a map; and while users move, stages.py may say either number.
        ahead = shard_map and shard_map.phase == "steady" and self.count > count
        if count != self.count and (ahead or not shard_map):
            more = f", and then run `fab {stage} sdb.reshard {self.count}`" if self.count > count else ""
            raise Refusal(
                f"The users of {stage} lie in {count} shards, and stages.py says {self.count}: domains that are only"
                f" added or left out would lose them. Write {count} there{more}"
            )
        yield from ()

    def teardown(self, seen):
        """What a stage without the listed domains still has: others of that name, and last the map."""
        for number in (it for it in seen.ids.get("there", ()) if it >= self.count):
            yield from Domain(shards.domain_of(number, self.name)).teardown(seen)
        if seen.ids.get("has_map"):
            says = "delete the shard map"
            yield Call(says, "sdb", "delete_domain", {"DomainName": f"{self.name}-map"})

    def read_map(self, world):
        """The shard map, or None where none was ever written."""
        from webapp.users.shardmap import ITEM, ShardMap

        where = {"DomainName": f"{self.name}-map", "ItemName": ITEM, "ConsistentRead": True}
        answer = world.read("sdb", "get_attributes", missing=GONE, **where)
        return ShardMap.read(answer["Attributes"]) if answer and answer.get("Attributes") else None

    def lying(self, world, there):
        """By how many shards the items in these domains lie; `count` if they fit that, None if no number fits."""

        def sample(number):
            home = shards.domain_of(number, self.name)
            asked = {"SelectExpression": f"select itemName() from `{home}` limit {SAMPLE}", "ConsistentRead": True}
            # SimpleDB gives pages of that length to the end of the domain.
            answer = world.read("sdb", "select", missing=GONE, PaginationConfig={"MaxItems": SAMPLE}, **asked)
            return [(number, shards.item_hash(it["Name"])) for it in (answer or {}).get("Items", [])]

        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = [each for some in pool.map(sample, there) for each in some]
        possible = [2**power for power in range(shards.MOST.bit_length())]
        complete = [count for count in possible if set(range(count)) <= set(there)]
        fitting = (count for count in (self.count, *reversed(complete)) if all(h % count == n for n, h in found))
        return next(fitting, None)

    def advice(self, shard_map, there):
        """What whoever reads a status or a plan should know, and no plan can do."""
        if not shard_map:
            return ""
        if shard_map.phase != "steady":
            return f"users move from {shard_map.before} shards to {shard_map.after}: see `sdb.status`"
        if shard_map.count != self.count:
            return f"there are {shard_map.count} shards by the shard map: write {shard_map.count} in stages.py"
        beyond = [shards.domain_of(number, self.name) for number in there if number >= shard_map.count]
        return f"no shard uses {', '.join(beyond)}" if beyond else ""


def domains(stage, count=16):
    """The user domains of a stage, one for each shard, and before them what watches over their number."""
    every = Shards(f"{stage}-users", count)
    return (every, *(Domain(name, after=str(every)) for name in shards.domains(every.name, count)))


def accounts(stage, client=None, **calls):
    """The stage's user store: the application's own code, with our client, and by the shards that there really are.

    `client` stands in for ours; `calls` are those of AccountStore, for who works in bulk and has more patience than a
    page.
    """
    from webapp.users.store import AccountStore

    stage.open()
    (want,) = stage.of(Shards)
    seen = want.look(stage.world)
    count = seen.ids["count"]
    if count is None:
        list(want.plan(seen))  # which says why not
    return AccountStore(client or stage.world.client("sdb"), want.name, count, **calls)


def bulk_client(stage):
    """A SimpleDB client for many calls at once, which are tried again by whoever makes them."""
    return stage.world.client("sdb", **BULK)


@contextmanager
def plainly(stage, otherwise="nothing was changed"):
    """Turn what the user store raises into a Refusal; `otherwise` says what became of the task."""
    from webapp.users.errors import Changed, NoDomain, StoreError

    try:
        yield
    except NoDomain as error:
        raise Refusal(f"{sentence(error)}: make it with `fab {stage.name} create_user_domains`") from None
    except Changed as error:
        raise Refusal(f"{sentence(error)}: {otherwise}, look at it with `sdb.find` and run this again") from None
    except StoreError as error:
        raise Refusal(f"{sentence(error)}: {otherwise}, try again in a moment") from None
    except ValueError as error:  # InvalidName is one
        raise Refusal(f"{sentence(error)}: {otherwise}") from None


def sentence(error):
    """An error's words, to be followed by others; the name of an operation stays as it is written."""
    text = str(error).rstrip(".")
    return text if "_" in text.partition(" ")[0] else text[:1].upper() + text[1:]
