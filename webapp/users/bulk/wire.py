"""Makes the two calls of an import cheap: what is sent is the same, and what comes back too.

botocore builds a BatchPutAttributes of 500 parameters as a dictionary, checks, sorts and encodes it, encodes it again
to sign it, and takes each answer apart by a model of it: longer than SimpleDB needs to store what was sent. Here the
request is written once, in the order in which it is signed. Credentials, proxies, certificates, the connection and the
words of every refusal stay botocore's business; any other call is made as ever.
"""

import base64
import functools
import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit
from xml.etree import ElementTree

_CONTEXT = "hydra_form"
_UNSAFE = re.compile("[^A-Za-z0-9._~-]")
_SPACE = "{http://sdb.amazonaws.com/doc/2009-04-15/}"
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "User-Agent": "Hydra"}
_CODES = {chr(number): f"%{number:02X}" for number in range(128)}


@dataclass(frozen=True)
class Form:
    """A call's parameters, encoded, in the order of their names: those that stand before SecurityToken, and the rest.

    What has to do with the signature is left out.
    """

    before: str
    behind: str = ""


@dataclass(frozen=True)
class _Status:
    status_code: int


def hasten(client) -> None:
    """Let this client of SimpleDB make its BatchPutAttributes and Selects so. Once is enough; again does no harm."""
    events, service = client.meta.events, client.meta.service_model.service_id.hyphenize()
    for operation, form, stand_in in (
        ("BatchPutAttributes", batch_form, {"Items": [{"Name": "-", "Attributes": [{"Name": "-", "Value": "-"}]}]}),
        ("Select", select_form, {"SelectExpression": "-"}),
    ):
        take = functools.partial(_take, form, stand_in)
        events.register(f"provide-client-params.{service}.{operation}", take, unique_id=f"hydra-take-{operation}")
        send = functools.partial(_send, client)
        events.register(f"before-call.{service}.{operation}", send, unique_id=f"hydra-send-{operation}")


def batch_form(DomainName: str, Items: list[dict]) -> Form:
    """The parameters of a BatchPutAttributes."""
    parts = [f"Action=BatchPutAttributes&DomainName={_quoted(DomainName)}"]
    for number in _order(len(Items)):
        item = Items[number - 1]
        attributes = item["Attributes"]
        form = _item_form(number, tuple((each["Name"], bool(each.get("Replace"))) for each in attributes))
        values = [_quoted(attributes[place - 1]["Value"]) for place in _order(len(attributes))]
        parts.append(form % (*values, _quoted(item["Name"])))
    return Form("".join(parts))


def select_form(SelectExpression: str, ConsistentRead: bool = False, NextToken: str = "") -> Form:
    """The parameters of a Select."""
    token = f"&NextToken={_quoted(NextToken)}" if NextToken else ""
    consistent = "&ConsistentRead=true" if ConsistentRead else ""
    return Form(f"Action=Select{consistent}{token}", f"&SelectExpression={_quoted(SelectExpression)}")


def signed(form: Form, url: str, credentials, at: float) -> bytes:
    """The body of the call by signature version 2. `credentials` are botocore's, `at` seconds since 1970."""
    token = f"&SecurityToken={_quoted(credentials.token)}" if credentials.token else ""
    timestamp = _quoted(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)))
    body = (
        f"AWSAccessKeyId={_quoted(credentials.access_key)}&{form.before}{token}{form.behind}"
        f"&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp={timestamp}&Version=2009-04-15"
    )
    split = urlsplit(url)
    text = f"POST\n{split.netloc}\n{split.path or '/'}\n{body}"
    digest = hmac.new(credentials.secret_key.encode(), text.encode(), sha256).digest()
    return f"{body}&Signature={_quoted(base64.b64encode(digest).decode())}".encode()


def _take(form: Callable[..., Form], stand_in: dict, params, context, **_):
    """Write the request now; what botocore is left with to check is as small as it may be."""
    context[_CONTEXT] = form(**params)
    return params | stand_in


def _send(client, model, params, request_signer, context, **_):
    """Send the request; returns what botocore makes of an answer: its status, and it taken apart."""
    from botocore.awsrequest import AWSPreparedRequest, HeadersDict
    from botocore.exceptions import NoCredentialsError

    auth = request_signer.get_auth_instance(request_signer.signing_name, request_signer.region_name, "v2")
    if auth.credentials is None:
        raise NoCredentialsError
    body = signed(context[_CONTEXT], params["url"], auth.credentials, time.time())
    headers = HeadersDict(_HEADERS | {"Content-Length": str(len(body))})
    request = AWSPreparedRequest("POST", params["url"], headers, body, stream_output=False)
    answer = client._endpoint.http_session.send(request)  # its proxies, certificates, timeouts and errors
    if answer.status_code == 200:
        return _Status(200), (_selected(answer.content) if model.name == "Select" else {})
    told = {"headers": answer.headers, "status_code": answer.status_code, "body": answer.content}
    return _Status(answer.status_code), client._endpoint._response_parser_factory.create_parser("query").parse(
        told, model.output_shape
    )


def _selected(content: bytes) -> dict:
    """What botocore gives for the answer to a Select, without the metadata."""
    found, items = {}, []
    for result in ElementTree.fromstring(content).iter(f"{_SPACE}SelectResult"):
        for element in result:
            if element.tag != f"{_SPACE}Item":
                found["NextToken"] = element.text or ""
                continue
            name, *attributes = element
            pairs = [{"Name": each[0].text or "", "Value": each[1].text or ""} for each in attributes]
            items.append({"Name": name.text or "", "Attributes": pairs})
    return found | ({"Items": items} if items else {})


@functools.lru_cache(1024)
def _item_form(number: int, attributes: tuple[tuple[str, bool], ...]) -> str:
    """The text of an item with places for its values, and for its name at the end."""
    parts = []
    for place in _order(len(attributes)):
        name, replace = attributes[place - 1]
        start = f"&Item.{number}.Attribute.{place}."
        flag = f"{start}Replace=true" if replace else ""
        parts.append(f"{start}Name={_quoted(name)}".replace("%", "%%") + f"{flag}{start}Value=%s")
    return "".join([*parts, f"&Item.{number}.ItemName=%s"])


@functools.cache
def _order(count: int) -> tuple[int, ...]:
    """The numbers from 1 on in the order of their names: `Item.10.` stands before `Item.2.`."""
    return tuple(sorted(range(1, count + 1), key=lambda number: f"{number}."))


def _quoted(text: str) -> str:
    return _UNSAFE.sub(_code, text)


def _code(found: re.Match) -> str:
    return _CODES.get(found[0]) or "".join(f"%{byte:02X}" for byte in found[0].encode())
