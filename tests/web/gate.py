"""A gate before the SimpleDB endpoint: it counts requests, and can refuse, lose or hold what passes."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

BUSY = (
    b"<?xml version='1.0'?><Response><Errors><Error><Code>ServiceUnavailable</Code>"
    b"<Message>Service AmazonSimpleDB is currently unavailable. Please try again later</Message></Error></Errors>"
    b"<RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
)


class Gate:
    """An HTTP server that passes each request on to the real endpoint, unless told otherwise."""

    def __init__(self, endpoint_port: int):
        self.endpoint_port = endpoint_port
        self.operations: list[str] = []
        self.busy = 0  # how many of the next requests are refused with 503
        self.passes = None  # how many more requests pass before all are refused; None for no limit
        self.lose = 0  # how many of the next requests are carried out without an answer
        self.speaks = threading.Event()  # while it is not set, no request gets an answer
        self.speaks.set()
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"gate": self}))
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """The names of the operations asked for within the block."""
        before, seen = len(self.operations), []
        yield seen
        seen.extend(self.operations[before:])

    def shut(self):
        """Within the block every request is refused as SimpleDB refuses when it is overloaded."""
        return self.every("busy")

    def deaf(self):
        """Within the block every connection ends without an answer."""
        return self.every("lose")

    @contextmanager
    def every(self, fate: str) -> Iterator[None]:
        """Within the block every request has this fate, and none afterwards."""
        setattr(self, fate, 10**9)
        try:
            yield
        finally:
            setattr(self, fate, 0)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Within the block every request is taken and none is answered, as by a server that hangs."""
        self.speaks.clear()
        try:
            yield
        finally:
            self.speaks.set()

    def let(self, requests: int | None) -> None:
        """Let so many requests pass and refuse all after them, until told otherwise."""
        self.passes = requests

    def verdict(self, operation: str) -> str:
        """What shall happen to this request."""
        with self.lock:
            self.operations.append(operation)
            if not self.speaks.is_set():
                return "silent"
            if self.busy:
                self.busy -= 1
                return "busy"
            if self.passes is not None:
                self.passes -= 1
                if self.passes < 0:
                    return "busy"
            if self.lose:
                self.lose -= 1
                return "lose"
        return "pass"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # five, the default, turns away clients who come all at once


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    gate: Gate

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        verdict = self.gate.verdict(parse_qs(body.decode()).get("Action", ["?"])[0])
        if verdict == "busy":
            return self.reply(503, BUSY)
        if verdict == "silent":
            self.gate.speaks.wait()
            self.close_connection = True
            return None
        status, answer = self.ask(body)
        if verdict == "lose":
            self.close_connection = True
            return None
        return self.reply(status, answer)

    def ask(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.endpoint_port, timeout=10)
        connection.request("POST", self.path, body, dict(self.headers))
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """A test's output is no place for an access log."""
