"""What loading and saving a session costs, beside other engines: `python -m tests.bench.sessions [rounds]`.

Needs tests/bench/sessions/requirements.txt. Redis and MariaDB are started for the run, on loopback. The engines take
turns within each round, so that a busy machine is busy for all of them alike. Of each turn are noted the CPU of this
process, the time by the clock, and the CPU of Redis, in microseconds for one act; printed are the medians over the
rounds, and how many times as fast we are as the fastest peer: the median of the ratios within a round, and for the
clock also the ratio of the best turns, which what else runs here disturbs least. Then the memory of a session, how many
connections 200 requests open under ASGI, what is lost when requests of one session race, and how long a hung Redis is
waited for.
"""

import asyncio
import importlib.util
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.web.servers import Servers

if importlib.util.find_spec("django_redis") is None:
    raise SystemExit("A peer is missing: pip install -r tests/bench/sessions/requirements.txt, then run this again.")

SIZES = (1, 20, 200)
ACTS = {"load": 400, "load+save": 200, "async load": 200, "async load+save": 100}  # how often in one turn
AIMS = {"load": 1.15, "load+save": 1.6, "async load+save": 3}


class Spent:
    """What a turn takes, in microseconds for one act: the CPU of this process, the clock, the CPU of Redis."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        self.redis = cpu_of_redis()
        self.cpu, self.clock = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_):
        cpu, clock = time.process_time() - self.cpu, time.perf_counter() - self.clock
        self.taken = [each * 1e6 / self.count for each in (cpu, clock, cpu_of_redis() - self.redis)]


def cpu_of_redis():
    """Seconds, as Redis itself counts them."""
    from webapp.sessions.connection import connection

    told = connection().info("cpu")
    return told["used_cpu_user"] + told["used_cpu_sys"]


def timed_turn(engine, key, act):
    """What one act takes, of a turn in this thread."""
    one = engine.load if act == "load" else engine.load_and_save
    arguments = [(key,) if act == "load" else (key, number) for number in range(ACTS[act])]
    with Spent(ACTS[act]) as spent:
        for each in arguments:
            one(*each)
    return spent.taken


async def async_turn(engine, key, act):
    """The same for coroutines, one after the other on one loop; the connection is open before."""
    await engine.aload(key)
    with Spent(ACTS[act]) as spent:
        for number in range(ACTS[act]):
            if act == "async load":
                await engine.aload(key)
            else:
                await engine.aload_and_save(key, number)
    await engine.close()
    return spent.taken


def measure(engines, keys, rounds):
    """{(engine, act): [what one act took, for each round]} with sessions of so many keys."""
    from tests.bench.sessions.engines import data

    stored, seen = {}, {}
    for engine in engines:
        engine.choose()
        stored[engine.name] = engine.new(data(keys))
    for number in range(rounds + 1):
        for act in ACTS:
            for engine in engines if number % 2 else reversed(engines):
                engine.choose()
                key = stored[engine.name]
                taken = asyncio.run(async_turn(engine, key, act)) if "async" in act else timed_turn(engine, key, act)
                if number:  # the first round warms up
                    seen.setdefault((engine.name, act), []).append(taken)
    return seen


def show(engines, keys, seen):
    """Print what all engines take with one size of session."""
    print(
        f"\n{keys} keys: µs of our CPU (of the clock, of Redis's CPU)\n{'':27}" + "".join(f"{act:>23}" for act in ACTS)
    )
    for engine in engines:
        print(f"{engine.name:27}" + "".join(cell(seen[engine.name, act]) for act in ACTS))


def cell(taken):
    """The medians of these turns."""
    cpu, clock, redis = (statistics.median(each) for each in zip(*taken, strict=True))
    return f"{cpu:10.1f} ({clock:5.0f},{redis:4.0f})"


def show_aims(results):
    """Print how we stand against the fastest peer."""
    from tests.bench.sessions.engines import PEER

    print(f"\nOurs beside {PEER}: µs for one act, and how many times as fast")
    print(f"{'':22}{'our CPU':^26}{'clock':^34}{'CPU of Redis':^24}")
    three = f"{'ours':>8}{'peer':>8}{'times':>8}"
    print(f"{'':12}{'keys':>4}{'aim':>6}{three}  {three}{'best':>8}  {three}")
    for act in ACTS:
        for keys in SIZES:
            ours, peers = results[keys]["ours", act], results[keys][PEER, act]
            cpu, clock, redis = (compared(ours, peers, which) for which in range(3))
            best = min(each[1] for each in peers) / min(each[1] for each in ours)
            print(f"{act:15}{keys:4}{AIMS.get(act, ''):>6}{cpu}  {clock}{best:8.2f}  {redis}")


def compared(ours, peers, which):
    """The medians of both, and of their ratio within a round; round by round, since both had the same neighbours."""
    one, other = ([taken[which] for taken in turns] for turns in (ours, peers))
    times = statistics.median(theirs / mine for mine, theirs in zip(one, other, strict=True) if mine)
    return f"{statistics.median(one):8.1f}{statistics.median(other):8.1f}{times:8.2f}"


def main(rounds: int = 15):
    """Start the servers, measure all, stop them."""
    servers = Servers()
    os.environ |= {**servers.environment, "DJANGO_SETTINGS_MODULE": "tests.bench.sessions.settings"}
    try:
        servers.start_redis()
        servers.start_mariadb()
        import django

        django.setup()
        from django.core.management import call_command

        from tests.bench.sessions.connections import show_connections
        from tests.bench.sessions.engines import ENGINES
        from tests.bench.sessions.memory import show_memory
        from tests.bench.sessions.races import show_outage, show_races

        call_command("migrate", verbosity=0)
        print(f"Python {sys.version.split()[0]}, Django {django.__version__}, {rounds} rounds, load {os.getloadavg()}")
        results = {keys: measure(ENGINES, keys, rounds) for keys in SIZES}
        for keys in SIZES:
            show(ENGINES, keys, results[keys])
        show_aims(results)
        show_memory()
        show_connections(servers)
        show_races()
        show_outage(servers)
    finally:
        servers.stop()


if __name__ == "__main__":
    main(*[int(word) for word in sys.argv[1:]])
