"""Makes BatchPutAttributes cheap: the request is written once, in the order in which it is signed.

botocore builds a request of 500 parameters as a dictionary, checks, sorts and encodes it, and encodes it again to sign
it, which takes longer than SimpleDB needs to store it. What is sent is the same. The events used are botocore's own,
so credentials, retries, the connection and the answer stay its business.
"""

import base64
import functools
import hmac
import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import quote

BATCH = 25  # items that one call takes
LARGEST = 900_000  # bytes of one call's text; SimpleDB takes 1 MB

_CONTEXT = "hydra_sorted_form"
_SIGNER = "hydra-sorted-v2"


def hasten(client) -> None:
    """Let this client of SimpleDB send its BatchPutAttributes so. Once is enough; again does no harm."""
    from botocore import auth

    auth.AUTH_TYPE_MAPS.setdefault(_SIGNER, _signer(auth))
    for event, act in (("provide-client-params", _take), ("before-call", _put), ("choose-signer", _choose)):
        name = f"{event}.{client.meta.service_model.service_id.hyphenize()}.BatchPutAttributes"
        client.meta.events.register(name, act, unique_id=f"hydra-{event}")


def sorted_form(domain: str, items: list[dict]) -> str:
    """The parameters of a call, from `Action` to the last item, encoded and in the order of their names."""
    parts = [f"Action=BatchPutAttributes&DomainName={_quoted(domain)}"]
    for number in _order(len(items)):
        item = items[number - 1]
        attributes = item["Attributes"]
        for place in _order(len(attributes)):
            attribute = attributes[place - 1]
            start = f"&Item.{number}.Attribute.{place}."
            replace = f"{start}Replace=true" if attribute.get("Replace") else ""
            parts.append(f"{start}Name={_quoted(attribute['Name'])}{replace}{start}Value={_quoted(attribute['Value'])}")
        parts.append(f"&Item.{number}.ItemName={_quoted(item['Name'])}")
    return "".join(parts)


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


def size_of(item: str, pairs) -> int:
    """At most how many bytes an item of these (name, value) pairs takes in a call's text."""
    return sum(3 * (len(name.encode()) + len(value.encode())) + 60 for name, value in pairs) + 3 * len(item.encode())


@functools.cache
def _order(count: int) -> tuple[int, ...]:
    """The numbers from 1 on in the order of their names: `Item.10.` stands before `Item.2.`."""
    return tuple(sorted(range(1, count + 1), key=lambda number: f"{number}."))


def _quoted(text: str) -> str:
    return quote(text, safe="-_~")


def _take(params, context, **_):
    """Write the request now; what botocore is left with is as small as it may be."""
    context[_CONTEXT] = sorted_form(params["DomainName"], params["Items"])
    stand_in = {"Name": "-", "Attributes": [{"Name": "-", "Value": "-"}]}
    return {"DomainName": params["DomainName"], "Items": [stand_in]}


def _put(params, context, **_):
    params["body"] = context[_CONTEXT]


def _choose(**_):
    return _SIGNER


def _signer(auth):
    class SortedV2(auth.SigV2Auth):
        """Signature version 2 over parameters that are sorted and encoded already."""

        def add_auth(self, request):
            if self.credentials is None:
                raise auth.NoCredentialsError()
            token = f"SecurityToken={_quoted(self.credentials.token)}&" if self.credentials.token else ""
            at = _quoted(time.strftime(auth.ISO8601, time.gmtime()))
            form = (
                f"AWSAccessKeyId={_quoted(self.credentials.access_key)}&{request.data}&{token}"
                f"SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp={at}&Version=2009-04-15"
            )
            split = auth.urlsplit(request.url)
            signed = f"{request.method}\n{split.netloc}\n{split.path or '/'}\n{form}"
            digest = hmac.new(self.credentials.secret_key.encode(), signed.encode(), sha256).digest()
            request.data = f"{form}&Signature={_quoted(base64.b64encode(digest).decode())}".encode()
            return request

    return SortedV2
