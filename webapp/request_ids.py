"""The id of the request in hand: in its answer, in every line of the log that it causes, on its error pages."""

import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from secrets import token_hex

HEADER = "X-Request-ID"
SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
HIDDEN = "[hidden]"
LEAST_SECRET = 16  # letters; who sends a shorter cookie must not blacken every line that has those letters


@dataclass
class Traced:
    """One request as the log knows it: its id, and what every line about it shows in the place of which text."""

    id: str
    shown: dict[str, str] = field(default_factory=dict, repr=False)

    def hide(self, text: str | None) -> None:
        """Never show this text; one that is too short to be a secret stays readable."""
        if text and len(text) >= LEAST_SECRET:
            self.shown[text] = HIDDEN


_traced: ContextVar[Traced | None] = ContextVar("traced", default=None)


def begin(given: str | None = None) -> Traced:
    """A request begins. Its id is `given`, what came in with it, if that is 8 to 64 letters that can do no harm."""
    traced = Traced(given if given and SANE.fullmatch(given) else token_hex(16))
    _traced.set(traced)
    return traced


def end(**_) -> None:
    """The request is over: what this thread says from now on belongs to none."""
    _traced.set(None)


def traced() -> Traced | None:
    """The request in hand, or None outside of any."""
    return _traced.get()


def request_id() -> str:
    """Its id, or an empty text outside of any request."""
    found = _traced.get()
    return found.id if found else ""
