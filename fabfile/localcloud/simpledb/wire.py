"""The XML that SimpleDB answers with, as bytes."""

import base64
import re
import uuid

NAMESPACE = "http://sdb.amazonaws.com/doc/2009-04-15/"

# What XML cannot carry: NUL, XML 1.1's RestrictedChar, and the code points that Unicode will never assign.
_PLANES = "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
_UNSPEAKABLE = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufdd0-\ufdef{_PLANES}]")
_MARKUP = re.compile(r"[&<>\r]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}  # a bare CR would reach the client as LF


def escape(text):
    """The text as XML; only for what has no unspeakable characters."""
    return _MARKUP.sub(lambda found: _ENTITIES[found[0]], text) if _MARKUP.search(text) else text


def element(name, text):
    """One element with user data in it: in base64, and marked so, if XML cannot carry its characters."""
    if _is_plain(text):
        return f"<{name}>{text}</{name}>"
    if _UNSPEAKABLE.search(text):
        return f'<{name} encoding="base64">{base64.b64encode(text.encode()).decode()}</{name}>'
    return f"<{name}>{escape(text)}</{name}>"


def attributes(pairs):
    """The Attribute elements of (name, value) pairs, in their order."""
    if _is_plain("".join([text for pair in pairs for text in pair])):  # nearly always, and five times as fast
        return "".join([f"<Attribute><Name>{name}</Name><Value>{value}</Value></Attribute>" for name, value in pairs])
    return "".join(f"<Attribute>{element('Name', name)}{element('Value', value)}</Attribute>" for name, value in pairs)


def item(name, pairs):
    """One Item element of a Select's result."""
    return f"<Item>{element('Name', name)}{attributes(pairs) if pairs else ''}</Item>"


def success(action, result, usage):
    """The whole answer. `result` is the inside of the Result element, or None for an operation that has none."""
    inside = "" if result is None else _result(action, result)
    return (
        f'<?xml version="1.0"?>\n<{action}Response xmlns="{NAMESPACE}">{inside}'
        f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId><BoxUsage>{usage:.10f}</BoxUsage></ResponseMetadata>"
        f"</{action}Response>"
    ).encode()


def failure(refused, usage):
    """The whole answer for a Refused."""
    message = escape(_UNSPEAKABLE.sub("\N{REPLACEMENT CHARACTER}", refused.message))
    return (
        f'<?xml version="1.0"?>\n<Response><Errors><Error><Code>{refused.code}</Code><Message>{message}</Message>'
        f"<BoxUsage>{usage:.10f}</BoxUsage></Error></Errors><RequestID>{uuid.uuid4()}</RequestID></Response>"
    ).encode()


def _is_plain(text):
    """Whether nothing in the text can need an escape; says no to some that need none."""
    return text.isascii() and text.isprintable() and "&" not in text and "<" not in text and ">" not in text


def _result(action, inside):
    return f"<{action}Result>{inside}</{action}Result>" if inside else f"<{action}Result/>"
