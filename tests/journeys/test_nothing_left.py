"""`cloud.destroy` leaves nothing on this machine, whatever state the cloud was in, seen as an administrator would."""

import os
import signal
from pathlib import Path

import pytest

from fabfile.localcloud.machines import SUPERVISOR

pytestmark = pytest.mark.hosts

STEPS = ("machine local-web: launch", "redis local-redis: set up", "database local-db: create")


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


@pytest.mark.parametrize("step", STEPS)
def test_after_the_run_the_daemon_and_the_machines_keepers_were_killed_nothing_is_left(newcomer, step):
    run = newcomer.begin("local up")
    assert run.until(step)
    run.kill()
    newcomer.kill_daemon()
    for pid in supervisors(newcomer):
        os.kill(pid, signal.SIGKILL)
    assert newcomer.traces()

    for _ in range(2):
        assert newcomer.fab("local cloud.destroy --yes").out == "the local cloud is gone\n"
        assert newcomer.traces() == []
        assert not newcomer.place.home.exists()
    assert "does not run" in newcomer.fab("local cloud.status").out
