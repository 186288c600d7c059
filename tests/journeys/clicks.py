"""Visitors who follow one short link at a steady rate, and the books on what became of each click."""

import http.client
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Click:
    """One click: its number, when it was sent and answered (`time.monotonic`), the status; 0 if nobody answered."""

    number: int
    sent: float
    ended: float
    status: int


class Clicks:
    """Follows `url` so many times a second, each time over a connection of its own, from entering to leaving.

    A click waits for none before it, up to `visitors` at a time, so an answer that is slow makes no pause. Who has none
    after `patience` seconds gives up.
    """

    def __init__(self, url, rate, visitors=16, patience=5):
        self.host, self.path = urlsplit(url).netloc, urlsplit(url).path
        self.rate, self.patience, self.made, self.stop = rate, patience, [], threading.Event()
        self.next, self.turn = 0, threading.Lock()
        self.threads = [threading.Thread(target=self.visit) for _ in range(visitors)]

    def __enter__(self):
        self.began = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        self.made.sort(key=lambda click: click.number)

    def visit(self):
        while not self.stop.is_set():
            with self.turn:
                number, self.next = self.next, self.next + 1
            if not self.stop.wait(max(0, self.began + number / self.rate - time.monotonic())):
                self.made.append(self.click(number))

    def click(self, number):
        sent, status = time.monotonic(), 0
        connection = http.client.HTTPConnection(self.host, timeout=self.patience)
        try:
            connection.request("GET", self.path, headers={"User-Agent": f"Mozilla/5.0 (visitor {number % 7})"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            pass  # no answer
        finally:
            connection.close()
        return Click(number, sent, time.monotonic(), status)

    def wait(self, seconds):
        """Go on for so long."""
        self.stop.wait(seconds)

    @property
    def answered(self):
        """The clicks that were led on."""
        return [click for click in self.made if click.status == 302]
