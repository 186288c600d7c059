"""Operations on a machine over a real SSH connection: looked at, made so, verified, and told when they fail."""

import os
import stat
from pathlib import Path

import pytest

from fabfile.engine import ssh
from fabfile.engine.operations import Absent, Command, Directory, File, Link, Package, Template, User
from fabfile.engine.secret import Secret

pytestmark = pytest.mark.sshd


def states(outcomes):
    return [outcome.state for outcome in outcomes]


def some(folder):
    """A few operations of each kind that need nothing but a folder."""
    return (
        Directory(f"{folder}/with space", mode=0o750),
        File(f"{folder}/with space/it's \\ here", "first\n"),
        File(f"{folder}/secret", Template("password={word}\n", word=Secret("hunter2")), mode=0o600),
        Link(f"{folder}/link", "with space"),
        Absent(f"{folder}/gone"),
        Package("bash"),
        User("daemon"),
        Command("write what it reads", f"cat >'{folder}/read'", unless=f"test -s '{folder}/read'", input=Secret("a b")),
    )


# Operations


def test_a_look_changes_nothing_and_names_what_is_needed(stone, pool, tmp_path):
    (tmp_path / "gone").write_text("still here")

    outcomes = pool.facts(stone.host, some(tmp_path))

    assert states(outcomes) == ["needed"] * 5 + ["ok"] * 2 + ["needed"]
    assert [path.name for path in tmp_path.iterdir()] == ["gone"]


def test_what_is_made_so_is_verified_and_asks_for_nothing_more(stone, pool, tmp_path):
    (tmp_path / "gone").write_text("still here")
    operations = some(tmp_path)

    first, second = pool.apply(stone.host, operations), pool.apply(stone.host, operations)

    assert states(first) == ["changed"] * 5 + ["ok"] * 2 + ["changed"]
    assert states(second) == states(pool.facts(stone.host, operations)) == ["ok"] * 8
    assert (tmp_path / "with space/it's \\ here").read_text() == "first\n"
    assert (tmp_path / "secret").read_text() == "password=hunter2\n"
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert os.readlink(tmp_path / "link") == "with space"
    assert (tmp_path / "read").read_text() == "a b"


def test_what_is_well_is_left_untouched(stone, pool, tmp_path):
    pool.apply(stone.host, some(tmp_path))
    before = {path.name: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in tmp_path.iterdir()}

    pool.apply(stone.host, some(tmp_path))

    assert {path.name: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in tmp_path.iterdir()} == before


def test_a_file_shows_its_difference_and_one_with_a_secret_never_does(stone, pool, tmp_path):
    (tmp_path / "plain").write_text("one\ntwo\n")
    (tmp_path / "secret").write_text("password=old\n")
    operations = (
        File(f"{tmp_path}/plain", "one\nthree\n"),
        File(f"{tmp_path}/secret", Template("password={word}\n", word=Secret("hunter2"))),
        File(f"{tmp_path}/new", "all of it\n"),
    )

    looked, made = pool.facts(stone.host, operations), pool.apply(stone.host, operations)

    for outcomes in (looked, made):
        assert outcomes[0].diff.splitlines()[-3:] == [" one", "-two", "+three"]
        assert outcomes[1].diff == ""
        assert outcomes[2].diff.splitlines()[-1] == "+all of it"


def test_after_a_failure_the_rest_is_not_tried_and_its_last_words_are_told(stone, pool, tmp_path):
    operations = (
        File(f"{tmp_path}/before", "x"),
        Command("say why", "echo the disk is on fire; false; echo not reached"),
        File(f"{tmp_path}/after", "x"),
    )

    outcomes = pool.apply(stone.host, operations)

    assert states(outcomes) == ["changed", "failed", "failed"]
    assert outcomes[1].detail == "the disk is on fire"
    assert outcomes[2].detail == "not tried: after say why was failed"
    assert not (tmp_path / "after").exists()


def test_a_secret_that_a_command_repeats_is_masked(stone, pool):
    command = Command("log in", "read -r word || :; echo wrong password $word; false", input=Secret("hunter2"))

    outcome = pool.apply(stone.host, [command])[0]

    assert outcome.detail == "wrong password ••••••"


def test_a_command_may_be_no_shell_at_all_and_spoils_only_itself(stone, pool, tmp_path):
    operations = (
        File(f"{tmp_path}/a", "x"),
        Command("broken", "if then (", unless="also ) broken"),
    )

    outcomes = pool.apply(stone.host, operations)

    assert states(outcomes) == ["changed", "failed"]
    assert "yntax" in outcomes[1].detail


def test_a_command_that_does_not_reach_what_its_check_wants_has_failed(stone, pool, tmp_path):
    ran = tmp_path / "ran"
    command = Command("try", f"echo ran >>{ran}", unless=f"test -e {tmp_path}/never")

    outcome = pool.apply(stone.host, [command])[0]

    assert (outcome.state, ran.read_text()) == ("failed", "ran\n")


def test_a_directory_in_the_way_is_refused_before_anything_is_done(stone, pool, tmp_path):
    (tmp_path / "there").mkdir()
    operations = (File(f"{tmp_path}/first", "x"), File(f"{tmp_path}/there", "x"))

    outcomes = pool.apply(stone.host, operations)

    assert states(outcomes) == ["failed", "refused"]
    assert outcomes[0].detail.startswith("not tried")
    assert not (tmp_path / "first").exists()


def test_what_an_earlier_operation_upsets_is_put_right_in_the_same_run(stone, pool, tmp_path):
    operations = (
        Command("bring a default", f"touch {tmp_path}/default {tmp_path}/done", unless=f"test -e {tmp_path}/done"),
        Absent(f"{tmp_path}/default"),
    )

    outcomes = pool.apply(stone.host, operations)

    assert states(outcomes) == ["changed", "changed"]
    assert not (tmp_path / "default").exists()


def test_more_operations_than_fit_into_one_argument_go_all_the_same(stone, pool, tmp_path):
    operations = [File(f"{tmp_path}/{'x' * 180}{number}", "x" * number) for number in range(300)]
    assert len("".join(file.path for file in operations)) * 2 > ssh.LONGEST_ARGUMENT

    assert states(pool.apply(stone.host, operations)) == ["changed"] * 300
    assert states(pool.facts(stone.host, operations)) == ["ok"] * 300


def test_folders_missing_above_a_file_or_a_link_are_made(stone, pool, tmp_path):
    operations = (File(f"{tmp_path}/unit.service.d/limits.conf", "x"), Link(f"{tmp_path}/some/where/link", "x"))

    assert states(pool.apply(stone.host, operations)) == ["changed"] * 2
    assert stat.S_IMODE((tmp_path / "unit.service.d").stat().st_mode) == 0o755


def test_no_secret_stays_behind_in_the_staging_folder(stone, pool, tmp_path):
    pool.apply(stone.host, [File(f"{tmp_path}/secret", Secret("hunter2"), mode=0o600), Command("fail", "false")])

    assert not Path("/run/hydra/stage").exists()
