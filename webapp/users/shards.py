"""Which SimpleDB domain holds a user: a rule that is fixed for ever, and the same in every process and language.

    canonical name   the name in Unicode normal form NFKC, case-folded, and in NFKC again
    hash             the first four bytes, big endian, of SHA-256 over the canonical name in UTF-8
    shard            hash modulo the number of shards
    domain           PREFIX-SS, SS being the shard in two hexadecimal digits

A name's item in its domain is called by the canonical name. That an e-mail address is taken is an item too: it is
called `EMAIL ` and the canonical address, and its hash is made from the address alone. No name's item can be called so,
since canonical names have no capitals. Where users are being moved between domains, see shardmap.py and slots.py.

Ten vectors, for whoever writes this in another language:

    >>> for name in VECTORS:
    ...     print(name, canonical(name), f"{hash32(name):08x}", shard(name))
    alice alice 2bd806c9 9
    Alice alice 2bd806c9 9
    bob bob 81b637d8 8
    admin admin 8c6976e5 5
    zoë zoë 2752b886 6
    ZOË zoë 2752b886 6
    Straße strasse 16d96952 2
    ｆｕｌｌｗｉｄｔｈ fullwidth 39ecd459 9
    user@example.org user@example.org d159ef62 2
    山田太郎 山田太郎 6b0e1c8c 12

Only the standard library is used here: the toolkit reads this file too, and must not load Django for it.
"""

import hashlib
import unicodedata

SHARDS = 16
# What the example above asks for; the last but two is written in full-width letters.
VECTORS = (
    "alice",
    "Alice",
    "bob",
    "admin",
    "zoë",
    "ZOË",
    "Straße",
    "ｆｕｌｌｗｉｄｔｈ",
    "user@example.org",
    "山田太郎",
)
LIMIT = 1024  # bytes: SimpleDB's limit for an item's name and for a value
CLAIM = "EMAIL "  # how the items begin that say whose an e-mail address is
MOST = 128  # shards: a power of two below AWS's 250 domains of an account


class InvalidName(ValueError):
    """This text can be nobody's name; the message says why."""


def canonical(name: str) -> str:
    """The form under which a name is taken once: `Zoë`, `ZOË` and `zoë` are one.

    Raises InvalidName for what SimpleDB could not keep or another process might read differently: nothing at all,
    more than 1,024 bytes, blanks at an end (MySQL ignores them where it compares), control characters, and characters
    Unicode has not assigned yet.
    """
    if not name:
        raise InvalidName("a name must not be empty")
    # Refused before folding: the work below is linear, but nobody's name is a megabyte long.
    if len(name) > LIMIT:
        raise InvalidName(f"a name must not be longer than {LIMIT} bytes in UTF-8")
    if any(unicodedata.category(character) in ("Cc", "Cn", "Cs") for character in name):
        raise InvalidName("a name must not contain control characters or characters that do not exist")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    if name != name.strip() or folded != folded.strip():
        raise InvalidName("a name must not begin or end with a blank")
    if max(len(folded.encode()), len(name.encode())) > LIMIT:
        raise InvalidName(f"a name must not be longer than {LIMIT} bytes in UTF-8")
    return folded


def hash32(name: str) -> int:
    """A number from 0 to 2**32 - 1, evenly spread, for the canonical form of `name`."""
    return item_hash(canonical(name))


def item_hash(item: str) -> int:
    """The same for an item as it is called in its domain, a user's or a claim's."""
    return int.from_bytes(hashlib.sha256(item.removeprefix(CLAIM).encode()).digest()[:4], "big")


def claim(email: str) -> str:
    """What the item is called that says whose this e-mail address is. Raises InvalidName.

    Capitals make no other address: hosts that would tell them apart are not seen, people who mistype them are.
    """
    try:
        item = CLAIM + canonical(email)
    except InvalidName as error:
        raise InvalidName(str(error).replace("a name", "an e-mail address", 1)) from None
    if len(item.encode()) > LIMIT:
        raise InvalidName(f"an e-mail address must not be longer than {LIMIT - len(CLAIM)} bytes in UTF-8")
    return item


def shard(name: str, count: int = SHARDS) -> int:
    """The shard of `name` among `count`. Doubling `count` leaves half of all names where they are."""
    return hash32(name) % count


def domain(name: str, prefix: str, count: int = SHARDS) -> str:
    """The SimpleDB domain that holds `name`."""
    return domain_of(shard(name, count), prefix)


def domain_of(number: int, prefix: str) -> str:
    """The SimpleDB domain of one shard."""
    return f"{prefix}-{number:02x}"


def domains(prefix: str, count: int = SHARDS) -> list[str]:
    """All `count` domains, in the order of their shards."""
    return [domain_of(number, prefix) for number in range(count)]
