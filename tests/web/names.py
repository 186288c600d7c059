"""User names as people and programs make them."""

import random
from collections.abc import Iterator
from itertools import islice

FIRST = ("anna", "ben", "chloé", "dmitri", "elif", "françois", "grace", "hiro", "İbrahim", "jürgen", "kim", "łukasz")
LAST = ("smith", "garcía", "müller", "nguyễn", "o'neill", "petrov", "silva", "yılmaz", "zhang", "østergaard")
HOSTS = ("example.org", "mail.example.com", "users.example.net", "büro.example")
SYLLABLES = ("山", "田", "太", "郎", "さ", "くら", "김", "민", "수", "مح", "مد", "Ал", "ек", "сей", "νί", "κος")


def sequential() -> Iterator[str]:
    """user000001, user000002, ..."""
    number = 0
    while True:
        number += 1
        yield f"user{number:07d}"


def addresses() -> Iterator[str]:
    """anna.smith1@example.org, ..."""
    number = 0
    while True:
        for first in FIRST:
            for last in LAST:
                yield f"{first}.{last}{number}@{HOSTS[number % len(HOSTS)]}"
        number += 1


def scripts(seed: int = 1) -> Iterator[str]:
    """Names in scripts of the whole world, some with a number behind."""
    chance = random.Random(seed)
    while True:
        yield "".join(chance.choices(SYLLABLES, k=chance.randint(4, 8))) + str(chance.randint(0, 9999))


def numbers() -> Iterator[str]:
    """Customer numbers with a check digit, as accounts imported from elsewhere have them."""
    number = 10_000_000
    while True:
        number += 7
        yield f"{number}-{number % 97:02d}"


def realistic(count: int) -> Iterator[str]:
    """`count` names, a quarter of each kind."""
    for kind in (sequential, addresses, scripts, numbers):
        yield from islice(kind(), count // 4)
