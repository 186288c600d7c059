"""What a write does to one item, as a function from its pairs before to its pairs after."""

from dataclasses import dataclass

from .conditions import Expectation
from .errors import Refused

MOST_PAIRS = 256  # of one item


@dataclass(frozen=True)
class Put:
    """Add attributes to an item, and drop the earlier values of those that replace."""

    item: str
    attributes: tuple
    expected: Expectation | None = None

    def apply(self, pairs):
        """The frozenset of pairs after it. Raises Refused if the condition fails or the item grows too large."""
        if self.expected:
            self.expected.check(pairs)
        replaced = {attribute.name for attribute in self.attributes if attribute.replace}
        kept = frozenset(pair for pair in pairs if pair[0] not in replaced) if replaced else pairs
        after = kept | {(attribute.name, attribute.value) for attribute in self.attributes}
        if len(after) > MOST_PAIRS:
            raise Refused("NumberItemAttributesExceeded")
        return after


@dataclass(frozen=True)
class Delete:
    """Take attributes, or single values of them, from an item; without attributes, take all."""

    item: str
    attributes: tuple = ()
    expected: Expectation | None = None

    def apply(self, pairs):
        """The frozenset of pairs after it; an item without pairs is gone. Raises Refused if the condition fails."""
        if self.expected:
            self.expected.check(pairs)
        if not self.attributes:
            return frozenset()
        names = {attribute.name for attribute in self.attributes if attribute.value is None}
        single = {(attribute.name, attribute.value) for attribute in self.attributes}
        return frozenset(pair for pair in pairs if pair[0] not in names and pair not in single)
