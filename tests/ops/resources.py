"""Every resource of every stage, and what a plan of each asks for; shared by the tests of this folder."""

import botocore.session
from botocore import xform_name
from botocore.validate import validate_parameters

from fabfile import stages
from fabfile.engine.plan import Seen, walk
from fabfile.engine.secret import revealed
from fabfile.engine.steps import Call, Wait
from fabfile.engine.waiters import OURS

STAGES = (stages.LIVE, stages.STAGING, stages.LOCAL)
AWS = botocore.session.get_session()


def check(step):
    """Raise unless AWS's own service model knows this call (or waiter) and takes its parameters."""
    if isinstance(step, Wait) and (step.service, step.waiter) in OURS:
        method = OURS[step.service, step.waiter][0]
    elif isinstance(step, Wait):
        model = AWS.get_waiter_model(step.service)
        method = next(
            xform_name(model.get_waiter(it).operation) for it in model.waiter_names if xform_name(it) == step.waiter
        )
    else:
        method = step.method
    model = AWS.get_service_model(step.service)
    operation = {xform_name(name): name for name in model.operation_names}[method]
    report = validate_parameters(revealed(step.params), model.operation_model(operation).input_shape)
    assert report is None


def answered(step):
    """The hand of the tests: checks every step that speaks to AWS, and answers each with a likely text."""
    if isinstance(step, Call | Wait):
        check(step)
    return "an-answer"


def steps_of(plan):
    return walk(plan, answered)


NOTHING = Seen(
    ids={
        "groups": ["sg-1"], "before": "first", "key": "", "state": "", "image": "ami-1", "mine": "", "theirs": "",
        "role": False, "policy": None, "profile": False, "member": False, "now": {}, "open": set(), "leaving": False,
        "machine": "i-1", "volume": "vol-1", "attached": "", "fresh": True, "operations": (), "needed": (),
        "sent": True,
    }
)  # fmt: skip
