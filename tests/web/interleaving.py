"""Several clients of SimpleDB whose calls come in an order that a seed decides, one at a time: what threads on a real
machine do once in a million runs happens here in one of some hundred.
"""

import itertools
import random
import threading

from botocore.exceptions import ClientError


class Domains:
    """Items in memory with SimpleDB's conditions: the few operations that one item's life takes."""

    def __init__(self):
        self.items: dict[tuple[str, str], dict[str, str]] = {}

    def get_attributes(self, DomainName, ItemName, ConsistentRead):
        assert ConsistentRead
        found = self.items.get((DomainName, ItemName), {})
        return {"Attributes": [{"Name": name, "Value": value} for name, value in found.items()]}

    def put_attributes(self, DomainName, ItemName, Attributes, Expected):
        self._expect(DomainName, ItemName, Expected)
        item = self.items.setdefault((DomainName, ItemName), {})
        assert all(each["Replace"] for each in Attributes)
        item.update({each["Name"]: each["Value"] for each in Attributes})
        return {}

    def delete_attributes(self, DomainName, ItemName, Expected):
        self._expect(DomainName, ItemName, Expected)
        self.items.pop((DomainName, ItemName), None)
        return {}

    def select(self, SelectExpression, ConsistentRead):
        """`select * from DOMAIN where itemName() in ('NAME')`, for one name."""
        assert ConsistentRead
        domain, name = SelectExpression.split("`")[1], SelectExpression.split("'")[1]
        found = self.get_attributes(domain, name, True)["Attributes"]
        return {"Items": [{"Name": name, "Attributes": found}] if found else []}

    def _expect(self, domain, item, expected):
        found = self.items.get((domain, item), {}).get(expected["Name"])
        if found != expected.get("Value"):
            raise ClientError(
                {"Error": {"Code": "ConditionalCheckFailed"}, "ResponseMetadata": {"HTTPStatusCode": 409}}, "?"
            )


class Stage:
    """Lets one of its actors make one call after the other, in the order that `seed` decides."""

    def __init__(self, seed: int, domains: Domains):
        self.chance, self.domains = random.Random(seed), domains
        self.clock = itertools.count()
        self._turn = threading.Condition()
        self._waiting: set[threading.Thread] = set()
        self._chosen: threading.Thread | None = None
        self._actors = 0
        self.failures: list[BaseException] = []

    def client(self) -> "Client":
        """What an actor calls SimpleDB by."""
        return Client(self)

    def play(self, *acts) -> None:
        """Run all acts to their ends."""
        threads = [threading.Thread(target=self._act, args=(act,), daemon=True) for act in acts]
        self._actors = len(threads)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), "an actor waits for ever"
        for failure in self.failures:
            raise failure

    def call(self, operation: str, parameters: dict):
        """One call, when it is this thread's turn."""
        me = threading.current_thread()
        with self._turn:
            self._waiting.add(me)
            self._choose()
            self._turn.wait_for(lambda: self._chosen is me)
            self._chosen = None
            self._waiting.discard(me)
            return getattr(self.domains, operation)(**parameters)

    def _act(self, act):
        try:
            act()
        except BaseException as failure:  # noqa: BLE001 - raised again where the play ends
            self.failures.append(failure)
        finally:
            with self._turn:
                self._actors -= 1
                self._choose()

    def _choose(self):
        """Let one go when every actor waits."""
        if self._chosen is None and self._waiting and len(self._waiting) == self._actors:
            self._chosen = self.chance.choice(sorted(self._waiting, key=lambda thread: thread.name))
            self._turn.notify_all()


class Client:
    """boto3's client as far as the store uses it."""

    def __init__(self, stage: Stage):
        self._stage = stage

    def __getattr__(self, operation):
        return lambda **parameters: self._stage.call(operation, parameters)
