"""How far MySQL is behind Redis, for /metrics: whether the worker works, and how old the oldest click is that waits."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from redis.exceptions import RedisError

from webapp.links import counter

PASS = "hydra_links_pass_age_seconds"
WAITING = "hydra_links_waiting_seconds"
BATCHES = "hydra_links_waiting_batches"


def lag() -> Iterator[Metric]:
    """The metrics of this moment; none while Redis does not answer, whose errors are in other metrics."""
    try:
        now, passed, minutes = counter.backlog()
    except RedisError:
        return
    if passed is not None:
        age = max(0, now - passed)
        yield gauge(PASS, "Time since the worker last brought over all it found; over two minutes: look at it.", age)
    oldest = min(minutes, default=None)
    waiting = 0 if oldest is None else max(0, now - (oldest + 1) * 60)
    yield gauge(WAITING, "Time since the end of the oldest minute whose clicks are not in MySQL.", waiting)
    yield gauge(BATCHES, "Minutes whose clicks are in Redis alone, the present one among them.", len(minutes))


def gauge(name: str, words: str, value: float) -> Metric:
    """One number."""
    return GaugeMetricFamily(name, words, value)
