"""Faults on demand, set through `/_local/faults`: an AWS error, a delay, or a rate of writes for what a rule names.

POST a rule as JSON (Fault's fields), GET the rules in force, DELETE them all:

    {"service": "ec2", "action": "Describe.*", "code": "RequestLimitExceeded", "status": 503, "times": 3}
    {"service": "sdb", "domain": "live-users-03", "code": "ServiceUnavailable", "status": 503, "chance": 0.2}
    {"service": "sdb", "domain": "live-users-.*", "write_rate": 50}

An action is the operation's name; of S3's calls, the HTTP method. The last rule is AWS's throttling: each such domain
takes 50 writes a second (a batch is one), and those above are answered with 503 ServiceUnavailable.
"""

import json
import random
import re
import threading
from dataclasses import asdict, dataclass, fields

_CODE = re.compile("[A-Za-z0-9._]*")
_KINDS = {str: "a text", int: "a whole number", float: "a number"}


@dataclass
class Fault:
    """One rule. `times` counts down to 0; -1 is for ever. `delay` in seconds; without a `code` it only delays."""

    service: str = ".*"  # regular expressions, matched whole
    action: str = ".*"
    domain: str = ".*"  # of a call to SimpleDB; calls to others have none
    code: str = ""
    message: str = "asked for by a fault rule"
    status: int = 400
    delay: float = 0.0
    times: int = -1
    chance: float = 1.0
    write_rate: float = 0.0  # writes a second and domain that SimpleDB takes; such a rule does nothing else

    def __post_init__(self):
        """Raises TypeError, ValueError or re.error for a rule that is none."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, float | int if field.type is float else field.type):
                raise TypeError(f"{field.name} is {value!r}: give {_KINDS[field.type]}")
        for pattern in (self.service, self.action, self.domain):
            re.compile(pattern)
        if not _CODE.fullmatch(self.code):
            raise ValueError(f"code is {self.code!r}: an AWS code has letters, digits and full stops only")
        if not 100 <= self.status <= 599:
            raise ValueError(f"status is {self.status}: an HTTP status has three digits")
        if self.write_rate < 0 or self.delay < 0:
            raise ValueError("write_rate and delay cannot be negative")


class Faults:
    """The rules in force, first match first."""

    def __init__(self, chance=random.random):
        self.rules, self.lock, self.chance = [], threading.Lock(), chance

    def add(self, **fields):
        """TypeError, ValueError or re.error for a rule that is none."""
        fault = Fault(**fields)
        with self.lock:
            self.rules.append(fault)

    def clear(self):
        with self.lock:
            self.rules.clear()

    def take(self, service, action, domain=""):
        """The rule for this call, counted as used, or None."""
        with self.lock:
            for fault in self.rules:
                if fault.write_rate or not _concerns(fault, service, action, domain):
                    continue
                if fault.times != 0 and self.chance() < fault.chance:
                    fault.times -= fault.times > 0
                    return fault
        return None

    def write_rate(self, action, domain):
        """The writes a second that this domain of SimpleDB takes by the rules; None for any number."""
        with self.lock:
            for fault in self.rules:
                if fault.write_rate and _concerns(fault, "sdb", action, domain):
                    return fault.write_rate
        return None

    def administer(self, method, body):
        """(HTTP status, body) of a request to `/_local/faults`: the rules as JSON, or a sentence on what was wrong."""
        if method == "DELETE":
            self.clear()
        elif method == "POST":
            try:
                self.add(**json.loads(body))
            except (ValueError, TypeError, re.error) as error:
                return 400, f"no fault rule: {error}\n".encode()
        with self.lock:
            return 200, json.dumps([asdict(rule) for rule in self.rules]).encode()


def _concerns(fault, service, action, domain):
    named = ((fault.service, service), (fault.action, action), (fault.domain, domain))
    return all(re.fullmatch(pattern, text or "") for pattern, text in named)
