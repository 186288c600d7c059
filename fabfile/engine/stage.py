"""A stage: everything we run in one place, and what to do with it: make, status, destroy."""

import fcntl
import os
import sys
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from invoke.exceptions import Exit

from . import names
from .errors import Refusal
from .plan import Seen, differences, idle, walk
from .show import Board, as_json, paint, plan_lines, step_data
from .steps import Script
from .world import World

WORKERS = 16
CHANGES_PENDING = 2  # exit code of a plan that has something to do


@dataclass(frozen=True)
class Stage:
    """One stage, written out in full in `stages.py`.

    `resources` in building order; what names another is built after it, the rest side by side. `cloud`, for a stage
    that runs on a local cloud, is called on first use and returns {"url", "access_key", "secret_key"}, having told
    its `say` what it did. `precious` stages ask for their name before anything is destroyed.
    """

    name: str
    region: str
    resources: tuple = ()
    login: str = "admin"
    cloud: Callable[..., dict] | None = None
    precious: bool = True

    def __post_init__(self):
        known = set()
        for want in self.resources:
            if str(want) in known:
                raise Refusal(f"stage {self.name}: {want} is listed twice in stages.py; give one of them another name")
            if names.stage_of(want.name) != self.name:
                raise Refusal(f"stage {self.name}: the name of {want} has to begin with `{self.name}-`, see stages.py")
            known.add(str(want))
        for want in self.resources:
            for need in want.needs:
                if need not in known:
                    raise Refusal(f"stage {self.name}: {want} needs {need}, which is not listed in stages.py")
        try:
            TopologicalSorter({str(want): want.needs for want in self.resources}).prepare()
        except CycleError as error:
            circle = " needs ".join(reversed(error.args[1]))
            raise Refusal(f"stage {self.name}: nothing of this can be first, see stages.py: {circle}") from None

    @cached_property
    def world(self):
        """The stage's world, made on first use: a local cloud is started only then."""
        at = self.cloud(say=aside) if self.cloud else None
        local = {"endpoint": at["url"], "credentials": (at["access_key"], at["secret_key"])} if at else {}
        return World(self.region, login=self.login, key_file=self.key_file, patience=0.1 if at else 1.0, **local)

    def open(self):
        """Make the world now: a local cloud says what it does while it starts, before a board is drawn.

        AWS is asked who we are, which needs no permission: credentials that do not hold, or no way to AWS, are then
        one sentence, and not one for each resource.
        """
        if self.cloud:
            return self.world
        elsewhere = os.environ.get("AWS_ENDPOINT_URL")
        if elsewhere:
            aside(f"AWS_ENDPOINT_URL is set: {self.name} is at {elsewhere}, not at AWS.")
        self.world.read("sts", "get_caller_identity")
        return self.world

    @property
    def key_file(self):
        return f"~/.ssh/hydra-{self.name}"

    def of(self, *kinds, name=""):
        """The resources of these kinds (all if none is said), or the one of them whose name is `name`."""
        found = [want for want in self.resources if not kinds or isinstance(want, kinds)]
        if not name:
            return found
        chosen = [want for want in found if want.name in (name, f"{self.name}-{name}")]
        if not chosen:
            there = ", ".join(sorted({want.name for want in found})) or "none"
            raise Refusal(f"stage {self.name} has nothing of that kind named {name}: there is {there}")
        return chosen


def aside(text):
    """Say something that is not the answer: standard output may be read by a program."""
    print(text, file=sys.stderr, flush=True)


def stage_of(c):
    """The stage of this run, which an earlier task (`live`, `staging`, `local`) has named."""
    stage = c.config.get("stage")
    if not isinstance(stage, Stage):
        task = next((word for word in sys.argv[1:] if not word.startswith("-")), "status")
        raise Refusal(f"Name a stage first: `fab local {task}`, `fab staging {task}` or `fab live {task}`")
    return stage


@dataclass
class Result:
    """What became of one resource: `state` is ok, changed, failed or untried; in a plan no, will or may."""

    want: Any
    state: str
    steps: list
    told: str = ""
    unsure: str = ""

    def data(self):
        facts = {"resource": str(self.want), "state": self.state, "steps": [step_data(step) for step in self.steps]}
        return facts | ({"detail": self.told} if self.told else {})


def make(c, *kinds, name="", only=None, plan=False, json=False):
    """Make every resource of these kinds so, side by side where it can be; with plan=True only say what it takes.

    Leaves with exit code 0 if nothing is to do or all is done, 2 if a plan has changes, 1 if anything failed.
    """
    stage = stage_of(c)
    wants = [want for want in stage.of(*kinds, name=name) if not only or only(want)]
    stage.open()
    if plan:
        return show_plan(side_by_side(lambda want: look_ahead(stage, want), wants), json)
    with alone(stage.name), Board(sys.stderr if json else sys.stdout) as board:
        results = in_order(wants, lambda want: bring_about(stage, want, board), board)
    if json:
        as_json([result.data() for result in results])
    return judge(results)


def gone(want, seen):
    """The plan by which it is not there."""
    if seen:
        yield from want.teardown(seen)


def made(want, seen):
    """The plan by which it is there and as wanted."""
    yield from want.plan(seen)


def look_ahead(stage, want, plan=made):
    """What making this one would take. Nothing is changed, and nothing is asked that changes anything."""
    try:
        seen = want.look(stage.world)
        steps = walk(plan(want, seen), idle)
    except Refusal as refused:
        return Result(want, "failed", [], refused.message)
    state = "may" if steps and seen.unsure else "will" if steps else "no"
    return Result(want, state, steps, seen.advice if plan is made else "", unsure=seen.unsure)


def bring_about(stage, want, board, plan=made):
    """Look at one resource, and do what its plan says."""
    board.say(want, "")
    seen = want.look(stage.world)
    if seen.unsure and plan is made:
        raise Refusal(f"{seen.unsure} is not there yet: make it with `fab {stage.name} up`")
    taken = []

    def hand(step):
        board.say(want, step.says)
        reply = stage.world.do(step)
        taken.append(step)
        return reply

    walk(plan(want, seen), hand)
    nothing = "no change" if plan is made else "nothing to take away"
    mark, colour, told = ("✓", "green", told_of(taken)) if taken else ("=", "grey", nothing)
    advice = seen.advice if plan is made else ""
    board.end(want, mark, colour, f"{told}; {advice}" if advice else told)
    return Result(want, "changed" if taken else "ok", taken, advice)


def told_of(steps):
    """What was done, in one line: waiting is not worth a word afterwards."""
    done = [step.says for step in steps if type(step).__name__ != "Wait"] or [step.says for step in steps]
    return "; ".join(done[:3]) + (f"; and {len(done) - 3} more" if len(done) > 3 else "")


def in_order(wants, act, board, needs=lambda want: want.needs):
    """Run `act` on each, as soon as what it needs is done, many at once; what needs a failed one is left untried."""
    waiting, running, results = {str(want): want for want in wants}, {}, {}
    ours = set(waiting)
    pool = ThreadPoolExecutor(WORKERS)
    try:
        while waiting or running:
            for key, want in list(waiting.items()):
                wanted = [need for need in needs(want) if need in ours]
                broken = [need for need in wanted if need in results and results[need].state in ("failed", "untried")]
                if broken:
                    results[key] = Result(waiting.pop(key), "untried", [], f"not tried, for it needs {broken[0]}")
                    board.end(want, "·", "grey", results[key].told)
                elif all(need in results for need in wanted):
                    running[pool.submit(act, waiting.pop(key))] = want
            if not running:
                continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                want = running.pop(future)
                results[str(want)] = outcome(future, want, board)
    except KeyboardInterrupt:
        board.close()
        aside("\nInterrupted. What is done is done; run the same command again and it goes on from here.")
        sys.stdout.flush()
        os._exit(130)  # threads may hang in a long wait of AWS's; nothing of ours is left half written
    finally:
        pool.shutdown(wait=False)
    return [results[str(want)] for want in wants]


def outcome(future, want, board):
    error = future.exception()
    if error is None:
        return future.result()
    if not isinstance(error, Exit):
        raise error
    board.end(want, "✗", "red", error.message)
    return Result(want, "failed", [], error.message)


def show_plan(results, json=False):
    """Print plans; leave with 2 if anything is to do, with 1 if anything is refused."""
    if json:
        as_json([result.data() for result in results])
    else:
        for result in results:
            if result.state == "failed":
                print(f"{paint('✗', 'red')} {result.want}: refused: {result.told}")
                continue
            print("\n".join(plan_lines(result.want, result.state, result.steps, result.unsure)))
            if result.told:
                print(f"    {paint(result.told, 'yellow')}")
        counts = [sum(result.state == word for result in results) for word in ("will", "may", "no")]
        print("{} will change, {} may change, {} as wanted".format(*counts))
    refused = [result for result in results if result.state == "failed"]
    if refused:
        raise Refusal(f"{len(refused)} refused: {refused[0].want}: {refused[0].told}")
    if any(result.state != "no" for result in results):
        raise Exit(code=CHANGES_PENDING)


def judge(results):
    """Leave with 1 if anything failed, saying how to go on."""
    failed = [result for result in results if result.state == "failed"]
    if failed:
        untried = sum(result.state == "untried" for result in results)
        more = f", {untried} not tried" if untried else ""
        raise Refusal(f"{len(failed)} failed{more}; what is done stays done. Mend it and run the command again.")
    return results


def status(c, *kinds, name="", json=False):
    """Say of every resource whether it is there and as wanted; returns the rows."""
    stage = stage_of(c)
    stage.open()
    rows = side_by_side(lambda want: row_of(stage, want), stage.of(*kinds, name=name))
    if json:
        as_json(rows)
        return rows
    colours = {"in place": "green", "missing": "red", "drifted": "yellow", "refused": "red", "unknown": "cyan"}
    for row in rows:
        shown = "" if not row["id"] or str(row["id"]) in row["resource"] else f"  {row['id']}"
        detail = f"  ({row['detail']})" if row["detail"] else ""
        print(f"{paint(row['state'].ljust(8), colours[row['state']])}  {row['resource']}{paint(shown, 'grey')}{detail}")
    return rows


def row_of(stage, want):
    """One resource's row of a status: where it stands, and on what it differs from what is wanted."""
    row = {"resource": str(want), "state": "unknown", "id": None, "detail": ""}
    try:
        seen = want.look(stage.world)
        if seen.unsure:
            return row | {"detail": f"needs {seen.unsure}"}
        if not seen:
            return row | {"state": "missing"}
        drift = differences(want, seen.now) if seen.now else {}
        steps = walk(want.plan(seen), idle)
    except Refusal as refused:
        return row | {"state": "refused", "detail": refused.message}
    told = [f"{key} is {now}, not {wanted}" for key, (now, wanted) in drift.items()] or [step.says for step in steps]
    told += [seen.advice] if seen.advice else []
    return row | {"state": "drifted" if told else "in place", "id": seen.id, "detail": ", ".join(told)}


def side_by_side(act, wants):
    """What `act` says of each, in their order; many are asked at once."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(act, wants))


def destroy(c, *kinds, name="", yes="", plan=False, json=False):
    """Take every resource of these kinds away, last built first. A precious stage wants its name said: `--yes live`."""
    stage = stage_of(c)
    wants = list(reversed(stage.of(*kinds, name=name)))
    if plan:
        stage.open()
        return show_plan(side_by_side(lambda want: look_ahead(stage, want, gone), wants), json)
    if stage.precious and yes != stage.name:
        raise Refusal(
            f"This would destroy {len(wants)} resources of {stage.name} for good: to mean it, add `--yes {stage.name}`"
        )
    stage.open()
    users = {str(want): tuple(str(other) for other in wants if str(want) in other.needs) for want in wants}
    with alone(stage.name), Board(sys.stderr if json else sys.stdout) as board:
        results = in_order(
            wants, lambda want: bring_about(stage, want, board, gone), board, needs=lambda want: users[str(want)]
        )
    if json:
        as_json([result.data() for result in results])
    return judge(results)


def differing(outcomes):
    """The outcomes of a look whose operations are not as wanted."""
    return tuple(outcome for outcome in outcomes if outcome.state != "ok")


class HostResource:
    """A resource that is nothing but host operations on one machine; a room's class says which, in `operations`."""

    def look(self, world):
        operations = self.operations(world)
        if isinstance(operations, Seen):  # something they are made from is not there yet
            return operations
        outcomes = world.facts(self.machine, operations)
        if outcomes is None:
            return Seen(ids={"operations": operations}, unsure=f"machine {self.machine}")
        needed = differing(outcomes)
        ids = {"operations": operations, "needed": needed}
        return Seen(None if len(needed) == len(outcomes) else self.machine, None if needed else self, ids)

    def plan(self, seen):
        if seen.unsure or seen.ids["needed"]:
            operations, needed = tuple(seen.ids.get("operations", ())), tuple(seen.ids.get("needed", ()))
            yield Script(self.says, self.machine, operations, pending=needed)

    def teardown(self, seen):
        yield from ()


@contextmanager
def alone(name):
    """One run at a time on this machine for a stage. The lock is the kernel's: it is gone with its process."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "hydra"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{name}.lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            print(
                f"Another run ({file.read().strip() or 'unknown'}) is at work on {name}: waiting for it to end.",
                file=sys.stderr,
            )
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"process {os.getpid()}: fab {' '.join(sys.argv[1:])}")
        file.flush()
        yield
