"""Connections: commands and their output, host keys pinned, machines that boot, vanish or let nobody in."""

import os
import threading
from dataclasses import replace

import pytest

from fabfile.engine.errors import Failure
from fabfile.engine.fleet import each
from fabfile.engine.hosts import Connections
from fabfile.engine.operations import Command, File
from fabfile.engine.secret import Secret

from .sshd import keygen

pytestmark = pytest.mark.sshd


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

    assert [outcome[0].state for outcome in outcomes.values()] == ["changed"] * 8


def test_two_threads_that_ask_for_the_same_machine_get_one_connection(stone, pool):
    found = []
    threads = [threading.Thread(target=lambda: found.append(pool.connect(stone.host))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(map(id, found))) == 1


def test_a_connection_whose_other_end_died_unseen_is_opened_anew(stone, pool):
    with pytest.raises(Failure, match="the connection was lost"):
        pool.run(stone.host, "kill -9 $PPID")

    assert pool.run(stone.host, "echo back").out == "back\n"
