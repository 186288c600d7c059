"""Every migration can be taken back, and made again."""

import MySQLdb
import pytest

from tests.web.management import run_commands
from tests.web.servers import ROOT

DATABASE = "hydra_to_and_fro"
OURS = sorted(folder.parent.name for folder in (ROOT / "webapp").glob("*/migrations"))


@pytest.fixture
def manage(servers):
    """Runs management commands on an empty database of this test's own."""
    given = servers.environment
    connection = MySQLdb.connect(
        host=given["MYSQL_HOST"],
        port=int(given["MYSQL_PORT"]),
        user=given["MYSQL_USER"],
        password=given["MYSQL_PASSWORD"],
        ssl={"ca": given["MYSQL_CA"]},
    )
    cursor = connection.cursor()
    cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    cursor.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")

    yield lambda *commands: run_commands(servers, *commands, MYSQL_DATABASE=DATABASE)
    cursor.execute(f"DROP DATABASE {DATABASE}")
    connection.close()


def test_every_app_goes_back_to_nothing_and_forth_again(manage):
    forth = [["migrate", "-v0"], ["inspectdb"]]
    back = [["migrate", label, "zero", "-v0"] for label in (*OURS, "admin", "auth", "contenttypes")]
    (_, made), (sql, _), *told = manage(*forth, *back, *forth)
    assert "users_user" in made and "class UsersUser" in sql
    for label, (_, left) in zip(OURS, told, strict=False):
        assert not {name for name in left if name.startswith(f"{label}_")}
    assert told[len(back) - 1][1] == {"django_migrations"}
    assert told[-1] == (sql, made)
