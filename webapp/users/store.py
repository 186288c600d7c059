"""Accounts in SimpleDB, each in the domain its name points to. No Django; the client is passed in.

StoreError
  NameTaken      somebody has this name, perhaps in another spelling
  Changed        the account is not what it was when it was read; read again and decide anew
  Unavailable    SimpleDB could not be reached, was throttled beyond the retries, or refused us
"""

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from webapp.users.account import Account, following, timestamp
from webapp.users.shards import LIMIT, SHARDS, canonical, domain

ATTEMPTS = 5
FIRST_PAUSE = 0.05  # seconds; doubles with each attempt, and the pause is drawn from the whole of it
LONGEST_PAUSE = 1.0
PATIENCE = 4.0  # seconds after which no further attempt is begun: a page is waiting

# What a condition that did not hold is called: the attribute has another value, or there is none.
CONDITION_FAILED = {"ConditionalCheckFailed", "AttributeDoesNotExist"}
WORTH_RETRYING = {"ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling"}


class StoreError(Exception):
    """The account store could not do what it was asked."""


class NameTaken(StoreError):
    """An account with this name exists."""


class Changed(StoreError):
    """Another client changed or deleted the account since it was read."""


class Unavailable(StoreError):
    """SimpleDB did not answer in time, or not with what was asked; nothing is known about the account."""


def connect(region: str, timeout: float = 2.0):
    """A SimpleDB client with botocore's usual credentials and endpoint. It never retries: the store does."""
    import boto3  # slow to import: only who opens a connection pays for it
    from botocore.config import Config

    config = Config(
        connect_timeout=min(1.0, timeout),
        read_timeout=timeout,
        max_pool_connections=16,
        retries={"total_max_attempts": 1},
    )
    return boto3.client("sdb", region_name=region, config=config)


@dataclass(frozen=True)
class AccountStore:
    """The accounts of one stage: `count` domains called by `prefix`.

    Clock, pause and chance are arguments so that tests need not wait for them.
    """

    client: object
    prefix: str
    count: int = SHARDS
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[float, float], float] = random.uniform

    def create(self, name: str, password: str, email: str = "", active: bool = True) -> Account:
        """Take `name` for a new account; of any number of clients at the same moment one succeeds.

        `password` is an encoded hash. Raises NameTaken, InvalidName, Unavailable.
        """
        account = Account.new(name, password, email, active, self.now())
        try:
            self._put(name, account.attributes(), {"Name": "id", "Exists": False})
        except Changed:
            # A retry after a lost answer finds what the first attempt wrote.
            seen = self.get(name)
            if seen is None or seen.id != account.id:
                raise NameTaken(f"the name {name} is taken") from None
        return account

    def get(self, name: str, attempts: int = ATTEMPTS) -> Account | None:
        """The account whose name folds to the same form as `name`, as it is now, or None."""
        answer = self._call("get_attributes", name, attempts, ConsistentRead=True)
        attributes = answer.get("Attributes", [])
        return Account.read(attributes) if attributes else None

    def change(self, account: Account, **changes: str | bool) -> Account:
        """Replace the named fields if the account is still as it was read; returns it as it now is.

        For a new password use `change_password`, which also ends sessions. Raises Changed, Unavailable.
        """
        changed = replace(account, **changes, updated=timestamp(self.now()), version=following(account.version))
        return self._replace(account, changed)

    def change_password(self, account: Account, password: str) -> Account:
        """Store another encoded hash and a new stamp, which ends every session made before."""
        return self.change(account, password=password, stamp=secrets.token_hex(16))

    def rehash(self, account: Account, password: str) -> Account:
        """Store a stronger hash of the same password: no session ends and `updated` stays."""
        return self._replace(account, replace(account, password=password, version=following(account.version)))

    def touch(self, account: Account) -> Account:
        """Note a sign-in. Asked for only once and without a new version, since nobody's change depends on it."""
        touched = replace(account, last_login=timestamp(self.now()))
        attribute = {"Name": "last_login", "Value": touched.last_login, "Replace": True}
        self._put(account.name, [attribute], {"Name": "id", "Value": account.id, "Exists": True}, attempts=1)
        return touched

    def delete(self, account: Account) -> None:
        """Remove the account if it is still as it was read. Raises Changed, Unavailable."""
        self._call(
            "delete_attributes", account.name, Expected={"Name": "version", "Value": account.version, "Exists": True}
        )

    def _replace(self, old: Account, new: Account) -> Account:
        expected = {"Name": "version", "Value": old.version, "Exists": True}
        try:
            self._put(old.name, new.attributes(), expected)
        except Changed:
            seen = self.get(old.name)
            if seen is None or seen.version != new.version:
                raise
        return new

    def _put(self, name: str, attributes: list[dict], expected: dict, attempts: int = ATTEMPTS) -> None:
        for attribute in attributes:
            if len(attribute["Value"].encode()) > LIMIT:
                raise ValueError(f"{attribute['Name']} must not be longer than {LIMIT} bytes in UTF-8")
        self._call("put_attributes", name, attempts, Attributes=attributes, Expected=expected)

    def _call(self, operation: str, name: str, attempts: int = ATTEMPTS, **parameters) -> dict:
        """One operation on the item of `name`, again after a pause when that may help.

        The pause is drawn from zero to its limit (full jitter): clients refused together must not return together.
        """
        # As slow to import as boto3.
        from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

        where = domain(name, self.prefix, self.count)
        began = self.clock()
        for attempt in range(1, attempts + 1):
            try:
                return getattr(self.client, operation)(DomainName=where, ItemName=canonical(name), **parameters)
            except ClientError as error:
                code = error.response["Error"]["Code"]
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if code in CONDITION_FAILED:
                    raise Changed(f"the account {name} was changed by another client") from error
                if code not in WORTH_RETRYING and status < 500:
                    raise Unavailable(f"{operation} on the domain {where} was refused: {error}") from error
                failure = error
            except (HTTPClientError, ConnectionError) as error:
                failure = error
            except BotoCoreError as error:  # no credentials, say: the next attempt would end alike
                raise Unavailable(f"SimpleDB cannot be asked: {error}") from error
            pause = self.chance(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt))
            if attempt == attempts or self.clock() - began + pause > PATIENCE:
                raise Unavailable(f"{operation} on the domain {where} failed {attempt} times: {failure}") from failure
            self.sleep(pause)
        raise AssertionError("attempts must be at least 1")
