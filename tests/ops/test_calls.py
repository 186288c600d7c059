"""Every AWS call that a plan asks for exists in AWS's service model, and takes the parameters we give it."""

from dataclasses import replace

import pytest
from botocore.exceptions import ParamValidationError

from fabfile.database import Database
from fabfile.ebs import Volume
from fabfile.engine.plan import Seen
from fabfile.engine.secret import Secret
from fabfile.engine.steps import Call
from fabfile.firewalls import Firewall
from fabfile.sdb import Shards

from .resources import NOTHING, STAGES, check, steps_of

AWS_KINDS = (
    "KeyPair",
    "Firewall",
    "InstanceRole",
    "RandomSecret",
    "ParameterGroup",
    "Database",
    "Domain",
    "Machine",
    "Volume",
    "Mount",
)
WANTS = [want for stage in STAGES for want in stage.resources if type(want).__name__ in AWS_KINDS]


def ground(want):
    """What a first look at an empty account tells this resource."""
    if isinstance(want, Firewall):
        groups = {name: "sg-1" for admit in want.admits for name in admit.firewalls} | {want.name: "sg-2"}
        return replace(NOTHING, ids={"groups": groups, "open": set()})
    return NOTHING


@pytest.mark.parametrize("want", WANTS, ids=lambda want: f"{want}".replace(" ", "-"))
def test_building_from_nothing_asks_only_for_what_aws_knows(want):
    assert [step for step in steps_of(want.plan(ground(want))) if isinstance(step, Call)]


@pytest.mark.parametrize("want", WANTS, ids=lambda want: f"{want}".replace(" ", "-"))
def test_taking_down_asks_only_for_what_aws_knows(want):
    now = replace(want, protected=False) if isinstance(want, Database) else want
    want = now
    assert [step for step in steps_of(want.teardown(Seen("an-id", now, ground(want).ids))) if isinstance(step, Call)]


def test_taking_down_shards_that_were_divided_asks_only_for_what_aws_knows():
    want = Shards("live-users", 16)
    steps = steps_of(want.teardown(Seen(want.name, want, {"there": list(range(32)), "has_map": True})))
    gone = [step.params["DomainName"] for step in steps]
    assert gone == [f"live-users-{number:02x}" for number in range(16, 32)] + ["live-users-map"]


def test_growing_a_volume_asks_only_for_what_aws_knows():
    want = Volume("live-data", "us-west-2a", 50)
    grow, wait = steps_of(want.plan(Seen("vol-1", replace(want, size=20))))
    assert (grow.method, grow.params["Size"], wait.waiter) == ("modify_volume", 50, "volume_modified")


def test_changing_a_database_asks_only_for_what_aws_knows():
    want = next(it for it in WANTS if isinstance(it, Database))
    now = replace(want, size="db.t4g.micro", storage=want.storage - 5, backups=1, standby=False, protected=False)
    change, _ = steps_of(want.plan(Seen(want.name, now, {"status": "available", "groups": ["sg-1"]})))
    assert {"DBInstanceClass", "AllocatedStorage", "BackupRetentionPeriod", "DeletionProtection"} <= set(change.params)


def test_resizing_a_machine_asks_only_for_what_aws_knows():
    want = next(it for it in WANTS if type(it).__name__ == "Machine")
    now = replace(want, size="t3.nano", firewalls=tuple(sorted(want.firewalls)))
    methods = [
        getattr(it, "method", "")
        for it in steps_of(want.plan(Seen("i-1", now, {"state": "running", "key": "k", "groups": []})))
    ]
    assert [it for it in methods if it] == ["stop_instances", "modify_instance_attribute", "start_instances"]


def test_a_misspelt_parameter_is_caught():
    with pytest.raises(ParamValidationError, match="Sise"):
        check(Call("create it", "ec2", "create_volume", {"AvailabilityZone": "us-west-2a", "Sise": 3}))


def test_a_secret_in_a_call_is_checked_without_being_shown():
    call = Call("keep it", "secretsmanager", "create_secret", {"Name": "x", "SecretString": Secret("hunter2")})
    check(call)
    assert "hunter2" not in repr(call)
