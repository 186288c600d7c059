"""`python -m fabfile.localcloud.simpledb`: SimpleDB alone, without root and without the rest of the local cloud."""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from .api import open_service
from .server import Server


def main(arguments=None):
    """Serve until a SIGTERM or Ctrl-C; print the URL once requests are answered."""
    parser = argparse.ArgumentParser(prog="python -m fabfile.localcloud.simpledb", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8123, help="port to listen on; 0 picks a free one")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data; made if it is not there")
    parser.add_argument("--region", default="us-west-2", help="region of requests whose host name tells none")
    parser.add_argument("--lag", type=float, default=0.0, help="seconds a read without ConsistentRead may be behind")
    parser.add_argument("--seed", type=int, default=0, help="decides how much of the lag each domain has")
    parser.add_argument("--write-rate", type=float, help="writes a second and domain above which 503 is answered")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    try:
        simpledb = open_service(options.data, options.region, options.write_rate, lag=options.lag, seed=options.seed)
        server = Server((options.host, options.port), simpledb)
    except OSError as error:
        sys.exit(f"SimpleDB cannot start: {error}. Choose another --port or --data.")
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown waits for the loop to end, so it cannot run in the thread of the loop, where signals arrive.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(server.url, flush=True)
    server.serve_forever()
    server.server_close()
    simpledb.close()


if __name__ == "__main__":
    main()
