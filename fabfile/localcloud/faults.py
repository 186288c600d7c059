"""Faults on demand: an AWS error or a delay for the calls that a rule names, set through `/_local/faults`."""

import random
import re
import threading
from dataclasses import dataclass


@dataclass
class Fault:
    """One rule. `times` counts down to 0; -1 is for ever. `delay` in seconds; without a `code` it only delays."""

    service: str = ".*"  # regular expressions, matched whole
    action: str = ".*"
    code: str = ""
    message: str = "asked for by a fault rule"
    status: int = 400
    delay: float = 0.0
    times: int = -1
    chance: float = 1.0


class Faults:
    """The rules in force, first match first."""

    def __init__(self, chance=random.random):
        self.rules, self.lock, self.chance = [], threading.Lock(), chance

    def add(self, **fields):
        """TypeError or re.error for a rule that is none."""
        fault = Fault(**fields)
        re.compile(fault.service), re.compile(fault.action)
        with self.lock:
            self.rules.append(fault)

    def clear(self):
        with self.lock:
            self.rules.clear()

    def take(self, service, action):
        """The rule for this call, counted as used, or None."""
        with self.lock:
            for fault in self.rules:
                named = re.fullmatch(fault.service, service or "") and re.fullmatch(fault.action, action or "")
                if named and fault.times != 0 and self.chance() < fault.chance:
                    fault.times -= fault.times > 0
                    return fault
        return None
