"""`cloud.destroy` leaves nothing on this machine, whatever state the cloud was in, seen as an administrator would."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from fabfile.localcloud import cgroups, daemon
from fabfile.localcloud.machines import SUPERVISOR

pytestmark = pytest.mark.hosts

LOOKS = ("ip -o link", "ip -o addr", "ip route show table all", "ip netns list", "losetup -a", "nft list ruleset")
STEPS = ("machine local-web: launch", "redis local-redis: set up", "database local-db: create")


def traces(person):
    """Lines of what this machine shows that bear the prefix or the folder of this person's cloud."""
    shown = [line for look in LOOKS for line in output(look)]
    shown += Path("/proc/mounts").read_text().splitlines()
    shown += [str(root / name) for root in cgroups.hierarchies() for name in os.listdir(root)]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            shown.append((process / "cmdline").read_bytes().decode(errors="replace"))
            shown += (process / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
    marks = (person.place.prefix, str(person.place.home))
    return [line for line in shown if any(mark in line for mark in marks) and "PYTEST" not in line]


def output(command):
    return subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout.splitlines()


def supervisors(person):
    """The processes that keep this person's machines."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(SUPERVISOR) in words and str(person.place.home) in words:
            found.append(int(process.name))
    return found


def gone(person):
    assert person.fab("local cloud.destroy --yes").out.strip() == "the local cloud is gone"
    assert traces(person) == []
    assert not person.place.home.exists()
    assert "does not run" in person.fab("local cloud.status").out


def test_after_a_whole_stage_nothing_is_left(newcomer):
    newcomer.fab("local up")
    shown = "\n".join(traces(newcomer))
    assert all(mark in shown for mark in ("netns", "/dev/loop", "table inet", "hydra"))
    gone(newcomer)
    gone(newcomer)


@pytest.mark.parametrize(
    "step", ["machine local-web: launch", "redis local-redis: set up", "database local-db: create"]
)
def test_after_a_run_the_daemon_and_the_keepers_were_killed_nothing_is_left(newcomer, step):
    run = newcomer.begin("local up")
    assert run.until(step)
    run.kill()
    newcomer.kill_daemon()
    for pid in supervisors(newcomer):
        os.kill(pid, signal.SIGKILL)
    gone(newcomer)


def test_after_only_the_daemon_was_killed_nothing_is_left(newcomer):
    newcomer.fab("local ec2.launch")
    newcomer.kill_daemon()
    assert not daemon.pids(newcomer.place)
    gone(newcomer)
