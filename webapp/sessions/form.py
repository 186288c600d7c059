"""How a session is written: its version, the minute it was last seen, and its data as JSON.

Of a signed-in user Django keeps three keys, whose names and the path of the backend are longer than most sessions. They
are written as one: `"_auth": [user, backend, hash]`, the backend by its number. The version of such a session ends in
SHORT.
"""

import functools
import json
import os
import time
from base64 import urlsafe_b64encode

import msgspec
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY
from django.contrib.auth import SESSION_KEY as OWNER
from django.core.exceptions import ImproperlyConfigured
from django.core.signing import JSONSerializer
from django.utils.module_loading import import_string

from webapp.sessions.scripts import HEADER, VERSION

LARGEST = 8 * 2**20  # bytes: what is larger would not come and go in the time that we wait for Redis
HINT = "Use django.contrib.sessions.serializers.JSONSerializer, a class made from it, or another that writes JSON."
AUTH = "_auth"
SHORT = ord("~")  # no letter of base64
# They stand in Redis by their numbers: add at the end, and take none away.
BACKENDS = ["webapp.users.backend.SimpleDBBackend", "django.contrib.auth.backends.ModelBackend"]

quick_encode = msgspec.json.Encoder().encode
quick_decode = msgspec.json.Decoder().decode
# As Django's serializer writes, but made once, and not noting each list on its way to see whether it contains itself.
careful_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@functools.cache
def serializer(path: str):
    """The serializer of this name; ImproperlyConfigured unless it is made from Django's for JSON or writes JSON too."""
    found = import_string(path)
    if not (isinstance(found, type) and (issubclass(found, JSONSerializer) or writes_json(found))):
        raise ImproperlyConfigured(f"SESSION_SERIALIZER is {path}, but sessions are kept as JSON alone. {HINT}")
    return found


def writes_json(kind: type) -> bool:
    """Whether objects of this class write JSON, as bytes, and read it again."""
    sample = {"a": ["é", 1, None]}
    try:
        written = kind().dumps(sample)
        json.loads(written)
        return isinstance(written, bytes) and kind().loads(written) == sample
    except Exception:  # noqa: BLE001 - it may be anything
        return False


def serializer_in_use():
    """The class that SESSION_SERIALIZER names."""
    return serializer(settings.SESSION_SERIALIZER)


def minute_now() -> bytes:
    """This minute as it stands in a session: minutes since 1970 in 7 hexadecimal digits."""
    return b"%07x" % (int(time.time()) // 60)


def encode(data: dict) -> bytes:
    """Data in the form it is stored, under a version nothing else has.

    TypeError or ValueError, with the key of the session, for what is no JSON; ValueError for more than LARGEST.
    """
    # From the kernel, so that two workers forked from one process never give the same.
    version = urlsafe_b64encode(os.urandom(5))
    try:
        if HASH_SESSION_KEY in data and (short := shortened(data)) is not None:
            stored = b"%b%c%b%b" % (version[:-1], SHORT, minute_now(), dump(short))
        else:
            stored = b"%b%b%b" % (version, minute_now(), dump(data))
    except (TypeError, ValueError, RecursionError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"session[{culprit(data)!r}] cannot be kept, since sessions are JSON: {error}") from error
    if len(stored) > LARGEST:
        most = max(data, key=lambda key: len(dump({key: data[key]})))
        raise ValueError(
            f"A session may take {LARGEST:,} bytes, and this one would take {len(stored):,}; most is in "
            f"session[{most!r}]. Keep it elsewhere, and in the session where it is."
        )
    return stored


def shortened(data: dict) -> dict | None:
    """The same with the three keys of a signed-in user as one; None where that cannot be told apart later."""
    if serializer_in_use() is not JSONSerializer or AUTH in data:
        return None
    short = data.copy()
    try:
        owner, backend, digest = short.pop(OWNER), short.pop(BACKEND_SESSION_KEY), short.pop(HASH_SESSION_KEY)
    except KeyError:
        return None
    if not isinstance(backend, str):  # a number would be taken for ours
        return None
    short[AUTH] = [owner, BACKENDS.index(backend) if backend in BACKENDS else backend, digest]
    return short


def lengthened(short: dict) -> dict:
    """What was shortened; anything may be raised for what was not."""
    short[OWNER], backend, short[HASH_SESSION_KEY] = short.pop(AUTH)
    short[BACKEND_SESSION_KEY] = BACKENDS[backend] if isinstance(backend, int) else backend
    return short


def culprit(data: dict):
    """The first key of a session that cannot be written, or whose value cannot."""
    for key, value in data.items():
        try:
            dump({key: value})
        except (TypeError, ValueError, RecursionError):
            return key


def dump(data: dict) -> bytes:
    """Data as the serializer writes it; TypeError or ValueError for what is no JSON.

    msgspec writes it in a sixth of the time, but also what is no JSON: a set, a date, NaN as null. So it is taken at
    its word only if it reads the same again, which together is quicker still.
    """
    chosen = serializer_in_use()
    if chosen is not JSONSerializer:
        return chosen().dumps(data)
    try:
        text = quick_encode(data)
        if text.isascii() and quick_decode(text) == data:
            return text
    except Exception:  # noqa: BLE001 - whatever it is, the careful one says it in Django's words
        pass
    try:
        return careful_encode(data).encode("latin-1")
    except RecursionError:  # it contains itself, or is too deep: Django's serializer says which
        return chosen().dumps(data)


def decode(stored: bytes) -> dict:
    """The data of a stored session; any exception if it is none, as a serializer of one's own may raise any.

    What msgspec can read it reads as Django's serializer would, in half the time; the rest (NaN, halves of surrogates,
    numbers of thousands of digits) it refuses. A serializer of one's own reads for itself.
    """
    if len(stored) < HEADER:
        raise ValueError("too short for a session")
    data = load(memoryview(stored)[HEADER:])
    return lengthened(data) if stored[VERSION - 1] == SHORT else data


def load(text: memoryview) -> dict:
    """What `dump` wrote."""
    chosen = serializer_in_use()
    if chosen is JSONSerializer:
        try:
            return quick_decode(text)
        except ValueError:
            pass
    return chosen().loads(bytes(text))


def version(stored: bytes) -> bytes:
    """The version of a stored session."""
    return stored[:VERSION]


def minute_seen(stored: bytes) -> int:
    """The minute at which the session was last seen, in minutes since 1970."""
    return int(stored[VERSION:HEADER], 16)


def minutes_since(stored: bytes) -> int:
    """How many minutes ago that was."""
    return int(time.time()) // 60 - minute_seen(stored)


def merge(loaded: dict, changed: dict, newer: dict) -> dict:
    """The newer data with each key as `changed` has it in which that differs from `loaded`.

    A key that both wrote is the later writer's, which is `changed`; one that `changed` removed is gone.
    """
    merged = {key: value for key, value in newer.items() if key in changed or key not in loaded}
    merged |= {key: value for key, value in changed.items() if key not in loaded or not same(loaded[key], value)}
    return merged


def same(one, other) -> bool:
    """Whether two values would be written alike: for Python 1, 1.0 and True are equal, and NaN is no NaN."""
    return repr(one) == repr(other)
