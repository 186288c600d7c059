"""Machines over a real SSH connection: operations made so and verified, commands, files sent, strangers refused."""

import io
import os
import stat
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from fabfile.engine import ssh
from fabfile.engine.errors import Failure
from fabfile.engine.fleet import each
from fabfile.engine.hosts import Connections
from fabfile.engine.operations import Absent, Command, Directory, File, Link, Package, Template, User
from fabfile.engine.secret import Secret

from .sshd import keygen, running

pytestmark = pytest.mark.sshd


@pytest.fixture(scope="module")
def stone():
    """A machine to log in to: this one, through an sshd of the tests' own."""
    with running(kinds=("ed25519", "ecdsa")) as sshd:
        yield sshd


@pytest.fixture
def pool():
    with Connections() as connections:
        yield connections


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


# Commands


def test_a_command_brings_back_its_code_its_output_and_its_errors(stone, pool):
    result = pool.run(stone.host, "cat; echo bad >&2; exit 3", input=Secret("in"))

    assert (result.code, result.out, result.err) == (3, "in", "bad\n")


def test_long_output_on_both_streams_arrives_whole(stone, pool):
    text = "head -c 3000000 /dev/zero | tr '\\0' e >&2; head -c 3000000 /dev/zero | tr '\\0' o"

    result = pool.run(stone.host, text)

    assert (len(result.out), len(result.err)) == (3000000, 3000000)


def test_lines_are_told_as_they_come(stone, pool, tmp_path):
    os.mkfifo(tmp_path / "go")
    heard = []

    def each_line(line):
        heard.append(line)
        if line == "one":  # the command waits for this, so the line came before its end
            (tmp_path / "go").write_text("\n")

    pool.run(stone.host, f"echo one; read -r x <{tmp_path}/go; printf two", each_line=each_line)

    assert heard == ["one", "two"]


def test_a_command_that_takes_too_long_is_given_up_by_name(stone, pool):
    with pytest.raises(Failure, match="stone: not done in 1 s, while running a command"):
        pool.run(stone.host, "sleep 30", timeout=1)


# Connections


def test_one_connection_serves_many_conversations(stone, pool):
    first = pool.connect(stone.host)

    pool.run(stone.host, "true")

    assert pool.connect(stone.host) is first


def test_a_connection_that_is_gone_is_opened_anew(stone, pool):
    pool.connect(stone.host).close()

    assert pool.run(stone.host, "echo back").out == "back\n"


def test_a_connection_lost_in_the_middle_is_one_sentence(stone, pool, tmp_path):
    # $PPID is the session's own sshd: as if the machine had gone away
    operations = [Command("pull the plug", "kill -9 $PPID")]

    with pytest.raises(Failure) as told:
        pool.apply(stone.host, operations)

    assert (
        str(told.value) == "stone: the connection was lost while making pull the plug. Run it again: it goes on there"
    )


def test_another_host_key_than_the_pinned_one_is_refused_with_both_named(stone, pool, tmp_path):
    other = keygen(tmp_path / "other")
    host = replace(stone.host, host_keys=(other,))

    with pytest.raises(Failure) as told:
        pool.run(host, "true")

    assert "does not show the pinned host key: expected ssh-ed25519 SHA256:" in str(told.value)
    assert "found ssh-ed25519 SHA256:" in str(told.value)


def test_only_kinds_of_keys_that_are_pinned_are_asked_for(stone, pool):
    ecdsa = next(line for line in stone.host.host_keys if line.startswith("ecdsa"))

    assert pool.run(replace(stone.host, name="e", host_keys=(ecdsa,)), "echo in").out == "in\n"


def test_a_machine_without_a_key_of_the_pinned_kind_is_refused(stone, pool, tmp_path):
    host = replace(stone.host, host_keys=(keygen(tmp_path / "rsa", "rsa"),))

    with pytest.raises(Failure, match="found none of these kinds"):
        pool.run(host, "true")


def test_a_machine_without_a_pinned_key_is_not_even_called(stone, pool):
    with pytest.raises(Failure, match="no pinned host key"):
        pool.run(replace(stone.host, host_keys=(), port=1), "true")


def test_a_key_that_opens_nothing_is_said_so(stone, pool, tmp_path):
    keygen(tmp_path / "stranger")

    with pytest.raises(Failure, match="root is not let in with the key"):
        pool.run(replace(stone.host, key_file=str(tmp_path / "stranger")), "true")


def test_a_key_file_that_is_none_is_said_so(stone, pool, tmp_path):
    with pytest.raises(Failure, match="the SSH key .*missing cannot be used"):
        pool.run(replace(stone.host, key_file=str(tmp_path / "missing")), "true")


def test_a_machine_that_does_not_answer_is_said_so(stone, pool):
    with pytest.raises(Failure, match="stone: no connection to 127.0.0.1 port 1 .*: does it run"):
        pool.run(replace(stone.host, port=1), "true")


def test_a_machine_that_boots_is_waited_for(stone):
    class Clock:
        """Time passes only by sleeping; the machine is up after a while."""

        now, place = 0.0, stone.host.port

        def monotonic(self):
            return self.now

        def sleep(self, seconds):
            self.now += seconds
            if self.now > 5:
                hosts.append(stone.host)

    clock, hosts = Clock(), []

    class Booting:
        """A host whose port is closed at first."""

        def __getattr__(self, name):
            return 1 if name == "port" and not hosts else getattr(stone.host, name)

    with Connections(clock=clock) as pool:
        pool.connect(Booting(), wait=60)

    assert 5 < clock.now < 10


def test_many_threads_share_a_pool(stone, pool, tmp_path):
    hosts = [replace(stone.host, name=f"stone-{number}") for number in range(8)]
    operations = {host.name: [File(f"{tmp_path}/{host.name}", host.name)] for host in hosts}

    outcomes = each(hosts, lambda host: pool.apply(host, operations[host.name]), workers=4)

    assert [states(outcome) for outcome in outcomes.values()] == [["changed"]] * 8


def test_two_threads_that_ask_for_the_same_machine_get_one_connection(stone, pool):
    found = []
    threads = [threading.Thread(target=lambda: found.append(pool.connect(stone.host))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(map(id, found))) == 1


# Files sent


def test_a_folder_takes_the_place_of_the_one_before(stone, pool, tmp_path):
    source, target = tmp_path / "source", tmp_path / "far" / "target"
    (source / "deep/__pycache__").mkdir(parents=True)
    (source / "deep/file").write_text("new")
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o755)
    target.mkdir(parents=True)
    (target / "old").write_text("old")

    pool.upload(stone.host, source, target, owner="daemon")

    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == ["deep", "deep/file", "run"]
    assert os.access(target / "run", os.X_OK)
    assert target.owner() == (target / "run").owner() == "daemon"
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_file_and_bytes_become_one_file(stone, pool, tmp_path):
    (tmp_path / "source").write_bytes(b"x" * 5_000_000)

    pool.upload(stone.host, tmp_path / "source", tmp_path / "file", mode=0o600)
    pool.upload(stone.host, b"few", f"{tmp_path}/bytes")

    assert (tmp_path / "file").stat().st_size == 5_000_000
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert (tmp_path / "bytes").read_bytes() == b"few"
    assert {path.name for path in tmp_path.iterdir()} == {"source", "file", "bytes"}


@pytest.mark.parametrize("kind", ["w", "w:gz"])
def test_an_archive_is_unpacked(stone, pool, tmp_path, kind):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=kind) as tar:
        member = tarfile.TarInfo("inside")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"here"))

    pool.upload(stone.host, archive.getvalue(), tmp_path / "target", unpack=True)

    assert (tmp_path / "target/inside").read_text() == "here"


def test_what_arrives_broken_leaves_the_target_as_it_was(stone, pool, tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target/old").write_text("old")

    with pytest.raises(Failure, match=f"stone: {tmp_path}/target could not be put in place: .*tar"):
        pool.upload(stone.host, b"\x1f\x8b but no archive", tmp_path / "target", unpack=True)

    assert (tmp_path / "target/old").read_text() == "old"
