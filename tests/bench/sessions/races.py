"""What is lost when several requests of one session write at once, and what comes back after its end."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

from django.contrib.sessions.backends.base import UpdateError

THREADS, REQUESTS, RACES = 8, 1000, 150


def show_races():
    """Print for each engine: how many writes of 8 threads were lost, how many of 150 ended sessions came back."""
    from tests.bench.sessions.engines import ENGINES

    print(f"\n{THREADS} threads, {REQUESTS:,} requests each, each its own key; {RACES} races of a save and a sign-out")
    print(f"{'':27}writes lost  sessions back")
    for engine in ENGINES[:5]:
        engine.choose()
        print(f"{engine.name:27}{lost(engine):11,}{came_back(engine):15}")


def lost(engine) -> int:
    """How many requests found that what their own thread had written before was gone, and the last ones if they are."""
    key = engine.new({"visits": 0})

    def write(thread):
        engine.choose()
        missed = 0
        for number in range(1, REQUESTS + 1):
            session = engine.session_store(key)
            missed += session.get(thread, 0) != number - 1
            session[thread] = number
            session.save()
        return missed

    names = [f"thread-{number}" for number in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as threads:
        missed = sum(threads.map(write, names))
    return missed + sum(engine.session_store(key).get(name) != REQUESTS for name in names)


def came_back(engine) -> int:
    """How many sessions were there after both requests had ended."""

    def save(session):
        try:
            session.save()
        except UpdateError:
            return

    back = 0
    with ThreadPoolExecutor(2) as threads:
        for number in range(RACES):
            key = engine.new({"visits": 0})
            saving, ending = engine.session_store(key), engine.session_store(key)
            saving["visits"], _ = 1, ending.get("visits")
            acts = [(save, saving), (lambda session: session.flush(), ending)]
            for act in [threads.submit(*each) for each in acts[:: 1 if number % 2 else -1]]:
                act.result()
            back += engine.session_store().exists(key)
    return back


def show_outage(servers):
    """Print how long a request with a session waits for a Redis that hangs."""
    from tests.bench.sessions.engines import ENGINES

    print("\nRedis hangs: what a request with a session gets, after how long")
    for engine in ENGINES[:4]:
        engine.choose()
        key = engine.new({"visits": 0})
        servers.processes["redis"].send_signal(signal.SIGSTOP)
        began = time.perf_counter()
        try:
            outcome = f"session {engine.session_store(key).load()}"
        except Exception as error:  # noqa: BLE001 - whatever it is is the result
            outcome = type(error).__name__
        finally:
            took = time.perf_counter() - began
            servers.processes["redis"].send_signal(signal.SIGCONT)
        print(f"{engine.name:27}{outcome:25}{took:6.2f} s")
