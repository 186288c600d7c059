"""AWS's errors, in the words and the wire format of each service."""

import json
import uuid
from xml.sax.saxutils import escape

NOT_IMPLEMENTED = 501
MESSAGE = "{action} of {service} is not part of this local cloud"


def error(service, headers, code, message, status):
    """(status line, headers, body) of an error as `service` words it to a client that asked with these `headers`.

    `headers` has lower-case names: `smithy-protocol`, `x-amz-target` and `content-type` choose the format.
    """
    request = str(uuid.uuid4())
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        kind, body = "application/cbor", _cbor({"__type": code, "message": message})
    elif service == "s3":  # whatever the object's own type
        kind, body = "application/xml", _xml(service, code, message, status, request).encode()
    elif headers.get("x-amz-target") or "json" in (headers.get("content-type") or ""):
        kind, body = "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message}).encode()
    else:
        kind, body = "text/xml;charset=UTF-8", _xml(service, code, message, status, request).encode()
    return (
        f"{status} {'Error' if status >= 500 else 'Refused'}",
        [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("x-amzn-RequestId", request),
            ("x-amzn-ErrorType", code),
            *([("smithy-protocol", "rpc-v2-cbor")] if kind == "application/cbor" else []),
        ],
        body,
    )


def _xml(service, code, message, status, request):
    what = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if service == "s3":
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{what}<RequestId>{request}</RequestId></Error>'
    if service in ("ec2", "sdb"):
        return f"<Response><Errors><Error>{what}</Error></Errors><RequestID>{request}</RequestID></Response>"
    fault = "Receiver" if status >= 500 else "Sender"
    return f"<ErrorResponse><Error><Type>{fault}</Type>{what}</Error><RequestId>{request}</RequestId></ErrorResponse>"


def _cbor(texts):
    """A map of short texts in CBOR (RFC 8949): all that an error needs of it."""
    return bytes([0xA0 | len(texts)]) + b"".join(_text(part) for pair in texts.items() for part in pair)


def _text(text):
    data = text.encode()
    if len(data) < 24:
        return bytes([0x60 | len(data)]) + data
    if len(data) < 256:
        return bytes([0x78, len(data)]) + data
    return bytes([0x79]) + len(data).to_bytes(2, "big") + data
