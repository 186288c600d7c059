"""The front door: name a stage, then what to do there, as in `fab live setup_packages`."""

import os
import sys
from pathlib import Path

# Fabric puts this folder on the path, where our redis.py would hide the library of that name. Put the project there
# instead: every module then has one name.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(entry for entry in sys.path if Path(entry or ".").resolve() != HERE)]
# Invoke turns the writing of byte code off: every run would compile all rooms anew, an eighth of its CPU time.
sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))

from fabric import task  # noqa: E402
from invoke import Collection  # noqa: E402

from . import cloudwatch, deploy, ebs, ec2, iam, rds, redis, sdb, stages, vault, whole  # noqa: E402
from .engine.door import FrontDoor  # noqa: E402
from .localcloud import tasks as cloud  # noqa: E402


@task
def live(c):
    """Work on the live stage: fab live TASK."""
    c.config.stage = stages.LIVE


@task
def staging(c):
    """Work on the staging stage: fab staging TASK."""
    c.config.stage = stages.STAGING


@task
def local(c):
    """Work on the local stage, on this machine's own cloud: fab local TASK."""
    c.config.stage = stages.LOCAL


ROOMS = {
    "ec2": ec2,
    "rds": rds,
    "sdb": sdb,
    "ebs": ebs,
    "redis": redis,
    "vault": vault,
    "cloudwatch": cloudwatch,
    "deploy": deploy,
    "cloud": cloud,
}

ns = FrontDoor(live, staging, local, auto_dash_names=False)
for name, room in ROOMS.items():
    ns.add_collection(Collection.from_module(room, name=name, auto_dash_names=False))
for name, task_ in {
    "up": whole.up,
    "plan": whole.plan,
    "status": whole.status,
    "destroy": whole.destroy,
    "iam": iam.policy,
    "launch_ec2_instance": ec2.launch,
    "create_ebs_volume": ebs.create,
    "mount_ebs_volume": ebs.mount,
    "initialize_db": rds.create,
    "db_status": rds.status,
    "create_user_domains": sdb.create,
    "setup_packages": deploy.packages,
    "get_cpu_stats": cloudwatch.cpu,
}.items():
    ns.add_task(task_, name)
ns.check()
