"""SimpleDB's two protocols: from an HTTP request, however it arrived, to status, headers and body."""

import json
import logging
import re
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from ..faults import Faults
from . import export_api, urlencoded, usage, wire
from .errors import Asked, Refused
from .export_api import ExportApi, ExportRefused
from .exporter import Exporter
from .exports import Exports
from .operations import ACTIONS, VERSION, WRITES, perform
from .sinks import Folder
from .store import Store
from .throttle import Throttle

HEADERS = (("Content-Type", "text/xml"), ("Server", "Amazon SimpleDB"))
LARGEST_BODY = 32 * 1024 * 1024  # bytes; a full batch, percent-encoded, is well below
FAULTS = "/_local/faults"  # see faults.py
OLDEST_REGION = "us-east-1"  # whose endpoint has no region in its name
REGIONS = (
    OLDEST_REGION,
    "us-west-1",
    "us-west-2",
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "eu-west-1",
    "sa-east-1",
)

_EXPORTS = frozenset(f"{export_api.PATH}{name}" for name in ("StartDomainExport", "GetExport", "ListExports"))
_HOST = re.compile(r"sdb(?:\.([a-z]{2}(?:-[a-z]+)+-[0-9]))?\.", re.IGNORECASE)
_SCOPE = re.compile(r"Credential=[^/,\s]+/[0-9]{8}/([a-z0-9-]+)/sdb/")
_PATH = re.compile(r"/(?:([a-z]{2}(?:-[a-z]+)+-[0-9])/?)?")
_SELECTED = re.compile(r"\bfrom\s+(?:`((?:[^`]|``)+)`|([A-Za-z_$][\w$]*))", re.IGNORECASE)

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
    """The service on one folder of data. Safe to use from many threads.

    Each region has domains of its own. Signature version 2 names no region, and nothing else in a request does: a
    client with another region_name sends the same bytes. So the URL tells it: its host (sdb.eu-west-1.amazonaws.com,
    sdb.eu-west-1.localhost) or, for clients whose resolver knows no names below localhost, its path
    (http://127.0.0.1:4666/eu-west-1). Without either the region is the one given here. The export API is signed with
    version 4, which has the region in it.
    """

    def __init__(self, store, region, exports, sink, write_rate=None, faults=None, clock=time.time, sleep=time.sleep):
        """`region` serves requests that name none; `exports` is an Exports, `sink` one of sinks.py.

        `write_rate` is how many writes a second a domain takes before it answers 503; `faults` (a Faults) may say
        otherwise for some domains, and ask for errors and delays. `clock` tells seconds since 1970.
        """
        self.store = store
        self.region = region
        self.faults = faults or Faults()
        self.throttle = Throttle(write_rate, self.faults.write_rate)
        self._sleep = sleep
        self._exports = exports
        self._exporter = Exporter(store, exports, sink, clock)
        self._export_api = ExportApi(store, exports, self._exporter, clock)
        self._deciding = threading.Lock()  # no export of a domain begins while it is deleted

    def start(self):
        """Go on with the exports that the last end cut off."""
        if self._exports.next():
            self._exporter.wake()

    def close(self):
        """End the exporter after its present file, and close the store."""
        self._exporter.close()
        self._exports.close()
        self.store.close()

    def answer(self, request):
        """(status, headers, body) for a Request; headers as a tuple of (name, value)."""
        if request.path == FAULTS:
            status, body = self.faults.administer(request.method, request.body)
            return status, (("Content-Type", "application/json" if status == 200 else "text/plain"),), body
        if export_api.PATH in request.path:
            return self._answer_export(request)
        action = ""
        try:
            parameters = read_parameters(request)
            action = parameters.get("Action", "")
            self._fail_as_asked(action, parameters)
            region = self.region_of(request)
            if action in WRITES:
                self.throttle.take(region, parameters.get("DomainName"), action)
            if action == "DeleteDomain":
                result = self._delete_domain(region, parameters)
            else:
                result = perform(self.store, region, parameters)
            return 200, HEADERS, wire.success(action, result.xml, result.usage)
        except Refused as refused:
            return self._failure(action, refused)
        except Exception:  # a client must get an AWS error, not a closed connection; the log has the traceback
            log.exception("SimpleDB could not perform %s", action)
            return self._failure(action, Refused("InternalError"))

    def region_of(self, request):
        """The region a request is for. Raises Refused if SimpleDB is not there."""
        region = self._named_region(request) or self.region
        if region not in REGIONS:
            raise Refused("OptInRequired", region, ", ".join(REGIONS))
        return region

    def _named_region(self, request):
        if scope := _SCOPE.search(request.authorization):
            return scope[1]
        if (path := _PATH.match(request.path)) and path[1]:
            return path[1]
        if host := _HOST.match(request.host):
            # A bare sdb.amazonaws.com is a region of its own; a bare sdb.localhost is nobody's.
            return host[1].lower() if host[1] else (OLDEST_REGION if "amazonaws" in request.host.lower() else None)
        return None

    def _delete_domain(self, region, parameters):
        with self._deciding:
            if self._exports.active(region, parameters.get("DomainName")):
                raise Refused("DeleteConflictException")
            return perform(self.store, region, parameters)

    def _fail_as_asked(self, action, parameters):
        """Do what a fault rule says about this call."""
        if not self.faults.rules:
            return
        fault = self.faults.take("sdb", action, _domain_of(parameters))
        if fault:
            self._sleep(fault.delay)
            if fault.code:
                raise Asked(fault.code, fault.message, fault.status)

    def _answer_export(self, request):
        path = request.path[request.path.index(export_api.PATH) :]
        action = path.removeprefix(export_api.PATH)
        try:
            self._fail_as_asked(action, _read_domain(request.body))
            region = self.region_of(request)
            if request.method != "POST":
                raise ExportRefused("UnknownOperationException", f"There is no {request.method} of {path}.", 404)
            with self._deciding:
                return _json(200, self._export_api.answer(path, region, request.body))
        except (ExportRefused, Refused) as refused:
            return _json(refused.status, {"message": refused.message}, refused.code)
        except Exception:  # as in answer
            log.exception("SimpleDB could not perform %s", action)
            return _json(500, {"message": Refused("InternalError").message}, "InternalError")

    def _failure(self, action, refused):
        return refused.status, HEADERS, wire.failure(refused, usage.refused(action))


def open_service(folder, region, write_rate=None, sink=None, faults=None, **options):
    """A SimpleDB whose data is in `folder` (made if it is not there); `start` it once it may write to its sink.

    Without a `sink` exports go to `folder`/exports/BUCKET/KEY. `write_rate` and `faults` are those of SimpleDB,
    `options` the Store's.
    """
    store = Store(folder, **options)
    return SimpleDB(store, region, Exports(folder), sink or Folder(Path(folder) / "exports"), write_rate, faults)


def is_simpledb(request):
    """Whether a Request is for SimpleDB, among those for other services on one endpoint."""
    if _HOST.match(request.host) or _SCOPE.search(request.authorization) or request.path in _EXPORTS:
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
    if not _PATH.fullmatch(request.path):
        raise Refused("InvalidURI", request.path)
    try:
        pairs = urlencoded.pairs(request.query)
        if request.method == "POST":
            pairs += urlencoded.pairs(request.body.decode())
    except ValueError as error:
        raise Refused("InvalidHttpRequest", "parameters are not percent-encoded UTF-8") from error
    return dict(reversed(pairs))


def _domain_of(parameters):
    """The name of the domain that a call is about; "" for none."""
    if found := _SELECTED.search(parameters.get("SelectExpression", "")):
        return found[1].replace("``", "`") if found[1] else found[2]
    return parameters.get("DomainName", "")


def _read_domain(body):
    """The domain of an export's request, as _domain_of takes it; what is wrong with the body is said later."""
    try:
        return {"DomainName": str(json.loads(body).get("domainName", ""))}
    except (ValueError, AttributeError):
        return {}


def _json(status, value, error=None):
    headers = [("Content-Type", "application/json"), ("x-amzn-RequestId", str(uuid.uuid4()))]
    if error:
        headers.append(("x-amzn-ErrorType", error))
        value = {"__type": error, **value}
    return status, tuple(headers), json.dumps(value).encode()
