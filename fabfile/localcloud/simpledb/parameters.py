"""The form of a request: its numbered lists, names, flags and lengths, checked before any data is looked at."""

import re
from dataclasses import dataclass
from functools import lru_cache

from .errors import Refused, invalid

LONGEST = 1024  # bytes of an item name, an attribute name, a value
MOST_ATTRIBUTES = 256  # of one item in one call
MOST_ITEMS = 25  # of one batch
LARGEST_BATCH = 1024 * 1024  # bytes

_DOMAIN = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_NUMBER = "[0-9]{1,18}"
_ATTRIBUTE = re.compile(rf"Attribute\.({_NUMBER})\.(Name|Value|Replace)")
_ITEM = re.compile(rf"Item\.({_NUMBER})\.(?:(ItemName|Replace)|{_ATTRIBUTE.pattern})")
_LONGEST_PLACE = len("Item..Attribute..Replace") + 2 * 18
_ATTRIBUTE_NAME = re.compile(rf"AttributeName(?:\.{_NUMBER})?")


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


def flag(text, parameter, absent=False):
    """True or False from the text of a flag called `parameter`; `absent` if there is none."""
    if text is None:
        return absent
    lower = text.lower()
    if lower not in ("true", "false"):
        flag_name = parameter if parameter.startswith("Expected") else f"The {parameter} flag"
        raise invalid(text, parameter, f"{flag_name} should be either true or false.")
    return lower == "true"


def count(parameters, name, most):
    """A whole number from 1 to `most`, which is also what an absent one means."""
    text = parameters.get(name)
    if text is None:
        return most
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise invalid(text, name, f"{name} must be between 1 and {most}.")
    return int(text)


def get(parameters):
    """(domain, item, names) of a GetAttributes; the names it asks for as a frozenset, empty for all."""
    _need_names(parameters)
    names = frozenset(text for name, text in parameters.items() if _ATTRIBUTE_NAME.fullmatch(name))
    for name in names:
        checked_name(name)
    return domain(parameters), _checked_item_name(parameters["ItemName"]), names


def put(parameters):
    """(domain, item, attributes) of a PutAttributes, with at least one attribute."""
    _need_names(parameters)
    numbered = _numbered(parameters)
    if not numbered:
        raise Refused("MissingParameter", text="No attributes")
    _need_names_and_values(numbered)
    _refuse_old_flag(parameters)
    return _one_item(parameters, numbered, _attribute_to_put)


def delete(parameters):
    """(domain, item, attributes) of a DeleteAttributes; no attributes stand for the whole item."""
    _need_names(parameters)
    numbered = _numbered(parameters)
    _need_names_of_values(numbered)
    return _one_item(parameters, numbered, _attribute_to_delete)


def put_batch(parameters):
    """(domain, items) of a BatchPutAttributes."""
    batch = _batch(parameters)
    for fields, numbered in batch:
        if not numbered:
            raise Refused("MissingParameter", text=f"No attributes for item ='{fields['ItemName']}'.")
        _need_names_and_values(numbered)
    for fields, _ in batch:
        _refuse_old_flag(fields)
    return _many_items(parameters, batch, _attribute_to_put)


def delete_batch(parameters):
    """(domain, items) of a BatchDeleteAttributes."""
    batch = _batch(parameters)
    for _, numbered in batch:
        _need_names_of_values(numbered)
    return _many_items(parameters, batch, _attribute_to_delete)


# First what is missing, in the whole request, and only then the form of what is there.


def _need_names(parameters):
    required(parameters, "DomainName")
    _need_item_name(parameters)


def _need_item_name(fields):
    if "ItemName" not in fields:
        raise Refused("MissingParameter", "ItemName")


def _need_names_and_values(numbered):
    for fields in numbered:
        if "Name" not in fields:
            missing = f"Attribute.Name missing for Attribute.Value='{fields.get('Value', '')}'."
            raise Refused("MissingParameter", text=missing)
        if "Value" not in fields:
            missing = f"Attribute.Value missing for Attribute.Name='{fields['Name']}'."
            raise Refused("MissingParameter", text=missing)


def _need_names_of_values(numbered):
    if any("Name" not in fields for fields in numbered):
        missing = "The request must contain the attribute Name, if an attribute Value is specified."
        raise Refused("MissingParameter", text=missing)


def _batch(parameters):
    """The fields of each Item.N and of its attributes, in the order of N."""
    required(parameters, "DomainName")
    if sum(map(len, parameters)) + sum(map(len, map(str.encode, parameters.values()))) > LARGEST_BATCH:
        raise Refused("InvalidHttpRequest", "a batch may hold at most 1 MB")
    found = {}
    for name, text in parameters.items():
        if place := _item_place(name):
            number, field, attribute, part = place
            if number not in found:
                found[number] = {}, {}
            if field:
                found[number][0][field] = text
            else:
                found[number][1].setdefault(attribute, {})[part] = text
    if not found:
        raise Refused("MissingParameter", "Item.1.ItemName")
    for fields, _ in found.values():
        _need_item_name(fields)
    return [(fields, _in_order(numbered)) for fields, numbered in _in_order(found)]


def _numbered(parameters):
    """The fields of each Attribute.N, in the order of N."""
    found = {}
    for name, text in parameters.items():
        if place := _attribute_place(name):
            found.setdefault(place[0], {})[place[1]] = text
    return _in_order(found)


def _in_order(numbered):
    return [numbered[number] for number in sorted(numbered)]


def _reader(pattern):
    """A function that gives the groups that the pattern finds in a parameter's name, numbers as such, or None.

    The same names come with every request, so they are looked up and not matched again.
    """

    @lru_cache(maxsize=16 * 1024)
    def look_up(name):
        match = pattern.fullmatch(name)
        return match and tuple(int(group) if group and group.isdigit() else group for group in match.groups())

    return lambda name: look_up(name) if len(name) <= _LONGEST_PLACE else None


_item_place, _attribute_place = _reader(_ITEM), _reader(_ATTRIBUTE)


def _refuse_old_flag(fields):
    """It once stood beside the item's name; a deletion never had one, and ignores it as any unknown parameter."""
    if "Replace" in fields:
        raise Refused("FeatureDeprecated")


def _one_item(parameters, numbered, to_attribute):
    if len(numbered) > MOST_ATTRIBUTES:
        raise Refused("NumberSubmittedAttributesExceeded")
    item = _checked_item_name(parameters["ItemName"])
    return domain(parameters), item, tuple(to_attribute(fields) for fields in numbered)


def _many_items(parameters, batch, to_attribute):
    if len(batch) > MOST_ITEMS:
        raise Refused("NumberSubmittedItemsExceeded")
    items, seen = [], set()
    for fields, numbered in batch:
        items.append(_batch_item(fields, numbered, to_attribute))
        if items[-1].name in seen:
            raise Refused("DuplicateItemName", items[-1].name)
        seen.add(items[-1].name)
    return domain(parameters), items


def _batch_item(fields, numbered, to_attribute):
    name = _checked_item_name(fields["ItemName"])
    if len(numbered) > MOST_ATTRIBUTES:
        text = f"Too many attributes for item {name} in a single call. Up to 256 attributes per call allowed."
        raise Refused("NumberSubmittedAttributesExceeded", text=text)
    return Item(name, tuple(to_attribute(one) for one in numbered))


def _attribute_to_put(fields):
    replace = flag(fields.get("Replace"), "Replace")
    return Attribute(checked_name(fields["Name"]), checked_value(fields["Value"]), replace)


def _attribute_to_delete(fields):
    value = fields.get("Value")
    return Attribute(checked_name(fields["Name"]), None if value is None else checked_value(value))


def _checked_item_name(name):
    if not name:
        raise invalid(name, "Item", "The empty string is an illegal item name")
    if len(name.encode()) > LONGEST:
        raise invalid(name, "Item", f"Value exceeds max length of {LONGEST}.")
    return name


def checked_name(name):
    """The same attribute name. Raises InvalidParameterValue if it is empty or too long."""
    if not name:
        # AWS forgets the blank after the full stop here, and clients compare texts.
        text = "Value () for parameter Name is invalid.The empty string is an illegal attribute name"
        raise Refused("InvalidParameterValue", text=text)
    if len(name.encode()) > LONGEST:
        raise invalid(name, "Name", f"Value exceeds maximum length of {LONGEST}.")
    return name


def checked_value(value):
    """The same value. Raises InvalidParameterValue if it is too long."""
    if len(value.encode()) > LONGEST:
        raise invalid(value, "Value", f"Value exceeds maximum length of {LONGEST}.")
    return value
