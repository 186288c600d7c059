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


@task(
    help={
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def up(c, plan=False, json=False):
    """Make everything the application stands on: keys, firewalls, database, machines, disks, Redis, user domains.

    What does not need each other is made side by side. Run it as often as you like: what is as stages.py says stays
    as it is, what has drifted is mended, and a run that was cut off is finished by the next. `--plan` shows it first.
    """
    make(c, only=ground, plan=plan, json=json)


@task(help={"json": "print JSON, for programs, instead of lines for people"})
def plan(c, json=False):
    """Say what it would take to bring the whole stage to what stages.py says. Exit code 0: nothing, 2: changes."""
    make(c, plan=True, json=json)


@task(help={"json": "print JSON, for programs, instead of lines for people"})
def status(c, json=False):
    """Say what is in place, drifted or missing, and what carries the stage's tag but is in no list.

    Drift is whatever is not as stages.py says; `fab STAGE plan` shows what mending it would take, `up` mends it.
    """
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
        "plan": "only say what would go; nothing is taken away",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def destroy(c, yes="", plan=False, json=False):
    """Take the whole stage away, last built first.

    A precious stage wants its name said (`--yes live`). A protected database is refused; a disk that is to be kept
    gets a last snapshot before it goes. `--plan` shows what would go.
    """
    take_down(c, yes=yes, plan=plan, json=json)
