"""Words for tests of databases: a place for real ones, what is ordered of RDS, and waiting for what comes of it."""

import fcntl
import shutil
import time
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from fabfile.localcloud import daemon
from fabfile.localcloud.databases import ProcessDatabases

from .conftest import own_place

WANTED = {
    "Engine": "mysql",
    "EngineVersion": "8.4",
    "DBInstanceClass": "db.t4g.micro",
    "AllocatedStorage": 20,
    "StorageType": "gp3",
    "MasterUsername": "hydra_admin",
    "MasterUserPassword": "long-enough",
    "BackupRetentionPeriod": 0,
}


def refusal(call, **parameters):
    """The code of the error that a call gives."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


def describe(rds, id):
    return rds.describe_db_instances(DBInstanceIdentifier=id)["DBInstances"][0]


def settled(rds, id):
    """The database once it is available."""
    waiter = rds.get_waiter("db_instance_available")
    waiter.wait(DBInstanceIdentifier=id, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600})
    return describe(rds, id)


def remove(rds, id):
    rds.delete_db_instance(DBInstanceIdentifier=id, SkipFinalSnapshot=True)
    gone(rds, id)


def gone(rds, id):
    waiter = rds.get_waiter("db_instance_deleted")
    waiter.wait(DBInstanceIdentifier=id, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600})


def until(holds):
    """Wait for a state that has no waiter."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "it did not come within 30 seconds"
        time.sleep(0.02)


@contextmanager
def maker(rds):
    """A function that makes databases by name; what is left of them goes at the end."""
    made = []

    def make(id, **changes):
        made.append(id)
        wanted = {key: value for key, value in {**WANTED, **changes}.items() if value is not None}
        return rds.create_db_instance(DBInstanceIdentifier=id, **wanted)["DBInstance"]

    yield make
    for id in made:
        try:
            there = describe(rds, id)
        except rds.exceptions.DBInstanceNotFoundFault:
            continue
        if there["DeletionProtection"]:
            rds.modify_db_instance(DBInstanceIdentifier=id, DeletionProtection=False)
        remove(rds, id)


@contextmanager
def servers_of(module):
    """The place of a test module's database processes, clean before and after.

    Its name lasts, so that what a killed run left is found by the next; a second run at the same time waits.
    """
    place = own_place(module)
    place.home.parent.mkdir(parents=True, exist_ok=True)
    with open(place.home.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _clear(place)
        place.home.mkdir()
        yield place
        _clear(place)


def _clear(place):
    daemon.kill(place)
    ProcessDatabases(place).sweep()
    shutil.rmtree(place.home, ignore_errors=True)
