"""Walking a plan: steps go to a hand, answers come back, what is not known yet is said so."""

from dataclasses import dataclass, field

import pytest

from fabfile.engine.plan import Seen, differences, idle, unknowns, walk
from fabfile.engine.secret import Secret, revealed
from fabfile.engine.steps import Call, Script, Unknown, Wait


def two_steps():
    volume = yield Call("create it", "ec2", "create_volume", {}, returns="VolumeId")
    yield Wait("wait for it", "ec2", "volume_available", {"VolumeIds": [volume]})


def test_what_a_step_brings_back_reaches_the_next():
    answers = iter(["vol-1", None])
    _, wait = walk(two_steps(), lambda step: next(answers))
    assert wait.params == {"VolumeIds": ["vol-1"]}


def test_the_idle_hand_shows_every_step_and_says_what_is_known_later():
    create, wait = walk(two_steps(), idle)
    assert create.says == "create it"
    assert str(wait.params["VolumeIds"][0]) == "(VolumeId, known later)"


def test_a_plan_with_nothing_to_do_takes_no_step():
    assert walk((step for step in ()), pytest.fail) == []


@dataclass(frozen=True)
class Disk:
    name: str
    size: int
    image: str = field(default="", compare=False)
    kind: str | None = None


def test_wanted_and_seen_are_compared_field_by_field():
    assert differences(Disk("a", 20, "new"), Disk("a", 10, "old", "gp3")) == {"size": (10, 20)}


def test_what_is_not_known_yet_is_found_however_deep_it_lies():
    step = Call("attach it", "ec2", "attach_volume", {"VolumeId": "vol-1", "To": [{"Id": Unknown("machine a")}]})
    assert [it.what for it in unknowns(step)] == ["machine a"]


def test_what_was_not_seen_is_false_and_what_was_seen_is_true():
    assert not Seen(ids={"groups": []})
    assert Seen("vol-1")


class TestASecret:
    def test_never_shows_itself(self):
        secret = Secret("hunter2")
        shown = f"{secret} {secret!r} {secret!s:>9} {[secret]} {Call('keep it', 's', 'm', {'Text': secret})}"
        assert "hunter2" not in shown

    def test_cannot_be_pickled_into_a_file_by_accident(self):
        import pickle

        with pytest.raises(TypeError, match="never written out"):
            pickle.dumps(Secret("hunter2"))

    def test_is_given_away_only_where_it_is_sent_off(self):
        assert revealed({"a": [Secret("x")], "b": (Secret("y"), 1)}) == {"a": ["x"], "b": ("y", 1)}

    def test_hides_in_a_plan_for_programs_too(self, capsys):
        from fabfile.engine.show import as_json, step_data

        as_json([step_data(Call("keep it", "secretsmanager", "create_secret", {"SecretString": Secret("hunter2")}))])
        as_json([step_data(Script("write it", "a-machine", ("file /x",)))])
        assert "hunter2" not in capsys.readouterr().out
