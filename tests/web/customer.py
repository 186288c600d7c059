"""One of many clients of the user store: signs in, signs up and changes passwords until its standard input ends.

    python -m tests.web.customer PREFIX SHARDS LEASE NUMBER FIRST LAST

It alone changes the users FIRST to LAST, so it knows what each one's password must be. Prints what it did as JSON.
"""

import json
import random
import select
import sys
import time

from webapp.users.errors import StoreError
from webapp.users.store import AccountStore, connect

PAUSE = 0.02  # seconds between two acts; eight of these share a machine with what they test


def name_of(number: int) -> str:
    """The name of one of the users that are there from the beginning."""
    return f"user-{number:05d}"


def password_of(number: int) -> str:
    """His first password, as it is stored."""
    return f"first-{number}"


class Customer:
    """Uses its own users, and notes whatever is not as it must be."""

    def __init__(self, store: AccountStore, number: int, first: int, last: int):
        self.store, self.number = store, number
        self.passwords = {name_of(user): password_of(user) for user in range(first, last)}
        self.names = list(self.passwords)
        self.chance = random.Random(number)
        self.done = {"sign-in": 0, "sign-up": 0, "change": 0, "unknown": 0}
        self.failures = []

    def act(self) -> None:
        """One thing that a person may do."""
        what = self.chance.choices(list(self.done), weights=(12, 2, 3, 3))[0]
        try:
            getattr(self, what.replace("-", "_"))()
        except StoreError as error:
            self.failures.append(f"{what}: {type(error).__name__}: {error}")
        self.done[what] += 1

    def sign_in(self):
        name = self.chance.choice(self.names)
        account = self.store.get(name)
        if account is None or account.password != self.passwords[name]:
            self.failures.append(f"sign-in of {name}: {account and account.password}, not {self.passwords[name]}")
        return account

    def change(self):
        account = self.sign_in()
        if account:
            password = f"changed-{self.number}-{self.done['change']}"
            self.store.change_password(account, password)
            self.passwords[account.name] = password

    def sign_up(self):
        name = f"new-{self.number}-{self.done['sign-up']}"
        self.passwords[name] = f"made-{name}"
        self.store.create(name, self.passwords[name])
        self.names.append(name)

    def unknown(self):
        if self.store.get(f"nobody-{self.number}-{self.done['unknown']}"):
            self.failures.append("somebody was found who never was")


def main():
    prefix, shards, lease, *rest = sys.argv[1:]
    store = AccountStore(connect("us-west-2"), prefix, int(shards), lease=float(lease))
    customer = Customer(store, *map(int, rest))
    while not select.select([sys.stdin], [], [], 0)[0]:
        customer.act()
        time.sleep(PAUSE)
    print(json.dumps({"done": customer.done, "failures": customer.failures, "passwords": customer.passwords}))


if __name__ == "__main__":
    main()
