"""The schema as `fab … rds.create` makes it on the server of a stage: the same statements, by the same client."""

import subprocess

import MySQLdb
import pytest

from fabfile.engine.secret import Secret
from fabfile.schema import CA, RUN_SQL, Schema
from fabfile.stages import SETTINGS
from tests.web.management import run_commands

WANT = Schema("test-schema", "test-db", "test-web", "test-mysql", schema="ordered", user="ordered")
# What RDS may choose for its master user: any printable character but / ' " @ and the blank.
MASTER = {"username": "hydra_admin", "password": r"#1;a\s\\b{master}%s$HOME`id`!=<>[]"}
# What RDS lets its master user do: not SUPER, and no files.
MAY = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES,"
    " CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE,"
    " CREATE USER, EVENT, TRIGGER"
)


@pytest.fixture
def connect(servers):
    """Signs in to the server as this user."""
    opened = []

    def connect(user, password, **more):
        options = {"host": "127.0.0.1", "port": servers.database_port, "user": user, "password": password}
        options |= {"autocommit": True, "ssl": {"ca": str(servers.folder / "ca.pem")}}
        opened.append(MySQLdb.connect(**(options | more)))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def root(servers, connect):
    """A cursor of somebody who may do everything."""
    return connect(servers.environment["MYSQL_USER"], servers.environment["MYSQL_PASSWORD"]).cursor()


@pytest.fixture
def order(servers, root, tmp_path):
    """Makes the schema with this password for the application's user, as the machine of a stage would."""
    root.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", list(MASTER.values()))
    root.execute(f"GRANT {MAY} ON *.* TO %s@'%%' WITH GRANT OPTION", [MASTER["username"]])

    def order(password):
        (command,) = (it for it in WANT.all(("127.0.0.1", servers.database_port), Secret(password), "", MASTER)[4:])
        told = command.input.reveal().replace(CA, str(servers.folder / "ca.pem"))
        script = RUN_SQL.replace("-p /run", f"-p {tmp_path}")
        subprocess.run(["bash", "-c", script], input=told, text=True, check=True, timeout=60)

    yield order
    root.execute("DROP DATABASE IF EXISTS ordered")
    for user in (MASTER["username"], WANT.user):
        root.execute("DROP USER IF EXISTS %s", [user])


def test_its_user_can_migrate_it_and_do_nothing_else(servers, connect, order):
    order("first-password")
    ours = {"MYSQL_DATABASE": "ordered", "MYSQL_USER": "ordered", "MYSQL_PASSWORD": "first-password"}
    back_and_forth = [["migrate", "-v0"], ["migrate", "links", "zero", "-v0"], ["migrate", "-v0"]]
    run_commands(servers, *back_and_forth, ["check", "--database", "default"], **ours)
    cursor = connect("ordered", "first-password").cursor()
    cursor.execute("SHOW DATABASES")
    assert {name for (name,) in cursor.fetchall()} - {"performance_schema"} == {"information_schema", "ordered"}
    for refused in ("CREATE DATABASE other", "CREATE USER other", "SELECT * FROM mysql.user", "KILL 1"):
        with pytest.raises(MySQLdb.Error, match=r"(?i)denied|owner|unknown thread"):
            cursor.execute(refused)


def test_ordered_again_it_keeps_its_rows_and_takes_the_new_password(connect, order):
    order("first-password")
    cursor = connect("ordered", "first-password", database="ordered", charset="utf8mb4").cursor()
    cursor.execute("CREATE TABLE kept (text VARCHAR(9))")
    cursor.execute("INSERT INTO kept VALUES ('🦊')")
    order("another-password")
    cursor = connect("ordered", "another-password", database="ordered", charset="utf8mb4").cursor()
    cursor.execute("SELECT text FROM kept")
    assert cursor.fetchall() == (("🦊",),)
    with pytest.raises(MySQLdb.OperationalError, match="denied"):
        connect("ordered", "first-password")


def test_its_user_is_refused_without_tls(connect, order):
    order("first-password")
    with pytest.raises(MySQLdb.OperationalError, match=r"(?i)denied|secure|ssl"):
        connect("ordered", "first-password", ssl=None, ssl_mode="DISABLED")


@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - {"time_zone"}))  # RDS alone has tables of time zones
def test_the_server_takes_what_the_parameter_group_says(root, name):
    value = SETTINGS[name]
    root.execute(f"SET GLOBAL {name} = %s", [int(value) if value.isdecimal() else value])
    root.execute(f"SELECT CAST(@@GLOBAL.{name} AS CHAR)")
    ((now,),) = root.fetchall()
    root.execute(f"SET GLOBAL {name} = DEFAULT")
    assert set({"ON": "1"}.get(now, now).removesuffix(".000000").split(",")) == set(value.split(","))
