"""The whole stage at once: up, plan, status, destroy; and the policy that all of it needs."""

from fabric import task

from .engine import names
from .engine import show as screen
from .engine.stage import destroy as take_down
from .engine.stage import make, stage_of
from .engine.stage import status as tell


def ground(want):
    """What `up` makes: all but what `setup_packages` and `deploy` put on the machines."""
    return getattr(want, "part", "") != "deploy"


@task(help={"plan": "only say what it would take", "json": "for programs"})
def up(c, plan=False, json=False):
    """Make everything the application stands on: keys, firewalls, database, machines, disks, Redis, user domains."""
    make(c, only=ground, plan=plan, json=json)


@task(help={"json": "for programs"})
def plan(c, json=False):
    """Say what it would take to bring the whole stage to what stages.py says. Exit code 0: nothing, 2: changes."""
    make(c, plan=True, json=json)


@task(help={"json": "for programs"})
def status(c, json=False):
    """Say what is in place, what has drifted, what is missing, and what carries the stage's tag but is in no list."""
    rows = tell(c, json=json)
    stage = stage_of(c)
    if not json:
        for row in strangers(stage, rows):
            print(f"{screen.paint('stranger', 'yellow')}  {row['name'] or 'unnamed'}  {row['arn']}")


def strangers(stage, rows):
    """What carries the stage's tag and is in no list: left over, or made by hand."""
    filters = [{"Key": names.STAGE, "Values": [stage.name]}]
    answer = stage.world.read("resourcegroupstaggingapi", "get_resources", TagFilters=filters)
    known = {str(row["id"]) for row in rows if row["id"]} | {want.name for want in stage.resources}
    for it in answer["ResourceTagMappingList"]:
        tags = {pair["Key"]: pair["Value"] for pair in it["Tags"]}
        name = tags.get(names.NAME, "")
        if name in known or name.removesuffix("-root") in known:
            continue
        yield {"name": name, "arn": it["ResourceARN"]}


@task(
    help={
        "yes": "the stage's name, where it is a precious one",
        "plan": "only say what would go",
        "json": "for programs",
    }
)
def destroy(c, yes="", plan=False, json=False):
    """Take the whole stage away, last built first. What is protected is refused, what is kept gets a last snapshot."""
    take_down(c, yes=yes, plan=plan, json=json)
