"""How fast accounts are imported, beside what the endpoint can take: `python -m tests.bench.bulk [--rows N] [--json]`.

The ceiling is that of a plain load generator, which sends BatchPutAttributes of the very same items, made beforehand,
over 16 connections, and looks at no answer. Both take turns, a part of the rows each, so that whatever else this
machine does weighs on both; the median of the rounds is told, and the CPU time of client and server for 25 rows.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from botocore.credentials import Credentials

from tests.bench.simpledb import load, requests
from tests.bench.simpledb.servers import ours
from webapp.users.bulk.batches import BATCH
from webapp.users.bulk.loading import Loader
from webapp.users.bulk.progress import Progress
from webapp.users.bulk.rows import row_of
from webapp.users.bulk.sources import Source
from webapp.users.bulk.wire import batch_form, signed
from webapp.users.shards import SHARDS, domains, item_hash
from webapp.users.store import AccountStore, connect

AIM = 1.5  # times the time of the plain load generator
CONNECTIONS = 16
NOW = "2026-01-01T00:00:00.000000Z"
_HEAD = (
    "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
    "Content-Length: {length}\r\n\r\n"
)


def main(arguments=None):
    """Measure and print; progress goes to stderr."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bulk", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="rows imported in all (default: 100,000)")
    parser.add_argument("--rounds", type=int, default=5, help="parts they are imported in (default: 5)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    options = parser.parse_args(arguments)
    told = [measure(kind, options.rows // options.rounds, options.rounds) for kind in ("without", "with")]
    if options.json:
        print(json.dumps(told, indent=1))
        return
    for one in told:
        print(
            f"{one['rows']:,} rows {one['addresses']} addresses: {one['rows_per_second']:,} rows/s imported, "
            f"{one['ceiling']:,} rows/s by the load generator: {one['times']:.2f} times its time (aim: {AIM}); CPU ms "
            f"for 25 rows: client {one['client_ms']}, server {one['server_ms']} (the generator's {one['ceiling_ms']}); "
            f"imported again, all there: {one['again_per_second']:,} rows/s"
        )


def measure(addresses, size, rounds):
    """The figures for rows with or without e-mail addresses, `rounds` times `size` of them."""
    with tempfile.TemporaryDirectory(prefix="hydra-bench-") as folder, ours(Path(folder) / "data") as server:
        os.environ |= {"AWS_ENDPOINT_URL_SIMPLEDB": f"http://127.0.0.1:{server.port}"}
        os.environ |= {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
        client = connect("us-west-2", timeout=10, connections=CONNECTIONS)
        for prefix in ("plain", "import"):
            for name in domains(prefix):
                client.create_domain(DomainName=name)
        turns = [turn(client, server, folder, addresses, number, size) for number in range(rounds)]
    middle = {key: statistics.median(each[key] for each in turns) for key in turns[0]}
    return {
        "addresses": addresses,
        "rows": size * rounds,
        "rows_per_second": round(size / middle["import"]),
        "again_per_second": round(size / middle["again"]),
        "ceiling": round(size / middle["plain"]),
        "times": round(statistics.median(each["import"] / each["plain"] for each in turns), 2),
        "client_ms": round(middle["client"] / size * BATCH * 1000, 2),
        "server_ms": round(middle["server"] / size * BATCH * 1000, 2),
        "ceiling_ms": round(middle["plain_server"] / size * BATCH * 1000, 2),
    }


def turn(client, server, folder, addresses, number, size):
    """Seconds of one round: of the load generator, of the import, and of the same import again."""
    print(f"{addresses} addresses: round {number + 1}", file=sys.stderr, flush=True)
    path = Path(folder) / f"{number}.jsonl"
    records = [record(place, addresses) for place in range(number * size, (number + 1) * size)]
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    prepared = plain_requests(records)
    one = load.run(server.port, iter(prepared), CONNECTIONS, 3600, most=len(prepared), cpu=server.cpu)
    times = {"plain": one.seconds, "plain_server": one.cpu}
    for name in ("import", "again"):
        store = AccountStore(client, "import")
        source = Source(str(path))
        used, cpu, begin = server.cpu(), time.process_time(), time.perf_counter()
        summary = Loader(store, Progress.open("")).load(source.records())
        times[name] = time.perf_counter() - begin
        if name == "import":
            times |= {"client": time.process_time() - cpu, "server": server.cpu() - used}
            assert summary.imported == size, summary
    return times


def record(number, addresses):
    """One row as a file has it."""
    values = dict(requests.attributes(number))
    row = {key: values[key] for key in ("name", "email", "created", "last_login")}
    row["password"] = values["password"].rpartition("$")[0] + "$" + "A" * 43 + "="
    return row if addresses == "with" else row | {"email": ""}


def plain_requests(records):
    """The bytes of BatchPutAttributes of all the items that the records become, by domain."""
    waiting, made = {name: [] for name in domains("plain")}, []
    for place, each in enumerate(records):
        row = row_of(place, each, NOW)
        put(waiting, made, row.item, row.account.values())
        if row.claim:
            claim = {"account": row.item, "id": row.account.id, "at": NOW, "version": row.account.version}
            put(waiting, made, row.claim, claim)
    made += [request(name, items) for name, items in waiting.items() if items]
    return made


def put(waiting, made, item, values):
    """Add one item to its domain's batch, and a full batch to what is made."""
    name = f"plain-{item_hash(item) % SHARDS:02x}"
    pairs = [{"Name": key, "Value": value} for key, value in values.items()]
    waiting[name].append({"Name": item, "Attributes": pairs})
    if len(waiting[name]) == BATCH:
        made.append(request(name, waiting[name]))
        waiting[name] = []


def request(name, items):
    """One request."""
    body = signed(batch_form(name, items), "http://127.0.0.1/", Credentials("bench", "bench"), time.time())
    return _HEAD.format(length=len(body)).encode() + body


if __name__ == "__main__":
    main()
