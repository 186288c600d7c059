"""What one BatchPutAttributes may hold."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

BATCH = 25  # items that one call takes
LARGEST = 900_000  # bytes of one call's text; SimpleDB takes 1 MB


def batches(things: Iterable, size: Callable[[Any], int]) -> Iterator[list]:
    """The things in batches that one call takes, each thing having this many bytes in its text."""
    batch, total = [], 0
    for thing in things:
        own = size(thing)
        if batch and (len(batch) == BATCH or total + own > LARGEST):
            yield batch
            batch, total = [], 0
        batch.append(thing)
        total += own
    if batch:
        yield batch


def size_of(item: str, names: Iterable[str], values: Collection[str]) -> int:
    """At most how many bytes an item of these pairs takes in a call's text."""
    # A character is four bytes at most, each of them written as three; 60 are what stands around a pair.
    return 12 * (len(item) + sum(map(len, names)) + sum(map(len, values))) + 60 * len(values)
