"""RDS as a client meets it: real boto3 against the real daemon, over drivers with nothing behind them."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from fabfile.localcloud import daemon
from fabfile.localcloud.place import Place


class Cloud:
    """A daemon of its own, and clients of it."""

    def __init__(self, folder, drivers):
        self.place = Place("test", folder / "home", folder / "cache", 0)
        self.drivers = drivers
        self.start()

    def start(self):
        self.found = daemon.ensure(self.place, lambda line: None, self.drivers)

    def stop(self):
        daemon.stop(self.place, lambda line: None)

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.found.url,
            region_name="us-west-2",
            aws_access_key_id=self.found.access_key,
            aws_secret_access_key=self.found.secret_key,
            config=Config(retries={"max_attempts": 1}),
        )


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    cloud = Cloud(tmp_path_factory.mktemp("relational"), "memory")
    yield cloud
    cloud.stop()


@pytest.fixture
def rds(cloud):
    return cloud.client("rds")


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
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier=id, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return describe(rds, id)


@pytest.fixture
def database(rds):
    """One database, available; taken away after the test."""
    rds.create_db_instance(DBInstanceIdentifier="local-db", **WANTED)
    yield settled(rds, "local-db")
    if describe(rds, "local-db")["DeletionProtection"]:
        rds.modify_db_instance(DBInstanceIdentifier="local-db", DeletionProtection=False)
    remove(rds, "local-db")


def remove(rds, id):
    rds.delete_db_instance(DBInstanceIdentifier=id, SkipFinalSnapshot=True)
    rds.get_waiter("db_instance_deleted").wait(DBInstanceIdentifier=id, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def test_a_database_is_creating_without_endpoint_and_then_available_with_one(rds):
    made = rds.create_db_instance(DBInstanceIdentifier="fresh", **WANTED)["DBInstance"]
    there = settled(rds, "fresh")
    remove(rds, "fresh")

    assert made["DBInstanceStatus"] == "creating"
    assert "Endpoint" not in made
    assert there["Endpoint"]["Port"] == 3306
    assert there["Endpoint"]["Address"].startswith("fresh.")
    assert there["Endpoint"]["Address"].endswith(".us-west-2.rds.localcloud.internal")
