"""RDS with hosts behind it, from the call to the server: its name, its firewall, its password, its metric, its end."""

import json
import socket
from datetime import UTC, datetime, timedelta

import MySQLdb
import pytest
from dnslib import DNSRecord

from fabfile.localcloud import daemon, mariadb, real

from .endpoint import Running
from .rds import WANTED, describe, remove, settled, until

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def cloud(place):
    place.home.mkdir(parents=True, exist_ok=True)
    running = Running(place.home, "real")
    running.place = place  # with the cache that all clouds of this machine share: an image takes a minute
    yield running.start()
    daemon.kill(running.place)


@pytest.fixture(scope="module")
def group(cloud):
    """A security group that admits MySQL from anywhere."""
    ec2 = cloud.client("ec2")
    id = ec2.create_security_group(GroupName="database", Description="database")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=id, IpProtocol="tcp", FromPort=3306, ToPort=3306, CidrIp="0.0.0.0/0")
    return id


@pytest.fixture(scope="module")
def database(cloud, group):
    rds = cloud.client("rds")
    wanted = {**WANTED, "ManageMasterUserPassword": True, "DBName": "shop", "VpcSecurityGroupIds": [group]}
    del wanted["MasterUserPassword"]
    rds.create_db_instance(DBInstanceIdentifier="local-db", **wanted)
    return settled(rds, "local-db")


def address(cloud, database):
    """What the cloud's name server says of the endpoint."""
    known = json.loads((cloud.home / "endpoint.json").read_text())
    query = DNSRecord.question(database["Endpoint"]["Address"])
    answer = DNSRecord.parse(query.send(known["gateway"], known["names_port"], timeout=5))
    return str(answer.rr[0].rdata)


def test_its_name_leads_to_it_and_its_certificate_is_for_that_name(cloud, database):
    found = address(cloud, database)

    assert mariadb.greet(found, 3306, database["Endpoint"]["Address"], (cloud.home / "ca" / "ca.pem").read_text())


def test_the_managed_password_opens_it(cloud, database):
    vault = cloud.client("secretsmanager")
    secret = json.loads(vault.get_secret_value(SecretId=database["MasterUserSecret"]["SecretArn"])["SecretString"])
    authority = {"ca": str(cloud.home / "ca" / "ca.pem")}
    wanted = {"host": address(cloud, database), "user": secret["username"], "passwd": secret["password"]}

    connection = MySQLdb.connect(**wanted, ssl=authority, ssl_mode="VERIFY_IDENTITY")

    cursor = connection.cursor()
    cursor.execute("SHOW DATABASES LIKE 'shop'")
    assert cursor.fetchall() == (("shop",),)
    connection.close()


def test_its_firewall_closes_when_its_groups_rule_goes(cloud, database, group):
    ec2, rule = cloud.client("ec2"), {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "CidrIp": "0.0.0.0/0"}
    found = address(cloud, database)

    ec2.revoke_security_group_ingress(GroupId=group, **rule)
    with pytest.raises(TimeoutError):
        socket.create_connection((found, 3306), timeout=1)
    ec2.authorize_security_group_ingress(GroupId=group, **rule)
    socket.create_connection((found, 3306), timeout=5).close()


def test_its_cpu_is_measured_from_its_hosts_cgroup(cloud, database):
    cloudwatch, now = cloud.client("cloudwatch"), datetime.now(UTC)
    asked = {"Namespace": "AWS/RDS", "MetricName": "CPUUtilization", "Period": 60, "Statistics": ["Average"]}
    asked["Dimensions"] = [{"Name": "DBInstanceIdentifier", "Value": "local-db"}]
    span = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=5)}

    until(lambda: cloudwatch.get_metric_statistics(**asked, **span)["Datapoints"])

    assert 0 < cloudwatch.get_metric_statistics(**asked, **span)["Datapoints"][0]["Average"] <= 100


def test_a_killed_daemon_finds_it_running_and_a_stopped_cloud_starts_it_again(cloud, database):
    cloud.kill()
    cloud.start()
    assert describe(cloud.client("rds"), "local-db")["DBInstanceStatus"] == "available"

    cloud.stop()
    assert real.RealMachines(cloud.place, None).state("db-local-db") == "stopped"
    cloud.start()
    again = settled(cloud.client("rds"), "local-db")
    assert again["Endpoint"] == database["Endpoint"]
    assert mariadb.greet(
        address(cloud, again), 3306, again["Endpoint"]["Address"], (cloud.home / "ca" / "ca.pem").read_text()
    )


def test_deleted_nothing_of_it_is_left(cloud, database):
    remove(cloud.client("rds"), "local-db")

    assert real.RealMachines(cloud.place, None).state("db-local-db") == "absent"
    assert not (cloud.home / "databases" / "local-db").exists()
