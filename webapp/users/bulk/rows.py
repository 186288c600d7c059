"""One row of an import: what a file or a table says of a user, checked, as the account and the claim it becomes.

Rows come in two dialects. Ours has the keys of Account: `name` alone is needed, and an export carries them all, so that
sessions and ids survive. Django's has those of `auth_user`, told by `username`: `is_active` is `active`, `date_joined`
is `created`; `is_staff`, `is_superuser` and the names of a person are MySQL's business and are left out.
"""

import contextlib
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from webapp.users.account import Account, timestamp
from webapp.users.shards import LIMIT, InvalidName, canonical, claim

OURS = ("name", "email", "active", "password", "created", "updated", "last_login", "id", "stamp", "version")
DJANGO = {
    "username": "name",
    "password": "password",
    "email": "email",
    "is_active": "active",
    "date_joined": "created",
    "last_login": "last_login",
}
LEFT_OUT = {"id", "pk", "first_name", "last_name", "is_staff", "is_superuser", "groups", "user_permissions"}

# How the hashes begin that the application's hashers take, and their whole form.
HASHES = {
    "argon2": r"argon2(id|i|d)\$(v=\d+\$)?m=\d+,t=\d+,p=\d+(,data=[^$]*)?\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+",
    "scrypt": r"\d+\$[^$]+\$\d+\$\d+\$[A-Za-z0-9+/=]+",
    "pbkdf2_sha256": r"\d+\$[^$]+\$[A-Za-z0-9+/=]+",
    "pbkdf2_sha1": r"\d+\$[^$]+\$[A-Za-z0-9+/=]+",
    "bcrypt_sha256": r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}",
}
_OTHER_HASHERS = ("bcrypt$", "md5", "sha1", "crypt", "unsalted")
_HASH = re.compile("|".join(rf"{name}\$(?:{form})" for name, form in HASHES.items()), re.ASCII)
_UNUSABLE = re.compile(r"![A-Za-z0-9]{0,64}")
_STORED_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_FORMS = {
    "id": (re.compile(r"[0-9a-f]{32}"), "32 hexadecimal digits"),
    "stamp": (re.compile(r"[0-9a-f]{32}"), "32 hexadecimal digits"),
    "version": (re.compile(r"\d{10}\.[0-9a-f]{16}"), "a number of ten digits, a point and 16 hexadecimal digits"),
}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_YES, _NO = ("yes", "true", "1", "t", "on"), ("no", "false", "0", "f", "off")


class Unfit(ValueError):
    """This row cannot be imported; the message says why, and never holds a password. `name` is as written, if known."""

    def __init__(self, reason: str, name: str = ""):
        super().__init__(reason)
        self.name = name


@dataclass(frozen=True)
class Row:
    """A row that is fit. `line` is its number in the source, `item` and `claim` what its items are called, if any."""

    line: int
    account: Account
    item: str
    claim: str


def row_of(line: int, record: dict, now: str) -> Row:
    """The row that a record of either dialect becomes; `now`, by `timestamp`, stands in for a missing `created`.

    The same record gives the same account, whenever it is read: an import that was cut off knows its own again. Raises
    Unfit.
    """
    texts, source = _ours(record)
    name = texts.get("name")
    if not isinstance(name, str) or not name:
        raise Unfit("it has no name" if not name else "the name is not a text")
    try:
        return _row(line, texts, source, now)
    except Unfit as unfit:
        raise Unfit(str(unfit), _printable(name)) from None
    except InvalidName as error:
        raise Unfit(str(error), _printable(name)) from None
    except UnicodeError:
        raise Unfit("it is not valid UTF-8", _printable(name)) from None


def items_of(record: dict) -> set[str]:
    """What the items of a record would be called, as far as that can be told."""
    found = set()
    with contextlib.suppress(Unfit, InvalidName, UnicodeError, TypeError, AttributeError):
        texts, _ = _ours(record)
        found.add(canonical(texts.get("name")))
        found.add(claim(texts.get("email")))
    return found


def _row(line, texts, source, now):
    name = texts["name"]
    item = canonical(name)
    email = _text(texts, "email")
    address = claim(email) if email else ""
    if email and not _EMAIL.fullmatch(email):
        raise Unfit("the e-mail address is none")
    known = {key: _own(texts, key) for key in _FORMS}
    active = _flag(texts.get("active"))
    times = {key: _time(texts, key) for key in ("created", "updated", "last_login")}
    password = _password(texts)
    identity = source or [email, active, password, *times.values()]
    given = hashlib.sha512(json.dumps([item, name, *identity]).encode()).hexdigest()
    whole = [item, name, email, active, password, *times.values(), *known.values(), given]
    drawn = hashlib.sha512(json.dumps(whole).encode()).hexdigest()
    created = times["created"] or now
    account = Account(
        id=known["id"] or given[:32],
        name=name,
        password=password or f"!{drawn[64:104]}",
        email=email,
        active=active,
        stamp=known["stamp"] or drawn[:32],
        created=created,
        updated=times["updated"] or created,
        last_login=times["last_login"],
        version=known["version"] or f"0000000001.{drawn[32:48]}",
    )
    return Row(line, account, item, address)


def _ours(record: dict) -> tuple[dict, list]:
    """The record in our dialect, and what tells the user in the other one, whatever else of him changes there."""
    if isinstance(record.get("fields"), dict) and "model" in record:  # of `manage.py dumpdata`
        record = {**record["fields"], "id": record.get("pk")}
    if "username" in record and "name" not in record:
        _refuse_unknown(record, {*DJANGO, *LEFT_OUT})
        texts = {ours: record[theirs] for theirs, ours in DJANGO.items() if theirs in record}
        key = record.get("id", record.get("pk"))
        return texts, [str(key)] if key not in (None, "") else []
    _refuse_unknown(record, OURS)
    return record, []


def _refuse_unknown(record, known):
    # What is misspelt must not be lost in silence.
    if unknown := [key for key in record if key not in known]:
        name = record.get("name", record.get("username"))
        raise Unfit(f"nothing here is called {_printable(unknown[0])!r}", _printable(name) if name else "")


def _text(texts, key):
    value = texts.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unfit(f"{key} is not a text")
    if len(value) > LIMIT or len(value.encode()) > LIMIT:
        raise Unfit(f"{key} is longer than {LIMIT} bytes")
    return value


def _own(texts, key):
    value = _text(texts, key)
    form, words = _FORMS[key]
    if value and not form.fullmatch(value):
        raise Unfit(f"{key} is not {words}: leave it out and one is made")
    return value


def _password(texts):
    value = _text(texts, "password")
    if not value or _UNUSABLE.fullmatch(value) or _HASH.fullmatch(value):
        return value
    if value.startswith(_OTHER_HASHERS) and "$" in value:
        raise Unfit(
            f"the application has no hasher for {value.partition('$')[0]}: leave the password empty, and the user asks"
            " for a new one by mail"
        )
    raise Unfit("the password is not hashed as Django does: plain passwords are not imported; leave it empty")


def _flag(value):
    if value is None or value == "":
        return True
    if isinstance(value, bool | int | str):
        text = str(value).lower()
        if text in _YES:
            return True
        if text in _NO:
            return False
    raise Unfit("active is neither yes nor no")


def _time(texts, key):
    """A moment as it is stored; without a zone it is taken for UTC, as Django writes it to MySQL."""
    value = texts.get(key)
    if value in (None, "", "NULL"):
        return ""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            if _STORED_TIME.fullmatch(value):
                return value
            value = found
        if isinstance(value, datetime):
            return timestamp(value if value.tzinfo else value.replace(tzinfo=UTC)).rjust(27, "0")
    except (ValueError, OverflowError):
        pass
    raise Unfit(f"{key} is not a time as in 2026-01-31T12:00:00Z")


def _printable(text):
    return str(text).encode(errors="replace").decode()[:LIMIT]
