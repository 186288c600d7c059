"""A plain HTTP/1.1 server for SimpleDB alone: keep-alive, one thread for each connection, nothing else."""

import logging
import re
import socket
import socketserver
import struct
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import unquote

from . import usage, wire
from .api import HEADERS, LARGEST_BODY, Request
from .errors import Refused

LONGEST_LINE = 64 * 1024  # bytes of a request line or a header
LONGEST_HEAD = 512 * 1024  # bytes of the request line and all headers
MOST_HEADERS = 100
IDLE = 300  # seconds a connection may stay silent
_PIECE = 64 * 1024  # bytes asked of the system at once: a whole request, mostly
_LARGEST_PIECE = 1024 * 1024
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")

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


class _Connection(socketserver.BaseRequestHandler):
    """Reads requests by hand: http.server's way through the e-mail parser takes longer than a Get."""

    def setup(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The system's own timeout; Python's would cost a poll before each read.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", IDLE, 0))
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", IDLE, 0))
        self._arrived = b""  # and not looked at yet

    def handle(self):
        try:
            while (head := self._head()) and self._exchange(head):
                pass
        except Refused as refused:  # what follows on the connection cannot be told apart from what was wrong
            self._send(refused.status, HEADERS, wire.failure(refused, usage.WRITE_REFUSED), stay=False)
        except OSError:
            log.debug("a client went away", exc_info=True)

    def _exchange(self, head):
        """Answer one request; whether another may follow."""
        line, *lines = head.replace("\r\n", "\n").split("\n")
        try:
            method, target, protocol = line.encode("ascii").decode().split()
        except ValueError as error:
            raise Refused("InvalidHttpRequest", "the request line is malformed") from error
        headers = _headers(lines)
        body = self._body(headers)
        path, _, query = target.partition("?")
        request = Request(method, unquote(path), query, headers.get("host", ""), body, headers.get("authorization", ""))
        connection = headers.get("connection", "").lower()
        stay = connection != "close" and (protocol == "HTTP/1.1" or connection == "keep-alive")
        self._send(*self.server.simpledb.answer(request), stay, method != "HEAD")
        return stay

    def _head(self):
        """The request line and the headers as text, "" if the client has hung up."""
        looked_at = 0
        while not (end := _END_OF_HEAD.search(self._arrived, looked_at)):
            if len(self._arrived) - self._arrived.rfind(b"\n") > LONGEST_LINE:
                raise Refused("URITooLong", f"{LONGEST_LINE} bytes")
            if len(self._arrived) > LONGEST_HEAD:
                raise Refused("InvalidHttpRequest", "there are too many headers")
            looked_at = max(0, len(self._arrived) - 3)
            piece = self.request.recv(_PIECE)
            if not piece:
                return ""
            self._arrived += piece
        head = self._arrived[: end.start()].decode("latin-1")
        self._arrived = self._arrived[end.end() :]
        return head

    def _body(self, headers):
        if "transfer-encoding" in headers:
            raise Refused("InvalidHttpRequest", "a body must come with its Content-Length")
        length = headers.get("content-length", "0")
        if not re.fullmatch("[0-9]{1,15}", length) or int(length) > LARGEST_BODY:
            raise Refused("InvalidHttpRequest", f"a body may have at most {LARGEST_BODY} bytes")
        if headers.get("expect", "").lower() == "100-continue":
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        missing = int(length) - len(self._arrived)
        pieces = [self._arrived]
        while missing > 0:
            piece = self.request.recv(min(missing, _LARGEST_PIECE))
            if not piece:
                raise ConnectionError("the client went away in the middle of a body")
            pieces.append(piece)
            missing -= len(piece)
        arrived = b"".join(pieces)
        self._arrived = arrived[int(length) :]
        return arrived[: int(length)]

    def _send(self, status, headers, body, stay, with_body=True):
        head = _answer_head(status, headers, stay, int(time.time())) + f"Content-Length: {len(body)}\r\n\r\n".encode()
        self.request.sendall(head + body if with_body else head)


def _headers(lines):
    """The headers by their names in small letters."""
    if len(lines) > MOST_HEADERS:
        raise Refused("InvalidHttpRequest", "there are too many headers")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Refused("InvalidHttpRequest", "a header is malformed")
        headers[name.lower()] = value.strip()
    return headers


@lru_cache(maxsize=64)
def _answer_head(status, headers, stay, second):
    """All that stands before an answer's length; the same for all answers of one second."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Date: {formatdate(second, usegmt=True)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, f"Connection: {'keep-alive' if stay else 'close'}", ""]).encode("latin-1")
