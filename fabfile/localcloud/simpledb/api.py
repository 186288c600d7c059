"""SimpleDB's query protocol: from an HTTP request, however it arrived, to status, headers and body."""

import logging
import re
from dataclasses import dataclass

from . import urlencoded, usage, wire
from .errors import Refused
from .operations import ACTIONS, VERSION, WRITES, perform
from .store import Store
from .throttle import Throttle

HEADERS = (("Content-Type", "text/xml"), ("Server", "Amazon SimpleDB"))
LARGEST_BODY = 32 * 1024 * 1024  # bytes; a full batch, percent-encoded, is well below
EXPORTS = "/v2/"  # paths of another API at the same host, which speaks JSON
OLDEST_REGION = "us-east-1"  # whose endpoint has no region in its name

_NO_EXPORTS = (("Content-Type", "application/json"), ("x-amzn-ErrorType", "NotImplemented"))
_HOST = re.compile(r"sdb(?:\.([a-z]{2}(?:-[a-z]+)+-[0-9]))?\.", re.IGNORECASE)
_SCOPE = re.compile(r"Credential=[^/,\s]+/[0-9]{8}/([a-z0-9-]+)/sdb/")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """One HTTP request. `query` is what follows the question mark, `body` bytes; `authorization` a header or ""."""

    method: str
    path: str = "/"
    query: str = ""
    host: str = ""
    body: bytes = b""
    authorization: str = ""


class SimpleDB:
    """The service on one folder of data. Safe to use from many threads."""

    def __init__(self, store, region, throttle=None):
        """`store` is a Store, `throttle` a Throttle; `region` serves requests that name none."""
        self.store = store
        self.region = region
        self.throttle = throttle or Throttle()

    def close(self):
        """Close the store."""
        self.store.close()

    def answer(self, request):
        """(status, headers, body) for a Request; headers as a tuple of (name, value)."""
        if request.path.startswith(EXPORTS):
            log.warning("not implemented: %s", request.path)
            return 501, _NO_EXPORTS, b'{"message": "Exports of domains are not part of this SimpleDB."}'
        action = ""
        try:
            parameters = read_parameters(request)
            action = parameters.get("Action", "")
            region = self.region_of(request)
            if action in WRITES:
                self.throttle.take(region, parameters.get("DomainName"))
            result = perform(self.store, region, parameters)
            return 200, HEADERS, wire.success(action, result.xml, result.usage)
        except Refused as refused:
            return self._failure(action, refused)
        except Exception:  # a client must get an AWS error, not a closed connection; the log has the traceback
            log.exception("SimpleDB could not perform %s", action)
            return self._failure(action, Refused("InternalError"))

    def region_of(self, request):
        """The region a request is for: signature version 2 has none, so the host's name tells it."""
        if scope := _SCOPE.search(request.authorization):
            return scope[1]
        if host := _HOST.match(request.host):
            # A bare sdb.amazonaws.com is a region of its own; a bare sdb.localhost is nobody's.
            return host[1] or (OLDEST_REGION if "amazonaws" in request.host else self.region)
        return self.region

    def _failure(self, action, refused):
        return refused.status, HEADERS, wire.failure(refused, usage.refused(action))


def open_service(folder, region, write_rate=None, **options):
    """A SimpleDB whose data is in `folder` (made if it is not there).

    `write_rate` is how many writes a second a domain takes before it answers 503; `options` are the Store's.
    """
    return SimpleDB(Store(folder, **options), region, Throttle(write_rate))


def is_simpledb(request):
    """Whether a Request is for SimpleDB, among those for other services on one endpoint."""
    if _HOST.match(request.host) or _SCOPE.search(request.authorization):
        return True
    version = f"Version={VERSION}"
    if version not in request.query and version.encode() not in request.body:
        return False
    try:
        return read_parameters(request).get("Action") in ACTIONS
    except Refused:
        return False


def read_parameters(request):
    """The parameters of a Request as a dict; the first one counts if a name comes twice. Raises Refused."""
    if request.method not in ("GET", "POST"):
        raise Refused("UnsupportedHttpVerb", request.method)
    if request.path != "/":
        raise Refused("InvalidURI", request.path)
    try:
        pairs = urlencoded.pairs(request.query)
        if request.method == "POST":
            pairs += urlencoded.pairs(request.body.decode())
    except ValueError as error:
        raise Refused("InvalidHttpRequest", "parameters are not percent-encoded UTF-8") from error
    return dict(reversed(pairs))
