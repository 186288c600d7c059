"""How the users are spread over the shards, against what SimpleDB takes."""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from math import sqrt

from fabric import task

from webapp.users import shards

from .domains import Shards, accounts, plainly, sentence
from .engine import show as screen
from .engine.errors import Refusal
from .engine.stage import stage_of

BYTES = 10 * 2**30  # AWS's limit of a domain
PAIRS = 10**9  # likewise: attribute name and value pairs
FULL = 0.7  # of a limit, from where a domain should be divided
UNEVEN, ENOUGH = 1.2, 1000  # fullest shard to mean that is worth a word, once there are that many users
CHANCE = 4.5  # standard deviations above the mean, to which a fair hash brings a shard once in ten thousand looks
AT_ONCE = 8  # domains asked side by side
BAR = 30  # cells at most
PIPED = 120  # columns where there is no terminal


@dataclass(frozen=True)
class Shard:
    """What one domain holds. `users` and `addresses` are counted now; the rest AWS tells, as of some minutes ago.

    `state` is "there", "missing" or "unknown"; then `error` says why. `moved` is how many accounts and claims were
    handed over to another shard while users move.
    """

    domain: str
    state: str = "there"
    users: int = 0
    addresses: int = 0
    moved: int = 0
    items: int = 0
    bytes: int = 0
    pairs: int = 0
    error: str = ""

    @property
    def share(self):
        """Of the limit that it comes nearest to."""
        return max(self.bytes / BYTES, self.pairs / PAIRS)

    def data(self):
        shares = {"share_of_bytes": self.bytes / BYTES, "share_of_pairs": self.pairs / PAIRS}
        return vars(self) | {key: round(share, 6) for key, share in shares.items()}


@task(help={"json": "print JSON, for programs, instead of a table for people"})
def status(c, json=False):
    """Say how many users each shard holds, how near it is to AWS's limits, and how evenly they are spread.

    Users are accounts, counted by SimpleDB at this moment; addresses are the claims that keep an e-mail address to one
    account. Items, bytes and pairs are AWS's own figures, which may be some minutes old; a domain takes 10 GB and 1
    billion pairs. The skew is the fullest shard's users to the mean; a fair hash keeps it near 1. Below the table is
    what needs doing. Exit code 1 if a shard could not be read.
    """
    stage = stage_of(c)
    store = accounts(stage)
    with plainly(stage, "nothing was counted"):
        shard_map = store.maps.now()
    found = count_all(store, shard_map)
    told = summary(found, shard_map)
    told["warnings"] = [*warnings(stage, found, shard_map, told)]
    if json:
        screen.as_json(told | {"shards": [shard.data() for shard in found]})
    else:
        show(found, told)
    unknown = [shard for shard in found if shard.state == "unknown"]
    if unknown:
        raise Refusal(f"{len(unknown)} of {len(found)} shards could not be read: {sentence(unknown[0].error)}")


def count_all(store, shard_map):
    """Each Shard, in their order; many are asked at once. On a terminal it says how far it is."""
    names = shards.domains(store.records.prefix, max(shard_map.before, shard_map.after))
    with screen.Board(sys.stderr) as board, ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {pool.submit(count, store, shard_map, name): name for name in names}
        for done, _ in enumerate(as_completed(futures), 1):
            if board.live:
                board.say("users", f"counted in {done} of {len(names)} shards")
    return [future.result() for future in futures]


def count(store, shard_map, name):
    """One Shard."""
    from webapp.users.errors import NoDomain, StoreError
    from webapp.users.walk import count_of, selected

    def matching(condition):
        pages = selected(store.records, name, f"select count(*) from `{name}` where {condition}")
        return sum(int(each["Attributes"][0]["Value"]) for page in pages for each in page)

    try:
        told = store.calls("domain_metadata", name)
        moving = shard_map.phase == "moving"
        return Shard(
            name,
            users=count_of(store.records, name),
            addresses=matching("account > '' and (version < 'a' or version like 'copy %')"),
            moved=matching(f"version like 'moved {shard_map.generation} %'") if moving else 0,
            items=told["ItemCount"],
            bytes=told["ItemNamesSizeBytes"] + told["AttributeNamesSizeBytes"] + told["AttributeValuesSizeBytes"],
            pairs=told["AttributeValueCount"],
        )
    except NoDomain:
        return Shard(name, "missing")
    except StoreError as error:
        return Shard(name, "unknown", error=str(error))


def summary(found, shard_map):
    """The totals, the skew (None without users), and the state of the shard map."""
    there = [shard for shard in found if shard.state == "there"]
    users = sum(shard.users for shard in there)
    fullest = max(there, key=lambda shard: shard.users, default=None)
    return {
        "map": vars(shard_map) | {"state": state_of(found, shard_map)},
        "users": users,
        "addresses": sum(shard.addresses for shard in there),
        "items": sum(shard.items for shard in there),
        "bytes": sum(shard.bytes for shard in there),
        "pairs": sum(shard.pairs for shard in there),
        "fullest": fullest.domain if users else None,
        "skew": round(fullest.users * len(there) / users, 3) if users else None,
    }


def state_of(found, shard_map):
    """The shard map in a sentence."""
    since = f"generation {shard_map.generation} since {shard_map.since}"
    if shard_map.phase == "steady":
        return f"{shard_map.after} shards, {since if shard_map.generation else 'never divided'}"
    turn = f"{shard_map.before} -> {shard_map.after}"
    if shard_map.phase == "sweeping":
        return f"{turn}, all users have moved, and what is left behind is being removed; {since}"
    # Up, half of all go; down, all that the upper shards hold.
    moved = sum(shard.moved for shard in found)
    if shard_map.after > shard_map.before:
        to_go = sum(shard.users + shard.addresses for shard in found) / 2
    else:
        to_go = sum(shard.users + shard.addresses + shard.moved for shard in found[shard_map.after :])
    far = f", about {min(moved / to_go, 1):.0%} of those that move" if to_go else ""
    return f"moving {turn}, {moved:,} accounts and addresses handed over{far}; {since}"


def warnings(stage, found, shard_map, told):
    """Sentences on what should be done."""
    missing = [shard.domain for shard in found if shard.state == "missing"]
    if missing:
        some = f"{missing[0]} to {missing[-1]}" if len(missing) > 2 else " and ".join(missing)
        mend = f"make them with `fab {stage.name} create_user_domains`"
        lost = "whoever was in them cannot sign in; if there were users, restore them from an export"
        yield f"{len(missing)} of {len(found)} domains are missing ({some}): " + (
            mend if len(missing) == len(found) else f"{lost}, else {mend}"
        )
    for shard in found:
        if shard.share > FULL:
            limit = "10 GB" if shard.bytes / BYTES >= shard.pairs / PAIRS else "1 billion pairs"
            yield (
                f"{shard.domain} is at {shard.share:.0%} of {limit}: divide the shards with"
                f" `fab {stage.name} sdb.reshard {2 * shard_map.after}`"
            )
    if shard_map.phase == "steady" and is_uneven(found, told):
        yield (
            f"{told['fullest']} holds {told['skew']:.2f} times the mean, which a fair hash does not do by chance:"
            " look at who makes accounts there"
        )
    want = next(it for it in stage.resources if isinstance(it, Shards))
    if want.count != shard_map.after and shard_map.phase == "steady":
        says = f"the shard map says {shard_map.after}" if shard_map.generation else f"users lie in {shard_map.after}"
        yield f"{says} and stages.py says {want.count}: write {shard_map.after} there"


def is_uneven(found, told):
    """Whether the fullest shard is fuller than it should be, and than it may be by chance."""
    if told["users"] < ENOUGH or told["skew"] <= UNEVEN:
        return False
    mean = told["users"] / sum(shard.state == "there" for shard in found)
    return (told["skew"] - 1) * mean > CHANCE * sqrt(mean)


# The table


def show(found, told):
    """Print the table as wide as the terminal, the bar and then the lesser columns left out where it is narrow."""
    columns = shutil.get_terminal_size((PIPED, 24)).columns
    rows = [cells(shard) for shard in found]
    total = Shard("all", users=told["users"], addresses=told["addresses"], items=told["items"], bytes=told["bytes"])
    rows.append(cells(total) | {"of 10 GB": "", "pairs": f"{told['pairs']:,}", "of 1e9": ""})
    heads = list(rows[0])
    for lesser in ("pairs", "of 1e9", "items", "addresses", "bytes", "of 10 GB", None):
        widths = {head: max(len(head), *(len(row[head]) for row in rows)) for head in heads}
        room = columns - 1 - sum(widths.values()) - 2 * len(widths)
        if room >= 8 or lesser is None:
            break
        heads.remove(lesser)
    lines = [screen.paint("  ".join(aligned(head, head, widths) for head in heads), "grey")]
    most = max((shard.users for shard in found), default=0)
    for shard, row in zip([*found, None], rows, strict=True):
        line = "  ".join(aligned(row[head], head, widths) for head in heads)
        drawn = screen.paint(bar(shard.users, most, min(BAR, room)), shade(shard)) if shard and most else ""
        lines.append(f"{line}  {drawn}".rstrip())
    moving = told["map"]["phase"] == "moving"  # and then they are uneven
    tells = told["users"] and not moving
    skew = f", the fullest {told['fullest']} with {told['skew']:.3f} times the mean" if tells else ""
    lines += [f"{told['users']:,} users in {len(found)} domains{skew}", f"shard map: {told['map']['state']}"]
    if moving:
        lines.append("While users move, those whose copy is there but not handed over yet count twice.")
    print("\n".join([*lines, *(f"{screen.paint('!', 'yellow')} {warning}" for warning in told["warnings"])]))


def cells(shard):
    """The texts of one row."""
    known = shard.state == "there"
    return {
        "domain": shard.domain,
        "users": f"{shard.users:,}" if known else shard.state,
        "addresses": f"{shard.addresses:,}" if known else "",
        "items": f"{shard.items:,}" if known else "",
        "bytes": size(shard.bytes) if known else "",
        "of 10 GB": percent(shard.bytes / BYTES) if known else "",
        "pairs": f"{shard.pairs:,}" if known else "",
        "of 1e9": percent(shard.pairs / PAIRS) if known else "",
    }


def aligned(text, head, widths):
    return text.ljust(widths[head]) if head == "domain" else text.rjust(widths[head])


def bar(value, most, room):
    """A bar of at most `room` cells, in stars where the terminal knows ASCII only."""
    block = "█" if "utf" in (sys.stdout.encoding or "").lower() else "*"
    return block * max(round(room * value / most), 1 if value else 0) if room > 0 else ""


def shade(shard):
    return "red" if shard.share > 0.9 else "yellow" if shard.share > FULL else "green"


def percent(share):
    return f"{share:.0%}" if share >= 0.1 else f"{share:.2%}"


def size(count):
    """A number of bytes in the unit that suits it."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024 or unit == "GB":
            return f"{count} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
