"""`fab local up` killed, interrupted, and run twice at a time: there is one of everything, and then nothing is left."""

from pathlib import Path

import pytest

from fabfile.localcloud import cgroups, real
from tests.cloud.conftest import until

pytestmark = pytest.mark.hosts

REDIS = "redis local-redis: set up Redis"
# Each is what a run prints as it begins that step; the run is killed there and then.
STEPS = (
    "firewall local-web: create it",
    "role local-web: put it in its profile",
    "secret local-redis: keep it in Secrets Manager",
    "volume local-data: create 10 GiB",
    "database local-db: create MySQL",
    "machine local-web: launch",
    "machine local-web: pin its host key",
    "mount /volume on local-web: attach it",
    "mount /volume on local-web: format it",
    REDIS,
    "schema local-schema: create the schema",
)


def one_of_everything(person):
    """All is in place, and nothing is there twice."""
    client = person.client
    rows = person.fab("local status").out.splitlines()
    built = [row for row in rows if "release" not in row and "packages" not in row]
    assert built and all(row.startswith("in place") for row in built), "\n".join(rows)
    assert not [row for row in rows if row.startswith("stranger")]
    assert len(person.machines()) == len(person.volumes()) == 1
    assert person.volumes()[0]["Attachments"][0]["InstanceId"] == person.machines()[0]["InstanceId"]
    assert len(client("rds").describe_db_instances()["DBInstances"]) == 1
    assert len(client("sdb").list_domains()["DomainNames"]) == 16
    names = [group["GroupName"] for group in client("ec2").describe_security_groups()["SecurityGroups"]]
    assert sorted(name for name in names if name.startswith("local-")) == ["local-db", "local-web"]
    assert sorted(real.drivers(person.place)[1].ids()) == sorted(["db-local-db", person.machines()[0]["InstanceId"]])


def test_interrupted_a_run_says_one_sentence(newcomer):
    run = newcomer.begin("local up")
    assert run.until("domain local-users-")
    told = run.interrupt()
    last = told.all.strip().splitlines()[-1]
    assert told.code == 130 and "Traceback" not in told.all
    assert last == "Interrupted. What is done is done; run the same command again and it goes on from here."


def test_killed_at_step_after_step_a_run_is_finished_by_the_next(newcomer):
    left = set(STEPS)
    while step := (run := newcomer.begin("local up")).until(*left):
        if step == REDIS:
            until(lambda: runs(newcomer, b"dpkg"))
        run.kill()
        left.remove(step)

    # Steps go on side by side: a few are over and done with when another's run is killed.
    assert run.end().code == 0 and len(left) < len(STEPS) / 2, left
    one_of_everything(newcomer)
    assert "0 will change, 0 may change, 31 as wanted" in newcomer.fab("local up --plan").out


def runs(person, program):
    """Whether a program of that name runs in one of the person's hosts."""
    lines = [Path(f"/proc/{pid}/cmdline") for pid in cgroups.pids(person.place.prefix)]
    return any(read(line).split(b"\0")[0].endswith(program) for line in lines)


def read(file):
    """A file of /proc, empty if its process has ended."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_taken_down_it_is_built_anew_by_two_runs_at_the_same_time_once(newcomer):
    newcomer.fab("local destroy")
    runs = [newcomer.begin("local up"), newcomer.begin("local up")]
    told = [run.end() for run in runs]
    assert [one.code for one in told] == [0, 0], told
    assert sum("is at work on local: waiting for it to end" in one.all for one in told) == 1
    one_of_everything(newcomer)


def test_taken_away_nothing_of_it_is_left_on_this_machine(newcomer):
    shown = "\n".join(newcomer.traces())
    prefix = newcomer.place.prefix
    assert all(mark in shown for mark in (f"{prefix}-db-local-db", "/dev/loop", f"table inet {prefix}", "HYDRA_HOME="))

    newcomer.fab("local cloud.destroy --yes")
    assert newcomer.traces() == []
    assert not newcomer.place.home.exists()
