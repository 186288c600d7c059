"""The form of a request: its numbered lists, names, flags and lengths, checked before any data is looked at."""

import re
from dataclasses import dataclass

from .errors import Refused, invalid

LONGEST = 1024  # bytes of an item name, an attribute name, a value
MOST_ATTRIBUTES = 256  # of one item in one call
MOST_ITEMS = 25  # of one batch
LARGEST_BATCH = 1024 * 1024  # bytes

_DOMAIN = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_ATTRIBUTE = re.compile(r"Attribute\.([0-9]+)\.(Name|Value|Replace)")
_ITEM = re.compile(r"Item\.([0-9]+)\.(ItemName|Replace|Attribute\.[0-9]+\.(?:Name|Value|Replace))")
_ATTRIBUTE_NAME = re.compile(r"AttributeName(?:\.([0-9]+))?")


@dataclass(frozen=True)
class Attribute:
    """One attribute as submitted. Without a value (only where something is deleted) it stands for all its values."""

    name: str
    value: str | None
    replace: bool = False


@dataclass(frozen=True)
class Item:
    """One item of a batch as submitted."""

    name: str
    attributes: tuple


def required(parameters, name):
    """The parameter's text. Raises MissingParameter if it is not there or empty."""
    if not parameters.get(name):
        raise Refused("MissingParameter", name)
    return parameters[name]


def domain(parameters):
    """The checked DomainName."""
    return domain_name(required(parameters, "DomainName"))


def domain_name(name):
    """The same name. Raises InvalidParameterValue if no domain can be called so."""
    if not _DOMAIN.fullmatch(name):
        raise invalid(name, "DomainName")
    return name


def item_name(parameters):
    """The checked ItemName of a call about one item."""
    if "ItemName" not in parameters:
        raise Refused("MissingParameter", "ItemName")
    return _checked_item_name(parameters["ItemName"])


def flag(text, parameter, absent=False):
    """True or False from the text of a flag called `parameter`; `absent` if there is none."""
    if text is None:
        return absent
    if text.lower() not in ("true", "false"):
        flag_name = parameter if parameter.startswith("Expected") else f"The {parameter} flag"
        raise invalid(text, parameter, f"{flag_name} should be either true or false.")
    return text.lower() == "true"


def count(parameters, name, most):
    """A whole number from 1 to `most`, which is also what an absent one means."""
    text = parameters.get(name)
    if text is None:
        return most
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise invalid(text, name, f"{name} must be between 1 and {most}.")
    return int(text)


def wanted_names(parameters):
    """The attribute names a Get asks for, as a frozenset; empty for all."""
    names = frozenset(text for name, text in parameters.items() if _ATTRIBUTE_NAME.fullmatch(name))
    for name in names:
        _checked_name(name, "AttributeName")
    return names


def put_attributes(parameters):
    """The attributes of a PutAttributes, at least one."""
    if "Replace" in parameters:
        raise Refused("FeatureDeprecated")
    attributes = _to_put(_numbered(parameters))
    if not attributes:
        raise Refused("MissingParameter", text="No attributes")
    return attributes


def delete_attributes(parameters):
    """The attributes of a DeleteAttributes; none stands for the whole item."""
    return _to_delete(_numbered(parameters))


def put_batch(parameters):
    """The items of a BatchPutAttributes."""
    items = _batch(parameters, _to_put)
    for item in items:
        if not item.attributes:
            raise Refused("MissingParameter", text=f"No attributes for item ='{item.name}'.")
    return items


def delete_batch(parameters):
    """The items of a BatchDeleteAttributes."""
    return _batch(parameters, _to_delete)


def _batch(parameters, to_attributes):
    if sum(len(name) + len(text.encode()) for name, text in parameters.items()) > LARGEST_BATCH:
        raise Refused("InvalidHttpRequest", "a batch may hold at most 1 MB")
    found = {}
    for name, text in parameters.items():
        if match := _ITEM.fullmatch(name):
            found.setdefault(int(match[1]), {})[match[2]] = text
    if not found:
        raise Refused("MissingParameter", "Item.1.ItemName")
    if len(found) > MOST_ITEMS:
        raise Refused("NumberSubmittedItemsExceeded")
    items = [_batch_item(found[number], to_attributes) for number in sorted(found)]
    seen = set()
    for item in items:
        if item.name in seen:
            raise Refused("DuplicateItemName", item.name)
        seen.add(item.name)
    return items


def _batch_item(fields, to_attributes):
    if "Replace" in fields:
        raise Refused("FeatureDeprecated")
    name = item_name(fields)
    numbered = _numbered(fields)
    if len(numbered) > MOST_ATTRIBUTES:
        text = f"Too many attributes for item {name} in a single call. Up to 256 attributes per call allowed."
        raise Refused("NumberSubmittedAttributesExceeded", text=text)
    return Item(name, to_attributes(numbered))


def _numbered(parameters):
    """The fields of each Attribute.N, in the order of N."""
    found = {}
    for name, text in parameters.items():
        if match := _ATTRIBUTE.fullmatch(name):
            found.setdefault(int(match[1]), {})[match[2]] = text
    return [found[number] for number in sorted(found)]


def _to_put(numbered):
    return tuple(_attribute_to_put(fields) for fields in _few_enough(numbered))


def _attribute_to_put(fields):
    name, value = fields.get("Name"), fields.get("Value")
    if name is None:
        missing = f"Attribute.Name missing for Attribute.Value='{value or ''}'."
        raise Refused("MissingParameter", text=missing)
    if value is None:
        raise Refused("MissingParameter", text=f"Attribute.Value missing for Attribute.Name='{name}'.")
    replace = flag(fields.get("Replace"), "Replace")
    return Attribute(_checked_name(name, "Name"), checked_value(value), replace)


def _to_delete(numbered):
    return tuple(_attribute_to_delete(fields) for fields in _few_enough(numbered))


def _attribute_to_delete(fields):
    name, value = fields.get("Name"), fields.get("Value")
    if name is None:
        missing = "The request must contain the attribute Name, if an attribute Value is specified."
        raise Refused("MissingParameter", text=missing)
    return Attribute(_checked_name(name, "Name"), None if value is None else checked_value(value))


def _few_enough(numbered):
    if len(numbered) > MOST_ATTRIBUTES:
        raise Refused("NumberSubmittedAttributesExceeded")
    return numbered


def _checked_item_name(name):
    if not name:
        raise invalid(name, "Item", "The empty string is an illegal item name")
    if len(name.encode()) > LONGEST:
        raise invalid(name, "Item", f"Value exceeds max length of {LONGEST}.")
    return name


def _checked_name(name, parameter):
    if not name:
        # AWS forgets the blank after the full stop here, and clients compare texts.
        raise Refused(
            "InvalidParameterValue",
            text=f"Value () for parameter {parameter} is invalid.The empty string is an illegal attribute name",
        )
    if len(name.encode()) > LONGEST:
        raise invalid(name, parameter, f"Value exceeds maximum length of {LONGEST}.")
    return name


def checked_name(name):
    """The same attribute name. Raises InvalidParameterValue if it is empty or too long."""
    return _checked_name(name, "Name")


def checked_value(value):
    """The same value. Raises InvalidParameterValue if it is too long."""
    if len(value.encode()) > LONGEST:
        raise invalid(value, "Value", f"Value exceeds maximum length of {LONGEST}.")
    return value
