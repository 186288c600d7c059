"""The policy that `fab STAGE iam` prints: all that the plans ask for, and nothing that AWS does not know."""

import fnmatch

import pytest
from botocore import xform_name

from fabfile import iam
from fabfile.engine.plan import walk
from fabfile.engine.steps import Call
from fabfile.stages import user_domains_only

from .resources import AWS, NOTHING
from .test_calls import WANTS, ground

POLICY = iam.document("live", "us-west-2")
ALLOWED = {action for statement in POLICY["Statement"] for action in statement["Action"]}
ONLY_IN_IAM = {"iam:PassRole"}  # a permission with no operation of its own


@pytest.mark.parametrize("want", [it for it in WANTS if it.name.startswith("live-")], ids=str)
def test_it_allows_every_call_of_every_plan(want):
    from fabfile.engine.plan import Seen

    steps = walk(want.plan(ground(want)), lambda step: "an-answer")
    if getattr(want, "protected", False) is False:
        steps += walk(want.teardown(Seen("an-id", want, NOTHING.ids)), lambda step: "an-answer")
    for step in (it for it in steps if isinstance(it, Call)):
        names = {xform_name(it): it for it in AWS.get_service_model(step.service).operation_names}
        assert f"{iam.PREFIX.get(step.service, step.service)}:{names[step.method]}" in ALLOWED


@pytest.mark.parametrize("action", sorted(ALLOWED - ONLY_IN_IAM))
def test_it_names_only_what_aws_has(action):
    prefix, operation = action.split(":")
    service = {prefix_: name for name, prefix_ in iam.PREFIX.items()}.get(prefix, prefix)
    assert operation in AWS.get_service_model(service).operation_names


def test_changing_is_bound_to_the_stage():
    own = ("live-*", "live-users-*", "hydra/live/*", "rds!db-*", "subgrp:default")
    for statement in POLICY["Statement"][1:]:
        resources = statement["Resource"]
        assert "Condition" in statement or all(resource.endswith(own) for resource in resources)


def test_reading_secrets_is_no_free_look():
    look = POLICY["Statement"][0]["Action"]
    assert not fnmatch.filter(look, "secretsmanager:GetSecretValue")


@pytest.mark.parametrize("action", ["sdb:GetAttributes", "sdb:Select"])
def test_accounts_hold_hashes_so_that_reading_them_is_no_free_look_either(action):
    holding = [statement for statement in POLICY["Statement"] if action in statement["Action"]]
    assert [statement["Resource"] for statement in holding] == [["arn:aws:sdb:us-west-2:*:domain/live-users-*"]]


def test_it_allows_what_the_user_store_asks_for():
    doing = ("GetAttributes", "PutAttributes", "DeleteAttributes", "BatchPutAttributes", "BatchDeleteAttributes")
    doing += ("Select", "DomainMetadata", "ListDomains", "CreateDomain", "DeleteDomain")
    assert {f"sdb:{it}" for it in doing} <= ALLOWED
    assert "sdb:ListDomains" in POLICY["Statement"][0]["Action"], "a list has no domain to be bound to"


def test_a_machine_may_use_the_domains_and_the_shard_map_and_make_or_delete_none():
    (statement,) = user_domains_only("live")
    assert statement["Resource"].endswith(":domain/live-users-*")
    assert not [it for it in statement["Action"] if "Domain" in it and it != "sdb:DomainMetadata"]
