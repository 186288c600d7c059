"""The condition of a Put or a Delete: one attribute that must have one value, or must not be there."""

import re
from dataclasses import dataclass

from .errors import Refused
from .parameters import checked_name, checked_value, flag

_EXPECTED = re.compile(r"Expected\.(?:[0-9]+\.)?(Name|Value|Exists)")


@dataclass(frozen=True)
class Expectation:
    """The attribute `name` has exactly the one `value`; with None, it has none at all."""

    name: str
    value: str | None

    def check(self, pairs):
        """Raise the Refused that tells how an item with these pairs differs from what is expected."""
        values = [value for name, value in pairs if name == self.name]
        if self.value is None:
            if values:
                text = f"Conditional check failed. Attribute ({self.name}) value exists"
                raise Refused("ConditionalCheckFailed", text=text)
        elif not values:
            raise Refused("AttributeDoesNotExist", self.name)
        elif len(values) > 1:
            raise Refused("MultiValuedAttribute", self.name)
        elif values[0] != self.value:
            raise Refused("ConditionalCheckFailed", self.name, values[0], self.value)


def expectation(parameters):
    """The Expectation of a request, or None if it has no condition; clients number its parameters or don't."""
    found = {"Name": [], "Value": [], "Exists": []}
    for name, text in parameters.items():
        if name.startswith("Expected") and (match := _EXPECTED.fullmatch(name)):
            found[match[1]].append(text)
    if not any(found.values()):
        return None
    name = _only(found["Name"], "MultipleExpectedNames")
    value = _only(found["Value"], "MultipleExpectedValues")
    exists = _only(found["Exists"], "MultipleExistsConditions")
    if name is None:
        raise Refused("MissingParameter", text="The request must contain the parameter Name")
    if flag(exists, "Expected.Exists", absent=True):
        if value is None:
            raise Refused("IncompleteExpectedValues")
        return Expectation(checked_name(name), checked_value(value))
    if value is not None:
        raise Refused("ExistsAndExpectedValue")
    return Expectation(checked_name(name), None)


def _only(texts, code):
    if len(texts) > 1:
        raise Refused(code)
    return texts[0] if texts else None
