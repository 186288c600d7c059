"""NextToken: where the next page begins, bound to what was asked."""

import base64
import binascii
import hashlib
import json

from .errors import Refused


def pack(question, position):
    """A token for a position (a list of JSON's values) in the answer to a question (any object with a fixed repr)."""
    # Text as it is: a token of escapes could be eight times as long, and it counts among the page's bytes.
    text = json.dumps([_checksum(question), *position], ensure_ascii=False)
    return base64.b64encode(text.encode()).decode()


def unpack(question, token):
    """The position in a token, None if there is no token. Raises InvalidNextToken if it belongs to another question."""
    if not token:
        return None
    try:
        checksum, *position = json.loads(base64.b64decode(token, validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise Refused("InvalidNextToken") from error
    if checksum != _checksum(question) or not position:
        raise Refused("InvalidNextToken")
    return position


def _checksum(question):
    return hashlib.sha256(repr(question).encode()).hexdigest()[:16]
