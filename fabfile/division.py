"""`sdb.reshard`: divide the user domains in two while they are used."""

import sys

from fabric import task

from .engine import show as screen
from .engine.bar import Bar
from .engine.errors import Failure, Refusal
from .engine.stage import stage_of

WORDS = {
    "make the domains": "make the new domains",
    "wait until every process knows": "wait until every process knows where to look",
    "move": "move users",
    "compare": "compare what was moved",
    "sweep": "remove what was left behind",
}


@task(
    positional=["shards"],
    help={
        "shards": "how many domains the users shall be in: twice as many as now, or four times; "
        "while users are being moved, the old number brings them back",
        "share": "how much of a domain's writes to use, in percent of the 70 a second that one is reported to take",
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
        "json": "print JSON, for programs, instead of lines for people",
    },
)
def reshard(c, shards, share="50", plan=False, json=False):
    """Divide the user domains while people sign in and sign up: `sdb.reshard 32`.

    Half of the users stay where they are. Each of the others is copied, compared and handed over; what he changes
    meanwhile goes with him, and nobody's sign-in fails. Killed anywhere, run it again: it goes on. Until the old copies
    are removed, `sdb.reshard` with the old number brings everybody back. Afterwards write the new number in stages.py.
    """
    from webapp.users.division import Division
    from webapp.users.errors import StoreError
    from webapp.users.pace import DOMAIN_RATE, Pace

    stage = stage_of(c)
    target, rate = number(shards, "shards", 1, 1024), number(share, "share", 1, 100) / 100 * DOMAIN_RATE
    pace = Pace(rate)
    store = operators(stage, pace)
    with Bar(WORDS, quiet=json) as bar:
        division = Division(store, pace, bar.tell)
        try:
            found = division.check(target)
            if plan:
                return say_plan(found, target, json)
            done = division.run(target)
        except StoreError as error:
            raise Failure(f"{str(error).rstrip('.')}") from None
    if json:
        return screen.as_json(vars(done))
    if done.count == found.count and done.generation == found.generation:
        return print(f"The users are in {done.count} domains already.")
    both = f"domains({stage.name!r}, {done.count}) and user_shards={done.count}"
    print(f"The users are in {done.count} domains. Write {both} in stages.py.")


def say_plan(found, target, json):
    """What a run would do, in words; ends the process with exit code 2 when that is something."""
    steps = []
    if found.phase == "sweeping":
        steps.append(f"remove what was left behind when {found.before} domains became {found.after}")
    elif found.phase == "moving" and target < max(found.before, found.after):
        steps.append(f"bring back to {target} domains whoever has been moved")
    elif found.phase == "moving":
        steps.append(f"go on moving users from {found.before} domains to {max(found.before, found.after)}")
    count = max(found.before, found.after) if found.phase == "moving" else found.after
    while count < target:
        steps.append(f"make {count} more domains, and move half of the users from {count} domains to {2 * count}")
        count *= 2
    if json:
        screen.as_json({"map": vars(found), "steps": steps})
    else:
        print("\n".join(f"~ {step}" for step in steps) or f"= the users are in {target} domains: no change")
    sys.exit(2 if steps else 0)


def operators(stage, pace):
    """The stage's user store for work in bulk: more patient than a web page, and told of every 503."""
    from .domains import accounts, bulk_client

    stage.open()
    return accounts(stage, bulk_client(stage), attempts=30, patience=120.0, busy=pace.slower)


def number(text, name, least, most):
    """The option's number. Raises Refusal when it is none, or out of its bounds."""
    try:
        found = int(text)
    except ValueError:
        found = least - 1
    if not least <= found <= most:
        raise Refusal(f"{name} is {text!r}: give a number from {least} to {most}")
    return found
