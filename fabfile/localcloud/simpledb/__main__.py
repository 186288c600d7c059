"""`python -m fabfile.localcloud.simpledb`: SimpleDB alone, without root and without the rest of the local cloud."""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from .api import FAULTS, REGIONS, open_service
from .history import LAG, seconds
from .server import Server

_MORE = f"""\
Signature version 2 names no region: a request's region is that of its host name (sdb.eu-west-1.localhost) or of its
path (http://127.0.0.1:8123/eu-west-1), and else --region.

There is no S3 here: exports (simpledbv2) are written to files below DATA/exports/BUCKET/, named as their keys.

Errors, delays and a rate of writes for single domains are switched while it runs, by a POST to {FAULTS}:
  curl -d '{{"domain": "users-03", "write_rate": 50}}' http://127.0.0.1:8123{FAULTS}
A DELETE ends all of them.
"""


def main(arguments=None):
    """Serve until a SIGTERM or Ctrl-C; print the URL once requests are answered."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    try:
        simpledb = open_service(options.data, options.region, options.write_rate, lag=options.lag, seed=options.seed)
        server = Server((options.host, options.port), simpledb)
    except OSError as error:
        sys.exit(f"SimpleDB cannot start: {error}. Choose another --port or --data.")
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown waits for the loop to end, so it cannot run in the thread of the loop, where signals arrive.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    simpledb.start()
    print(server.url, flush=True)
    server.serve_forever()
    server.server_close()
    simpledb.close()


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m fabfile.localcloud.simpledb",
        description=__doc__,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8123, help="port to listen on; 0 picks a free one")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data; made if it is not there")
    parser.add_argument("--region", choices=REGIONS, default="us-west-2", help="region of requests that name none")
    lag = "seconds a read without ConsistentRead may be behind (default: %(default)s, as AWS's); 0 for never"
    parser.add_argument("--lag", type=seconds, default=LAG, help=lag)
    parser.add_argument("--seed", type=int, default=0, help="decides how much of the lag each domain has")
    rate = "writes a second and domain above which 503 is answered (default: any number)"
    parser.add_argument("--write-rate", type=_rate, help=rate)
    return parser


def _rate(text):
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


_rate.__name__ = "rate"  # argparse says "invalid rate value: '0'"

if __name__ == "__main__":
    main()
