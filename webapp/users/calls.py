"""One call of SimpleDB, tried again where that may help."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from webapp.users.breaker import Breaker
from webapp.users.errors import Changed, NoDomain, Unavailable

ATTEMPTS = 5
FIRST_PAUSE = 0.05  # seconds; doubles with each attempt, and the pause is drawn from the whole of it
LONGEST_PAUSE = 1.0
PATIENCE = 4.0  # seconds after which no further attempt is begun: a page is waiting
TIMEOUT = 2.0  # seconds for one attempt

# What a condition that did not hold is called: the attribute has another value, or there is none.
CONDITION_FAILED = {"ConditionalCheckFailed", "AttributeDoesNotExist"}
# An attribute has two values only for the moment in which an import finds that a name was taken before it.
WORTH_RETRYING = {
    "ServiceUnavailable",
    "InternalError",
    "RequestTimeout",
    "QueryTimeout",
    "Throttling",
    "MultiValuedAttribute",
}


def connect(region: str, timeout: float = TIMEOUT, connections: int = 16):
    """A SimpleDB client with botocore's usual credentials and endpoint. It never retries: `Calls` does."""
    import boto3  # slow to import: only who opens a connection pays for it
    from botocore.config import Config

    config = Config(
        connect_timeout=min(1.0, timeout),
        read_timeout=timeout,
        max_pool_connections=connections,
        retries={"total_max_attempts": 1},
        user_agent="Hydra",  # botocore's own is put together anew for each request, at a tenth of its cost
    )
    # A session of its own: boto3's default one is not for threads, and a worker may get its first requests at once.
    return boto3.Session().client("sdb", region_name=region, config=config)


@dataclass(frozen=True)
class Calls:
    """Calls through one client. Clock, pause and chance are arguments so that tests need not wait for them.

    `patience` is for how many seconds a call is tried again, `attempts` how often at most; `busy` is told of each 503.
    With a `breaker`, a domain that gave no answer is tried by one call at a time, once; without one, each call insists.
    """

    client: object
    attempts: int = ATTEMPTS
    patience: float = PATIENCE
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[float, float], float] = random.uniform
    busy: Callable[[str], None] = lambda domain: None
    breaker: Breaker | None = None

    def __call__(self, operation: str, domain: str, attempts: int | None = None, **parameters) -> dict:
        """One operation on `domain`, again after a pause when that may help. Raises Changed, NoDomain, Unavailable.

        The pause is drawn from zero to its limit (full jitter): clients refused together must not return together.
        `domain` is what is told of; it is also sent, save for Select, whose expression names it.
        """
        sent = parameters if operation == "select" else {"DomainName": domain, **parameters}
        attempts = attempts or self.attempts
        began = self.clock()
        if self.breaker is None:
            return self._insist(operation, domain, attempts, sent, began)
        with self.breaker.admit(domain) as alone:
            return self._insist(operation, domain, 1 if alone else attempts, sent, began)

    def _insist(self, operation: str, domain: str, attempts: int, sent: dict, began: float) -> dict:
        # As slow to import as boto3.
        from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

        for attempt in range(1, attempts + 1):
            try:
                answer = getattr(self.client, operation)(**sent)
                self._answered(domain)
                return answer
            except ClientError as error:
                self._answered(domain)
                self._judge(error, operation, domain, attempt)
                failure, silent = error, False
            except (HTTPClientError, ConnectionError) as error:
                failure, silent = error, True
            except BotoCoreError as error:  # no credentials, say: the next attempt would end alike
                raise Unavailable(f"SimpleDB cannot be asked: {error}") from error
            pause = self.chance(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt))
            if attempt == attempts or self.clock() - began + pause > self.patience or self._vain(domain, silent):
                if silent and self.breaker:
                    self.breaker.gave_up(domain)
                raise Unavailable(f"{operation} on the domain {domain} failed {attempt} times: {failure}") from failure
            self.sleep(pause)
        raise AssertionError("attempts must be at least 1")

    def _answered(self, domain: str) -> None:
        if self.breaker:
            self.breaker.answered(domain)

    def _vain(self, domain: str, silent: bool) -> bool:
        """Whether another request has found out meanwhile that the domain gives no answer."""
        return silent and self.breaker is not None and self.breaker.silent(domain)

    def _judge(self, error, operation: str, domain: str, attempt: int) -> None:
        """Raise what a refusal means, unless the same call may succeed in a moment."""
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if code in CONDITION_FAILED:
            raise Changed(f"{operation} on the domain {domain}: another client changed the item", attempt) from error
        if code == "NoSuchDomain":
            raise NoDomain(f"the domain {domain} does not exist") from error
        if code not in WORTH_RETRYING and status < 500:
            raise Unavailable(f"{operation} on the domain {domain} was refused: {error}") from error
        if status == 503:
            self.busy(domain)
