"""The requests of the bench as bytes: what boto3 sends, for accounts as the application writes them."""

import random
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

DOMAIN = "accounts"
BATCH = 25  # items, the most that one call takes
GROUP = 50  # accounts of one company: so many a Select by company finds
PAGE = 50  # items that the other Selects ask for
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_HALF_A_YEAR = 180 * 24 * 3600  # seconds

_HEAD = (
    "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\n"
    "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
    "User-Agent: Boto3/1.40 md/Botocore#1.40 os/linux lang/python#3.11 cfg/retry-mode#legacy region/us-west-2\r\n"
    "Content-Length: {length}\r\n\r\n"
)
# Nobody checks it here; boto3 sends it all the same, and it must be read.
_SIGNED = {
    "AWSAccessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "SignatureVersion": "2",
    "SignatureMethod": "HmacSHA256",
    "Timestamp": "2026-01-01T00:00:00Z",
    "Signature": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
}


def name(number):
    """The item name of account `number`."""
    return f"user-{number:010}"


def attributes(number):
    """The eleven (name, value) pairs of account `number`: the application's ten attributes, and a company.

    Drawn from the number, so that they differ from one to the next as they do in life. Written out here and not made
    by the application's code: figures of two of its versions must be comparable.
    """
    chance = random.Random(number)
    at = f"{_FIRST + timedelta(seconds=chance.uniform(0, _HALF_A_YEAR)):%Y-%m-%dT%H:%M:%S.%fZ}"
    texts = [f"{chance.getrandbits(bits):0{bits // 4}x}" for bits in (128, 88, 172, 128, 64)]
    return (
        ("id", texts[0]),
        ("name", name(number)),
        ("password", f"pbkdf2_sha256$1000000${texts[1]}${texts[2]}="),
        ("email", f"{name(number)}@mail.example"),
        ("active", "yes"),
        ("stamp", texts[3]),
        ("created", at),
        ("updated", at),
        ("last_login", ""),
        ("version", f"0000000001.{texts[4]}"),
        ("company", _company(number)),
    )


def create(domain=DOMAIN):
    """A CreateDomain."""
    return _request({"Action": "CreateDomain", "DomainName": domain})


def delete(domain=DOMAIN):
    """A DeleteDomain."""
    return _request({"Action": "DeleteDomain", "DomainName": domain})


def put(number, domain=DOMAIN):
    """A PutAttributes of one account."""
    fields = {"Action": "PutAttributes", "DomainName": domain, "ItemName": name(number)}
    return _request(fields | _listed(attributes(number)))


def batch(number):
    """A BatchPutAttributes of the accounts number * 25 to number * 25 + 24."""
    fields = {"Action": "BatchPutAttributes"}
    for place in range(BATCH):
        one = number * BATCH + place
        fields[f"Item.{place + 1}.ItemName"] = name(one)
        fields |= _listed(attributes(one), f"Item.{place + 1}.")
    return _request(fields)


def get(number):
    """A GetAttributes of all of one account, consistent, as a sign-in asks."""
    return _request({"Action": "GetAttributes", "ItemName": name(number), "ConsistentRead": "true"})


def by_company(number):
    """A Select by an attribute's value: the names of the 50 accounts of one company."""
    return _select(f"select itemName() from {DOMAIN} where company = '{_company(number)}' limit 100")


def by_mail(number):
    """A Select by an attribute's value: all of the one account that has this e-mail address."""
    return _select(f"select * from {DOMAIN} where email = '{name(number)}@mail.example'")


def by_names(number):
    """A Select of twenty accounts by name, all of each."""
    names = ", ".join(f"'{name(number * 7919 % 9000 + place)}'" for place in range(20))
    return _select(f"select * from {DOMAIN} where itemName() in ({names})")


def newest(number):
    """A Select of the names of the 50 accounts made first after a moment, in order."""
    at = _FIRST + timedelta(seconds=number * 977 % (_HALF_A_YEAR // 2))
    condition = f"created > '{at:%Y-%m-%dT%H:%M:%S}'"
    return _select(f"select itemName() from {DOMAIN} where {condition} order by created limit {PAGE}")


def _company(number):
    return f"Company {number // GROUP:07}"


def _select(expression):
    return _request({"Action": "Select", "SelectExpression": expression, "ConsistentRead": "true"})


def _listed(pairs, start=""):
    fields = {}
    for place, pair in enumerate(pairs, 1):
        fields[f"{start}Attribute.{place}.Name"], fields[f"{start}Attribute.{place}.Value"] = pair
        fields[f"{start}Attribute.{place}.Replace"] = "true"
    return fields


def _request(fields):
    body = urlencode({"Version": "2009-04-15", "DomainName": DOMAIN} | fields | _SIGNED, quote_via=quote)
    return (_HEAD.format(length=len(body)) + body).encode()
