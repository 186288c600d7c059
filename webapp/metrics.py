"""What is counted and timed: requests, and calls to the three stores. `webapp.exposition` shows it to Prometheus."""

import functools
import time
from collections.abc import Callable, Iterable

from prometheus_client import Counter, Histogram, Metric

# Seconds: a warm redirect takes one millisecond, a sign-in a hundred, and gunicorn ends a worker after thirty.
PAGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
CALLS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

REQUESTS = Counter("hydra_requests", "Requests answered.", ["view", "method", "status"])
REQUEST_SECONDS = Histogram("hydra_request_seconds", "Time until the answer began.", ["view", "method"], buckets=PAGES)
STORE_SECONDS = Histogram(
    "hydra_store_seconds", "Time of one call to a store, failed ones too.", ["store", "operation"], buckets=CALLS
)
STORE_ERRORS = Counter("hydra_store_errors", "Calls to a store that failed.", ["store", "operation", "error"])
OUTAGES = Counter("hydra_outages", "Requests that were told to come later because a store was away.", ["store"])
# What no process of ours has counted, but a store knows: asked for each time somebody looks.
ASKED: dict[str, Callable[[], Iterable[Metric]]] = {}


def note_request(view: str, method: str, status: int, seconds: float) -> None:
    """One request was answered."""
    REQUESTS.labels(view, method, status).inc()
    REQUEST_SECONDS.labels(view, method).observe(seconds)


def note_call(store: str, operation: str, seconds: float, error: str = "") -> None:
    """One call to a store ended, with this kind of error if it failed. `operation` must be one of a few words."""
    seconds_of(store, operation).observe(seconds)
    if error:
        STORE_ERRORS.labels(store, operation, error).inc()


@functools.cache
def seconds_of(store: str, operation: str) -> Histogram:
    """Where the calls of one kind are noted: looked up once, since most calls take little longer than looking it up."""
    return STORE_SECONDS.labels(store, operation)


class measured:
    """Notes what is done within as one call to a store."""

    __slots__ = ("began", "operation", "store")

    def __init__(self, store: str, operation: str):
        self.store, self.operation = store, operation

    def __enter__(self):
        self.began = time.perf_counter()

    def __exit__(self, kind, error, traceback):
        seconds = time.perf_counter() - self.began
        note_call(self.store, self.operation, seconds, kind.__name__ if kind else "")
