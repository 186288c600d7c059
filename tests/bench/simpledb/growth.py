"""How the time of a Get and of a Select by an attribute grows with the domain; how its deletion weighs on others."""

import itertools
import random
import tempfile
import time
from pathlib import Path

from . import requests
from .load import run
from .servers import ours

ASKED = 4000  # requests of each kind at each size
_KINDS = {"Get": requests.get, "Select where email =": requests.by_mail, "Select where company =": requests.by_company}
_OTHER = "beside"  # the domain that is written to while the large one is taken away
_BESIDE = 10  # seconds
_STEP = 2000  # batches between two words on how far it is


def measure(sizes, say):
    """A dict for each size, ascending: milliseconds of each kind over one connection, bytes on disk; one of a deletion.

    The domain is filled by BatchPut over 4 connections, as an import would.
    """
    results, there = [], 0
    with tempfile.TemporaryDirectory(prefix="hydra-bench-") as data, ours(Path(data)) as server:
        run(server.port, iter([requests.create()]), 1, 60, most=1)
        for size in sizes:
            begin = time.perf_counter()
            batches = itertools.chain(range(there // requests.BATCH, size // requests.BATCH))
            for start in range(there // requests.BATCH, size // requests.BATCH, _STEP):
                some = list(itertools.islice(batches, _STEP))
                say(f"filling: {start * requests.BATCH:,} of {size:,} items")
                run(server.port, map(requests.batch, some), 4, 3600, most=len(some))
            filled = (size - there) / (time.perf_counter() - begin)
            there = size
            results.append({"items": size, "filled_per_second": round(filled)} | _ask(server, size, say) | _disk(data))
        say(f"deleting the domain of {there:,} items")
        return results, _delete(server)


def show(sizes, deletion):
    """Print the tables for people."""
    print()
    row = "{:>12}{:>14}" + "{:>28}" * len(_KINDS) + "{:>10}"
    print(row.format("items", "filled/s", *(f"{kind} p50/p99 ms" for kind in _KINDS), "MiB"))
    for one in sizes:
        cells = [f"{one[kind]['p50_ms']:.2f} / {one[kind]['p99_ms']:.2f}" for kind in _KINDS]
        print(row.format(f"{one['items']:,}", f"{one['filled_per_second']:,}", *cells, f"{one['bytes'] / 2**20:,.0f}"))
    puts = "/".join(f"{deletion[key]:.2f}" for key in ("p50_ms", "p99_ms", "most_ms"))
    print(f"\nDeleteDomain of the last: {deletion['delete_ms']:.1f} ms;", end=" ")
    print(f"Put into another domain in the {_BESIDE} s after it: p50/p99/most {puts} ms")


def _delete(server):
    run(server.port, iter([requests.create(_OTHER)]), 1, 60, most=1)
    once = run(server.port, iter([requests.delete()]), 1, 60, most=1)
    puts = (requests.put(number, _OTHER) for number in itertools.count())
    times = sorted(run(server.port, puts, 1, _BESIDE).milliseconds)
    return {
        "delete_ms": round(once.milliseconds[0], 3),
        "p50_ms": round(times[len(times) // 2], 3),
        "p99_ms": round(times[len(times) * 99 // 100], 3),
        "most_ms": round(times[-1], 3),
    }


def _ask(server, size, say):
    found = {}
    for kind, request in _KINDS.items():
        say(f"asking at {size:,} items: {kind}")
        asked = iter([request(random.randrange(size)) for _ in range(ASKED)])
        one = run(server.port, asked, 1, 600, most=ASKED, cpu=server.cpu)
        times = sorted(one.milliseconds)
        found[kind] = {
            "p50_ms": round(times[len(times) // 2], 3),
            "p99_ms": round(times[len(times) * 99 // 100], 3),
            "cpu_ms_per_request": round(one.cpu / one.answers * 1000, 3),
        }
    return found


def _disk(data):
    return {"bytes": sum(path.stat().st_size for path in Path(data).rglob("*") if path.is_file())}
