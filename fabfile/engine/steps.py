"""What a plan may ask for. Data only: nothing here does anything."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Unknown:
    """Stands for what we shall only know once an earlier step has run."""

    what: str

    def __str__(self):
        return f"({self.what}, known later)"


@dataclass(frozen=True)
class Call:
    """One AWS call that changes something.

    `says` is the sentence a colleague would say; `returns` (a JMESPath) names the part of the answer that is handed
    back to the plan. `already` lists error codes that mean "it is so already" (another run, or one cut off, was
    first), `again` those that mean "not yet": AWS is consistent only after a while, so these are tried again for a
    bounded time. With `secret` the answer is a Secret.
    """

    says: str
    service: str
    method: str
    params: dict = field(default_factory=dict)
    returns: str = ""
    already: tuple = ()
    again: tuple = ()
    secret: bool = False


@dataclass(frozen=True)
class Wait:
    """Hold on until a waiter is satisfied: one of botocore's, or one of `engine/waiters.py`."""

    says: str
    service: str
    waiter: str
    params: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Script:
    """Make these host operations (see `engine/operations.py`) so on one machine, as root, in one round trip."""

    says: str
    machine: str  # the machine's name, as its tag has it
    operations: tuple = ()
    pending: tuple = field(default=(), compare=False)  # the Outcomes of a look that differ, for a plan to show


@dataclass(frozen=True)
class Upload:
    """Send a file or folder of this machine to a path on one of ours, in one move."""

    says: str
    machine: str
    source: str
    target: str
    owner: str = "root"


@dataclass(frozen=True)
class Keygen:
    """Make an SSH key pair on this machine, unless it is there; hands back its public half."""

    says: str
    path: str
    comment: str
