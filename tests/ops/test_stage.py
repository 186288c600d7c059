"""A stage: what may stand in its list, in which order it is built, and what becomes of the rest when one fails."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from invoke.exceptions import Exit

from fabfile.engine.errors import Failure, Refusal
from fabfile.engine.plan import Seen
from fabfile.engine.stage import Stage, destroy, make, stage_of
from fabfile.engine.steps import Call


@dataclass(frozen=True)
class Thing:
    """A resource whose one step is to be noted in its stage's world."""

    name: str
    needs: tuple = ()
    broken: bool = field(default=False, compare=False)

    def __str__(self):
        return f"thing {self.name}"

    def look(self, world):
        return Seen(self.name if self.name in world.there else None, self)

    def plan(self, seen):
        if not seen:
            yield Call("make it", "broken" if self.broken else "ec2", self.name)

    def teardown(self, seen):
        yield Call("remove it", "ec2", self.name)


class Ground:
    """A world that remembers what was done to it."""

    def __init__(self, *there):
        self.there, self.done, self.lock = set(there), [], threading.Lock()

    def read(self, service, method):
        assert (service, method) == ("sts", "get_caller_identity"), "all else is asked by the resources"

    def do(self, step):
        if step.service == "broken":
            raise Failure(f"{step.says}: out of order")
        with self.lock:
            self.done.append((step.says, step.method))
            (self.there.add if step.says == "make it" else self.there.discard)(step.method)


@pytest.fixture(autouse=True)
def own_folder_for_locks(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def run_on(*things, world=None, precious=False):
    """A run (a task's context) on a stage of these things, and its world."""
    stage = Stage("test", "us-west-2", things, precious=precious)
    stage.__dict__["world"] = world or Ground()
    return SimpleNamespace(config={"stage": stage}), stage.world


def test_what_names_another_is_built_after_it():
    c, world = run_on(Thing("test-b", ("thing test-a",)), Thing("test-c", ("thing test-b",)), Thing("test-a"))
    make(c)
    assert [name for _, name in world.done] == ["test-a", "test-b", "test-c"]


def test_what_needs_nothing_is_built_side_by_side():
    both = threading.Barrier(2, timeout=20)

    class Meeting(Ground):
        def do(self, step):
            both.wait()  # passes only if the other is under way at the same time
            super().do(step)

    c, world = run_on(Thing("test-a"), Thing("test-b"), world=Meeting())
    make(c)
    assert world.there == {"test-a", "test-b"}


def test_a_second_run_does_nothing():
    c, world = run_on(Thing("test-a"))
    make(c)
    make(c)
    assert len(world.done) == 1


def test_one_failure_stops_what_needs_it_and_nothing_else(capsys):
    c, world = run_on(Thing("test-a", broken=True), Thing("test-b", ("thing test-a",)), Thing("test-c"))
    with pytest.raises(Refusal, match="1 failed, 1 not tried"):
        make(c)
    assert world.there == {"test-c"}
    shown = capsys.readouterr().out
    assert "make it: out of order" in shown
    assert "not tried, for it needs thing test-a" in shown


def test_a_plan_changes_nothing_and_ends_with_two(capsys):
    c, world = run_on(Thing("test-a"), Thing("test-b"), world=Ground("test-b"))
    with pytest.raises(Exit) as ended:
        make(c, plan=True)
    assert (ended.value.code, world.done) == (2, [])
    assert "thing test-a: will change\n    make it" in capsys.readouterr().out


def test_a_plan_with_nothing_to_do_ends_well():
    c, _ = run_on(Thing("test-a"), world=Ground("test-a"))
    make(c, plan=True)


def test_what_was_built_last_goes_first():
    c, world = run_on(Thing("test-a"), Thing("test-b", ("thing test-a",)), world=Ground("test-a", "test-b"))
    destroy(c)
    assert [name for _, name in world.done] == ["test-b", "test-a"]


def test_a_plan_of_destroying_takes_nothing_away(capsys):
    c, world = run_on(Thing("test-a"), Thing("test-b"), world=Ground("test-a"))
    with pytest.raises(Exit) as ended:
        destroy(c, plan=True)
    assert (ended.value.code, world.there) == (2, {"test-a"})
    assert "thing test-b: no change\n" in capsys.readouterr().out


def test_a_precious_stage_wants_its_name_said():
    c, world = run_on(Thing("test-a"), world=Ground("test-a"), precious=True)
    with pytest.raises(Refusal, match="add `--yes test`"):
        destroy(c)
    assert world.there == {"test-a"}
    destroy(c, yes="test")
    assert world.there == set()


@pytest.mark.parametrize(
    ("things", "told"),
    [
        ((Thing("test-a"), Thing("test-a")), "thing test-a is listed twice"),
        ((Thing("a"),), "has to begin with `test-`"),
        ((Thing("test-a", ("thing test-b",)),), "needs thing test-b, which is not listed"),
        ((Thing("test-a", ("thing test-b",)), Thing("test-b", ("thing test-a",))), "nothing of this can be first"),
    ],
)
def test_a_list_that_cannot_be_right_is_refused_before_anything_is_done(things, told):
    with pytest.raises(Refusal, match=told):
        Stage("test", "us-west-2", things)


def test_an_unknown_name_is_refused_with_those_there_are():
    c, _ = run_on(Thing("test-a"))
    with pytest.raises(Refusal, match="nothing of that kind named b: there is test-a"):
        make(c, name="b")


def test_without_a_stage_the_right_line_is_shown(monkeypatch):
    monkeypatch.setattr("sys.argv", ["fab", "setup_packages"])
    with pytest.raises(Refusal, match="`fab local setup_packages`"):
        stage_of(SimpleNamespace(config={}))
