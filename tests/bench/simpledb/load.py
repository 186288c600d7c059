"""A plain HTTP/1.1 load generator on raw sockets, so that the client is not the limit: one thread, one request under
way on each connection, the bytes of the requests made beforehand. It talks to this machine only.
"""

import re
import selectors
import socket
import time
from dataclasses import dataclass

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_CHUNK = 1 << 18
_SILENCE = 60  # seconds without any answer after which a run is given up


@dataclass(frozen=True)
class Round:
    """What one run measured: answers, wall seconds, CPU seconds of the server, milliseconds of each request."""

    answers: int
    seconds: float
    cpu: float
    milliseconds: tuple

    @property
    def rate(self):
        """Answers per second."""
        return self.answers / self.seconds


def run(port, requests, connections, seconds, most=1_000_000, cpu=lambda: 0.0):
    """Send `requests` (an iterator of bytes) over so many `connections`, each as soon as the one before is answered.

    Ends after `seconds` or `most` answers, and waits for what is under way. `cpu` tells the CPU seconds that the server
    has used so far. Gives a Round; raises SystemExit at the first answer that is not a 200.
    """
    with selectors.DefaultSelector() as selector:
        talks = [_Talk(port, selector) for _ in range(connections)]
        times, used, begin = [], cpu(), time.perf_counter()
        end = begin + seconds
        for talk in talks:
            talk.send(next(requests))
        waiting = len(talks)
        while waiting:
            ready = selector.select(_SILENCE)
            if not ready:
                raise SystemExit(f"The server at port {port} was silent for {_SILENCE} s.")
            for key, _ in ready:
                took = key.data.receive()
                if took is None:
                    continue
                times.append(took * 1000)
                if time.perf_counter() < end and len(times) + waiting <= most:
                    key.data.send(next(requests))
                else:
                    waiting -= 1
        took, used = time.perf_counter() - begin, cpu() - used
        for talk in talks:
            talk.close()
    return Round(len(times), took, used, tuple(times))


class _Talk:
    """One connection; a server that closes it after an answer is connected to again."""

    def __init__(self, port, selector):
        self._port, self._selector, self.socket = port, selector, None
        self._connect()

    def send(self, request):
        self._begun = time.perf_counter()
        if self.socket is None:
            self._connect()
        self.socket.sendall(request)

    def receive(self):
        """Seconds since the request was sent, or None if the answer is not complete yet."""
        piece = self.socket.recv(_CHUNK)
        self._answer += piece
        head = self._answer.find(b"\r\n\r\n")
        if head < 0 or not piece:
            if not piece:
                raise SystemExit(f"The server closed a connection in the middle of an answer: {self._answer[:200]}")
            return None
        length = _LENGTH.search(self._answer, 0, head)
        if len(self._answer) < head + 4 + int(length[1]):
            return None
        if self._answer[8:13] != b" 200 ":
            raise SystemExit(f"The server answered {self._answer[:1000].decode(errors='replace')}")
        if b"\r\nconnection: close" in self._answer[:head].lower():
            self.close()
        self._answer = b""
        return time.perf_counter() - self._begun

    def close(self):
        if self.socket:
            self._selector.unregister(self.socket)
            self.socket.close()
            self.socket = None

    def _connect(self):
        self.socket = socket.create_connection(("127.0.0.1", self._port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(self.socket, selectors.EVENT_READ, self)
        self._answer = b""
