"""Divides the shards and prints its progress, a line each time: what a test kills.

python -m tests.web.divider PREFIX SHARDS LEASE SETTLING TARGET
"""

import sys

from webapp.users.division import Division
from webapp.users.pace import Pace
from webapp.users.store import AccountStore, connect


def tell(what: str, done: float, total: float) -> None:
    """One line of progress."""
    print(f"{what}: {done / total if total else 1:.3f}", flush=True)


def main():
    prefix, shards, lease, settling, target = sys.argv[1:]
    store = AccountStore(connect("us-west-2", connections=32), prefix, int(shards), lease=float(lease), patience=60)
    Division(store, Pace(10_000), tell, settling=float(settling)).run(int(target))


if __name__ == "__main__":
    main()
