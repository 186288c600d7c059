"""How we say no, and how we say that something else did."""

from invoke.exceptions import Exit


class Refusal(Exit):
    """We will not do this. The message says in one sentence what stands there, and what to do next; exit code 1."""

    def __init__(self, message):
        super().__init__(message, code=1)


class Failure(Refusal):
    """Something outside failed: AWS, SSH, a command on a host. The message says which step, on what, and why."""
