"""Walk a plan, and compare what we want with what is there. No I/O."""

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from .steps import Unknown


@dataclass(frozen=True)
class Seen:
    """What is out there, in the same shape as what we want.

    `id` is AWS's name for it, None (and the whole false) if it is not there. `ids` holds what else the plan needs to
    know of its surroundings. `unsure` names what is not there yet and without which we could not look: then the
    plan is a promise about order only, and nothing is done before it is there. `advice` is what people should know of
    it though no plan changes it.
    """

    id: Any = None
    now: Any = None
    ids: dict = field(default_factory=dict)
    unsure: str = ""
    advice: str = ""

    def __bool__(self):
        return self.id is not None


def walk(plan, hand):
    """Give every step of `plan` to `hand`, and give the plan what the hand brings back. Returns the steps taken."""
    taken, reply = [], None
    while True:
        try:
            step = plan.send(reply)
        except StopIteration:
            return taken
        reply = hand(step)
        taken.append(step)


def idle(step):
    """The hand that does nothing: what a step would have told us stays unknown."""
    return Unknown(getattr(step, "returns", "") or step.says)


def differences(want, now):
    """{field: (now, wanted)} for each field on which the two disagree; a field that is None in `want` is free."""
    return {
        f.name: (getattr(now, f.name), getattr(want, f.name))
        for f in fields(want)
        if f.compare and getattr(want, f.name) is not None and getattr(now, f.name) != getattr(want, f.name)
    }


def unknowns(value):
    """What in a step's parameters is not known yet: the Unknowns in it, at any depth."""
    match value:
        case Unknown():
            return [value]
        case dict():
            return [found for item in value.values() for found in unknowns(item)]
        case list() | tuple():
            return [found for item in value for found in unknowns(item)]
    if is_dataclass(value):
        return [found for f in fields(value) for found in unknowns(getattr(value, f.name))]
    return []
