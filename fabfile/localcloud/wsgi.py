"""The endpoint as a WSGI application: administration, then who asks, then the call, saved before it is answered."""

import io
import json
import time
from urllib.parse import parse_qsl

from werkzeug.exceptions import RequestEntityTooLarge

from . import answers, calls
from .cloud import REGION
from .credentials import scope
from .simpledb.api import FAULTS, is_simpledb
from .simpledb.operations import VERSION
from .simpledb.wsgi import read_request

TRUST = ("/us-west-2/us-west-2-bundle.pem", "/global/global-bundle.pem")
GLOBAL = ("iam", "sts")  # signed for us-east-1 by some clients
EVERY_REGION = ("sdb",)  # it has domains of its own in each, and says itself where it is not
SERVICES = {"ec2", "rds", "monitoring", "cloudwatch", "secretsmanager", "ssm", "iam", "sts", "kms", "tagging"}
SERVICES |= {"sdb", "s3"}
LARGEST = 16 * 1024 * 1024  # bytes of a request; AWS's own bound for EC2's is a quarter of that
LARGEST_OBJECT = 256 * 1024 * 1024  # bytes of one put or part: moto holds it in memory; S3's bound is 5 GiB
READING = ("GET", "HEAD", "OPTIONS")
HERE = "127.0.0.1"
BAD = "400 Bad Request"


class Endpoint:
    """The application. `moto` is moto's own; `simpledb` another, for SimpleDB's requests."""

    def __init__(self, cloud, credentials, faults, moto, simpledb):
        self.cloud, self.credentials, self.faults = cloud, credentials, faults
        self.moto, self.simpledb = moto, simpledb

    def __call__(self, environ, start_response):
        path = environ.get("PATH_INFO", "/")
        if path.startswith("/_local/") or path in TRUST:
            status, headers, body = self._administration(environ, path)
        else:
            status, headers, body = self._call(environ)
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    # -- a call ----------------------------------------------------------------------------------------------------

    def _call(self, environ):
        key, region, service = scope(environ, _query(environ))
        largest = LARGEST_OBJECT if service == "s3" else LARGEST
        if int(environ.get("CONTENT_LENGTH") or 0) > largest:
            environ["wsgi.input"].read(LARGEST)  # or the client sees its connection reset in place of the answer
            return self._too_large(service, largest)
        if service == "s3":
            parameters = _query(environ)
            try:
                _read_object(environ)
            except RequestEntityTooLarge:
                return self._too_large(service, largest)
        else:
            parameters = self._parameters(environ)
            key, region, service = scope(environ, parameters)
        if not service and (parameters.get("Version") == VERSION or is_simpledb(read_request(environ))):
            service = "sdb"
        headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
        headers["content-type"] = environ.get("CONTENT_TYPE", "")

        def refuse(code, message, status):
            self.cloud.log.info("refused: %s %s: %s", service, parameters.get("Action", ""), code)
            return answers.error(service, headers, code, message, status)

        if self.cloud.stopping:
            return refuse("ServiceUnavailable", "This local cloud is being stopped.", 503)
        token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN") or parameters.get("X-Amz-Security-Token")
        token = token or parameters.get("SecurityToken")
        with self.cloud.lock:
            refusal = self.credentials.refusal(key, token, service, here=environ.get("REMOTE_ADDR") == HERE)
        if refusal:
            return refuse(*refusal)
        if region not in (None, REGION) and service not in GLOBAL and service not in EVERY_REGION:
            sentence = f"This local cloud has one region, {REGION}; the request was for {region}."
            return refuse("OptInRequired", sentence, 403)
        if service not in SERVICES:
            return refuse("NotImplemented", f"This local cloud has no service {service}.", answers.NOT_IMPLEMENTED)
        if service == "sdb":
            return _run(self.simpledb, environ)
        return self._moto(environ, service, refuse)

    @staticmethod
    def _too_large(service, largest):
        status, headers, body = _answer("413 Request Entity Too Large", b"", "text/plain")
        if service == "s3":
            sentence = f"This local cloud takes {largest} bytes in one request: upload larger objects in parts."
            status, headers, body = answers.error("s3", {}, "EntityTooLarge", sentence, 400)
        return status, [*headers, ("Connection", "close")], body  # the rest of what was sent is no request

    def _moto(self, environ, service, refuse):
        calls.begin()
        method = environ["REQUEST_METHOD"]
        if service == "s3" and (fault := self.faults.take("s3", method)):
            time.sleep(fault.delay)
            if fault.code:
                return refuse(fault.code, fault.message, fault.status)
        try:
            with self.cloud.change() as change:
                change.needed = False
                answer = _run(self.moto, environ)
                change.needed = method not in READING if service == "s3" else calls.writes(calls.last())
        except OSError as error:
            self.cloud.log.error("the state could not be saved: %s", error)
            return refuse("InternalError", f"The local cloud could not save its state: {error.strerror}", 500)
        except NotImplementedError:  # of S3's, whose calls do not pass through calls.py
            self.cloud.log.warning("not implemented: %s %s", service, method)
            return refuse("NotImplemented", "This call is not part of this local cloud.", answers.NOT_IMPLEMENTED)
        except Exception:  # the request's edge: a client that reads XML must not get werkzeug's page
            self.cloud.log.exception("%s %s crashed", service, calls.last())
            return refuse(*self._failed())
        if answer[0][0] in "45" and answer[2][:15].lower().startswith((b"<!doctype html", b"<html")):
            self.cloud.log.error("%s %s was answered with a page of HTML", service, calls.last())
            return refuse(*self._failed())
        time.sleep(calls.delay())
        return answer

    def _failed(self):
        return "InternalError", f"The local cloud failed: see {self.cloud.place.home}/cloud.log", 500

    @staticmethod
    def _parameters(environ):
        """The query's and, for a form, the body's parameters; the body can be read again."""
        parameters = _query(environ)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        environ["wsgi.input"] = io.BytesIO(body)
        if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            parameters |= dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        return parameters

    # -- administration --------------------------------------------------------------------------------------------

    def _administration(self, environ, path):
        method = environ["REQUEST_METHOD"]
        if path in TRUST:
            return _answer("200 OK", self.cloud.drivers.databases.authority.encode(), "application/x-pem-file")
        if environ.get("REMOTE_ADDR") != HERE:
            return _answer("403 Forbidden", b"only from the machine the cloud runs on\n", "text/plain")
        if path == "/_local/health":
            return _json({"ok": True, "drivers": self.cloud.drivers.name})
        if path == "/_local/status":
            with self.cloud.lock:
                return _json(self.cloud.status())
        if path == FAULTS:
            length = min(int(environ.get("CONTENT_LENGTH") or 0), LARGEST)
            status, body = self.faults.administer(method, environ["wsgi.input"].read(length))
            return _answer("200 OK", body, "application/json") if status == 200 else _answer(BAD, body, "text/plain")
        return _answer("404 Not Found", b"no such page\n", "text/plain")


def _run(application, environ):
    """(status, headers, body) of a WSGI application's answer."""
    started = []

    def start_response(status, headers, exc_info=None):
        started[:] = [status, headers]

    parts = application(environ, start_response)
    try:
        body = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    status, headers = started
    if environ["REQUEST_METHOD"] == "HEAD":  # its Content-Length tells of a body that is not sent
        return status, headers, body
    headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
    return status, [*headers, ("Content-Length", str(len(body)))], body


def _query(environ):
    return dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))


def _read_object(environ):
    """Read the whole body, before anybody waits for this call, and hand it to moto with a length and as no form.

    Raises RequestEntityTooLarge for a body in chunks above the bound.
    """
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        environ["CONTENT_TYPE"] = "binary/octet-stream"  # what curl adds by itself would have it parsed and lost
    chunked = environ.pop("wsgi.input_terminated", False)
    length = LARGEST_OBJECT + 1 if chunked else int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    if len(body) > LARGEST_OBJECT:
        raise RequestEntityTooLarge
    if len(body) < length and not chunked:
        raise ConnectionError("the client went away in the middle of a body")
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"], environ["wsgi.input"] = str(len(body)), io.BytesIO(body)


def _answer(status, body, kind):
    return status, [("Content-Type", kind), ("Content-Length", str(len(body)))], body


def _json(value):
    return _answer("200 OK", json.dumps(value, default=str).encode(), "application/json")
