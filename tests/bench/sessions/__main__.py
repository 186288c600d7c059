"""What loading and saving a session costs, beside other engines: `python -m tests.bench.sessions [rounds]`.

Needs tests/bench/sessions/requirements.txt. Redis and MariaDB are started for the run, on loopback. The engines take
turns within each round, so that a busy machine is busy for all of them alike; printed is the median over the rounds of
the client process's own CPU, in microseconds for one act, which what else runs here disturbs least, and the median rate
by the clock. Then the aims, the memory of a session, how many connections 200 requests open under ASGI, what is lost
when requests of one session race, and how long a hung Redis is waited for.
"""

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.web.servers import Servers

SIZES = (1, 20, 200)
ACTS = {"load": 400, "load+save": 200, "async load": 200, "async load+save": 100}  # how often in one turn
AIMS = {"load": 1.15, "load+save": 1.6, "async load+save": 3}


def timed_turn(engine, key, act):
    """(CPU, clock) in seconds for one act, of a turn in this thread."""
    count = ACTS[act]
    one = engine.load if act == "load" else engine.load_and_save
    arguments = [(key,) if act == "load" else (key, number) for number in range(count)]
    cpu, clock = time.process_time(), time.perf_counter()
    for each in arguments:
        one(*each)
    return (time.process_time() - cpu) / count, (time.perf_counter() - clock) / count


async def async_turn(engine, key, act):
    """The same for coroutines, one after the other on one loop; the connection is open before."""
    count = ACTS[act]
    await engine.aload(key)
    cpu, clock = time.process_time(), time.perf_counter()
    for number in range(count):
        if act == "async load":
            await engine.aload(key)
        else:
            await engine.aload_and_save(key, number)
    taken = (time.process_time() - cpu) / count, (time.perf_counter() - clock) / count
    await engine.close()
    return taken


def measure(engines, keys, rounds):
    """{(engine, act): [(CPU, clock), ...]} with sessions of so many keys."""
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
    """Print the table of one size; gives the medians of the CPU."""
    middle = {which: [statistics.median(each) for each in zip(*taken, strict=True)] for which, taken in seen.items()}
    print(f"\n{keys} keys: CPU in µs (acts a second by the clock)\n{'':27}" + "".join(f"{act:>19}" for act in ACTS))
    for engine in engines:
        cells = [middle[engine.name, act] for act in ACTS]
        print(f"{engine.name:27}" + "".join(f"{cpu * 1e6:10.1f} ({1 / clock:6,.0f})" for cpu, clock in cells))
    return {which: cpu for which, (cpu, _) in middle.items()}


def show_aims(results):
    """Print how we stand against the fastest peer."""
    from tests.bench.sessions.engines import PEER

    print(f"\nTimes as fast as {PEER}, by CPU\n{'':20}" + "".join(f"{keys:>6} keys" for keys in SIZES) + "   aim")
    for act in ACTS:
        ratios = [results[keys][PEER, act] / results[keys]["ours", act] for keys in SIZES]
        print(f"{act:20}" + "".join(f"{ratio:11.2f}" for ratio in ratios) + f"   {AIMS.get(act, '')}")


def main(rounds: int = 15):
    """Start the servers, measure all, stop them."""
    servers = Servers()
    os.environ |= {**servers.environment, "DJANGO_SETTINGS_MODULE": "tests.bench.sessions.settings"}
    try:
        servers.start_redis()
        servers.start_mysql()
        import django

        django.setup()
        from django.core.management import call_command

        from tests.bench.sessions.connections import show_connections
        from tests.bench.sessions.engines import ENGINES
        from tests.bench.sessions.memory import show_memory
        from tests.bench.sessions.races import show_outage, show_races

        call_command("migrate", verbosity=0)
        print(f"Python {sys.version.split()[0]}, Django {django.__version__}, {rounds} rounds, load {os.getloadavg()}")
        results = {keys: show(ENGINES, keys, measure(ENGINES, keys, rounds)) for keys in SIZES}
        show_aims(results)
        show_memory(SIZES)
        show_connections(servers)
        show_races()
        show_outage(servers)
    finally:
        servers.stop()


if __name__ == "__main__":
    main(*[int(word) for word in sys.argv[1:]])
