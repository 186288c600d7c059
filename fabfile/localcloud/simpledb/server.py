"""A plain HTTP/1.1 server for SimpleDB alone: keep-alive, one thread for each connection, nothing else."""

import logging
import re
import socketserver
import time
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import unquote

from . import usage, wire
from .api import HEADERS, LARGEST_BODY, Request
from .errors import Refused

LONGEST_LINE = 64 * 1024  # bytes of a request line or a header
MOST_HEADERS = 100
IDLE = 300  # seconds a connection may stay silent

log = logging.getLogger(__name__)


class Server(socketserver.ThreadingTCPServer):
    """Serves one SimpleDB at (host, port); port 0 lets the system choose. `serve_forever` and `shutdown` as usual."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address, simpledb):
        self.simpledb = simpledb
        super().__init__(address, _Connection)

    @property
    def url(self):
        """Where it can be reached."""
        host, port = self.server_address[:2]
        return f"http://{host}:{port}"


class _Connection(socketserver.StreamRequestHandler):
    """Reads requests by hand: http.server's way through the e-mail parser takes longer than a Get."""

    timeout = IDLE
    disable_nagle_algorithm = True

    def handle(self):
        try:
            while (line := self._line()) and self._exchange(line):
                pass
        except Refused as refused:  # what follows on the connection cannot be told apart from what was wrong
            self._send(refused.status, HEADERS, wire.failure(refused, usage.WRITE_REFUSED), stay=False)
        except OSError:
            log.debug("a client went away", exc_info=True)

    def _exchange(self, line):
        """Answer one request; whether another may follow."""
        try:
            method, target, protocol = line.decode("ascii").split()
        except ValueError as error:
            raise Refused("InvalidHttpRequest", "the request line is malformed") from error
        headers = self._headers()
        body = self._body(headers)
        path, _, query = target.partition("?")
        request = Request(method, unquote(path), query, headers.get("host", ""), body, headers.get("authorization", ""))
        connection = headers.get("connection", "").lower()
        stay = connection != "close" and (protocol == "HTTP/1.1" or connection == "keep-alive")
        self._send(*self.server.simpledb.answer(request), stay, method != "HEAD")
        return stay

    def _headers(self):
        headers = {}
        for _ in range(MOST_HEADERS):
            line = self._line()
            if not line:
                return headers
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise Refused("InvalidHttpRequest", "a header is malformed")
            headers[name.lower()] = value.strip()
        raise Refused("InvalidHttpRequest", "there are too many headers")

    def _body(self, headers):
        if "transfer-encoding" in headers:
            raise Refused("InvalidHttpRequest", "a body must come with its Content-Length")
        length = headers.get("content-length", "0")
        if not re.fullmatch("[0-9]{1,15}", length) or int(length) > LARGEST_BODY:
            raise Refused("InvalidHttpRequest", f"a body may have at most {LARGEST_BODY} bytes")
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the client went away in the middle of a body")
        return body

    def _line(self):
        line = self.rfile.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise Refused("URITooLong", f"{LONGEST_LINE} bytes")
        return line.rstrip(b"\r\n")

    def _send(self, status, headers, body, stay, with_body=True):
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Date: {formatdate(time.time(), usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines += [f"Content-Length: {len(body)}", f"Connection: {'keep-alive' if stay else 'close'}", "", ""]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + (body if with_body else b""))
