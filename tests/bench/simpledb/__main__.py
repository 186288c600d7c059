"""How fast our SimpleDB is, beside stock moto's: `python -m tests.bench.simpledb [--json]`.

Requests per second over 1 and 16 connections, the CPU time of the server for each request, and how the time of a Get
and of a Select grows with the domain. The servers take turns, round for round, so that whatever else this machine does
meanwhile weighs on both; medians are told.
"""

import argparse
import contextlib
import itertools
import json
import random
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import growth, requests
from .load import run
from .servers import moto, ours

ITEMS = 10_000  # in the domain before the rounds begin
CONNECTIONS = (1, 16)
AIM = 5  # times moto, for Put and Get


@dataclass(frozen=True)
class Work:
    """One line of the table: what is asked (bytes from a number), with how many items each, and whether moto can."""

    name: str
    request: object
    most: int  # requests prepared for a second; more than any server here answers
    items: int = 1
    new: bool = False  # each request writes accounts that are not there yet
    moto: bool = False


WORKS = (
    Work("Put", requests.put, 8000, new=True, moto=True),
    Work("Get", requests.get, 12000, moto=True),
    Work("BatchPut of 25", requests.batch, 1500, requests.BATCH, new=True),
    Work("Select where company = (50 names)", requests.by_company, 8000, requests.GROUP),
    Work("Select where email = (1 account)", requests.by_mail, 8000),
    Work("Select itemName() in (20 accounts)", requests.by_names, 4000, 20),
    Work("Select order by created (50 names)", requests.newest, 4000, requests.PAGE),
)


def main(arguments=None):
    """Measure and print; progress goes to stderr."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.simpledb", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds, whose median counts; 0: none (default: 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds of each round and line (default: 1)")
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS, help="(default: 1 16)")
    parser.add_argument("--only", default="", help="measure only the lines whose name holds this text")
    parser.add_argument("--growth", type=int, nargs="*", default=[], metavar="ITEMS", help="also at these domain sizes")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    works = [work for work in WORKS if options.only.lower() in work.name.lower() and options.rounds]
    lines = side_by_side(works, options.connections, options.rounds, options.seconds) if works else []
    sizes, deletion = growth.measure(sorted(options.growth), say) if options.growth else ([], None)
    if options.json:
        print(json.dumps({"lines": lines, "growth": sizes, "deletion": deletion}, indent=1))
        return
    if lines:
        show(lines)
    if sizes:
        growth.show(sizes, deletion)


def side_by_side(works, connections, rounds, seconds):
    """One dict for each work and number of connections, with the figures of both servers."""
    numbers = itertools.count(ITEMS // requests.BATCH + 1)
    measured = {}
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="hydra-bench-"))
        servers = {"ours": stack.enter_context(ours(Path(data))), "moto": stack.enter_context(moto())}
        for server in servers.values():
            run(server.port, iter([requests.create()]), 1, 60, most=1)
        fill(servers["ours"].port, requests.batch, ITEMS // requests.BATCH)
        fill(servers["moto"].port, requests.put, ITEMS // 10)
        for turn in range(rounds):
            for work, many in itertools.product(works, connections):
                say(f"round {turn + 1} of {rounds}: {work.name}, {many} connections")
                for name, server in servers.items():
                    if name == "ours" or work.moto:
                        prepared = prepare(work, numbers, seconds, name)
                        one = run(server.port, prepared, many, seconds, cpu=server.cpu, most=len(prepared))
                        measured.setdefault((work, many), {}).setdefault(name, []).append(one)
    return [line(work, many, runs) for (work, many), runs in measured.items()]


class Prepared:
    """An iterator over requests made beforehand, which knows how many there are."""

    def __init__(self, made):
        self._made, self._left = len(made), iter(made)

    def __len__(self):
        return self._made

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._left)


def prepare(work, numbers, seconds, server):
    """The requests of one round."""
    count = int(work.most * seconds / (1 if server == "ours" else 4))
    if work.request is requests.batch:
        return Prepared([work.request(number) for number in itertools.islice(numbers, count)])
    if work.new:
        blocks = itertools.islice(numbers, count // requests.BATCH)
        return Prepared([work.request(block * requests.BATCH + n) for block in blocks for n in range(requests.BATCH)])
    known = ITEMS if server == "ours" else ITEMS // 10
    return Prepared([work.request(random.randrange(known)) for _ in range(count)])


def fill(port, request, count):
    """Send so many requests, numbered from 0."""
    run(port, map(request, range(count)), 1, 600, most=count)


def line(work, many, runs):
    """The figures of one work at one number of connections."""
    result = {"work": work.name, "connections": many}
    for name, rounds in runs.items():
        every = sorted(itertools.chain.from_iterable(one.milliseconds for one in rounds))
        rate = statistics.median(one.rate for one in rounds)
        result[name] = {
            "requests_per_second": round(rate, 1),
            "items_per_second": round(rate * work.items, 1),
            "cpu_ms_per_request": round(statistics.median(one.cpu / one.answers for one in rounds) * 1000, 3),
            "p50_ms": round(every[len(every) // 2], 3),
            "p99_ms": round(every[len(every) * 99 // 100], 3),
        }
    if "moto" in result:
        result["times_moto"] = round(result["ours"]["requests_per_second"] / result["moto"]["requests_per_second"], 1)
    return result


def show(lines):
    """Print the table for people."""
    heads = ("", "conn.", "requests/s", "items/s", "CPU ms", "p50 ms", "p99 ms", "moto req/s", "CPU ms", "times moto")
    row = "{:36}{:>6}{:>12}{:>10}{:>8}{:>8}{:>8}{:>12}{:>8}{:>12}"
    print(row.format(*heads))
    for one in lines:
        our, other = one["ours"], one.get("moto")
        cells = [f"{our['requests_per_second']:,.0f}", f"{our['items_per_second']:,.0f}"]
        cells += [f"{our['cpu_ms_per_request']:.3f}", f"{our['p50_ms']:.2f}", f"{our['p99_ms']:.2f}"]
        if other:
            cells += [f"{other['requests_per_second']:,.0f}", f"{other['cpu_ms_per_request']:.3f}"]
            cells += [f"{one['times_moto']:.1f}"]
        print(row.format(one["work"], one["connections"], *cells, *["-"] * (8 - len(cells))))


def say(text):
    """Tell on stderr how far it is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
