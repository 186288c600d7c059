"""The least that whoever runs a stage must be allowed in AWS, read off the program itself."""

import ast
from pathlib import Path

from fabric import task

from .engine import names
from .engine import show as screen
from .engine.stage import stage_of
from .engine.waiters import OURS

HERE = Path(__file__).resolve().parent
PREFIX = {"resourcegroupstaggingapi": "tag"}  # where IAM's name of a service is not botocore's
# What AWS asks for besides, while it does what we call: tags on creation, the role handed to a machine, and for the
# master password that RDS keeps in Secrets Manager. And what the tasks on accounts do through the user store.
IMPLIED = {
    "ec2": {"CreateTags"},
    "iam": {"PassRole", "TagRole", "TagInstanceProfile"},
    "rds": {"AddTagsToResource", "CreateDBSnapshot"},
    "secretsmanager": {"TagResource"},
    "kms": {"DescribeKey", "CreateGrant", "GenerateDataKeyWithoutPlaintext", "Decrypt"},
    "sdb": {"PutAttributes", "DeleteAttributes", "BatchPutAttributes", "BatchDeleteAttributes"},
}
# Reading these is no look: they hold passwords, or the hashes of them.
SECRETS = {("secretsmanager", "GetSecretValue"), ("sdb", "GetAttributes"), ("sdb", "Select")}
LOOKS = ("Describe", "Get", "List", "Select")


def calls():
    """{(service, operation)} of everything in this package that asks AWS: each Call, Wait and read in its source."""
    from botocore import xform_name
    from botocore.session import get_session

    session, found = get_session(), set()
    for path in [*HERE.glob("*.py"), HERE / "engine" / "world.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            texts = [it.value if isinstance(it, ast.Constant) else None for it in node.args]
            match name, texts:
                case ("Call" | "Wait", [_, str(service), str(method), *_]) | ("read", [str(service), str(method), *_]):
                    found.add((service, method))
    models = {service: session.get_service_model(service) for service, _ in found}
    operations = {service: {xform_name(it): it for it in model.operation_names} for service, model in models.items()}
    for service, method in sorted(found):
        if (service, method) in OURS:
            method = OURS[service, method][0]
        elif method not in operations[service]:
            method = xform_name(waiter_operation(session, service, method))
        yield service, operations[service][method]


def waiter_operation(session, service, waiter):
    """The operation that one of botocore's waiters calls."""
    from botocore import xform_name

    model = session.get_waiter_model(service)
    return next(model.get_waiter(it).operation for it in model.waiter_names if xform_name(it) == waiter)


def document(stage, region):
    """The policy as a dict: looking is free, changing is bound to what carries the stage's name or tag."""
    actions = {}
    for service, operation in calls():
        actions.setdefault(PREFIX.get(service, service), set()).add(operation)
    for service, more in IMPLIED.items():
        actions.setdefault(service, set()).update(more)
    looks = sorted(f"{service}:{it}" for service, all_ in actions.items() for it in all_ if free(service, it))
    statements = [{"Sid": "Look", "Effect": "Allow", "Action": looks, "Resource": "*"}]
    for service, all_ in sorted(actions.items()):
        changing = sorted(f"{service}:{it}" for it in all_ if not free(service, it))
        if not changing:
            continue
        statements += bound(service, changing, stage, region)
    return {"Version": "2012-10-17", "Statement": statements}


def free(service, operation):
    """Whether this only looks, at nothing that is secret."""
    return operation.startswith(LOOKS) and (service, operation) not in SECRETS


def bound(service, actions, stage, region):
    """The statements that allow these changes on what is of the stage alone."""
    own = {
        "iam": [f"arn:aws:iam::*:role/{stage}-*", f"arn:aws:iam::*:instance-profile/{stage}-*"],
        "sdb": [f"arn:aws:sdb:{region}:*:domain/{stage}-users-*"],
        "rds": [f"arn:aws:rds:{region}:*:{kind}:{stage}-*" for kind in ("db", "pg", "snapshot")]
        + [f"arn:aws:rds:{region}:*:subgrp:default"],
        "secretsmanager": [
            f"arn:aws:secretsmanager:{region}:*:secret:hydra/{stage}/*",
            f"arn:aws:secretsmanager:{region}:*:secret:rds!db-*",
        ],
    }
    sid = f"Change{service.capitalize()}"
    if service in own:
        return [{"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": own[service]}]
    if service == "kms":
        via = {
            "StringEquals": {
                "kms:ViaService": [f"{it}.{region}.amazonaws.com" for it in ("ec2", "rds", "secretsmanager")]
            }
        }
        return [{"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": "*", "Condition": via}]
    making = {
        "ec2:RunInstances",
        "ec2:CreateVolume",
        "ec2:CreateSecurityGroup",
        "ec2:ImportKeyPair",
        "ec2:CreateSnapshot",
        "ec2:CreateTags",
    }
    tagged = {"StringEquals": {f"aws:ResourceTag/{names.STAGE}": stage}}
    return [
        {
            "Sid": f"{sid}New",
            "Effect": "Allow",
            "Action": sorted(making & set(actions)),
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": region}},
        },
        {"Sid": sid, "Effect": "Allow", "Action": sorted(set(actions) - making), "Resource": "*", "Condition": tagged},
    ]


@task
def policy(c):
    """Print the least policy that whoever runs this stage needs, for AWS's console or `aws iam create-policy`."""
    stage = stage_of(c)
    screen.as_json(document(stage.name, stage.region))
