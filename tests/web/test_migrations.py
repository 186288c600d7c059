"""Every migration can be taken back, and made again."""

import os
import subprocess
import sys

import MySQLdb
import pytest

from tests.web.servers import ROOT

DATABASE = "hydra_to_and_fro"
OURS = sorted(folder.parent.name for folder in (ROOT / "webapp").glob("*/migrations"))


@pytest.fixture
def database(servers):
    """An empty database of this test's own: a function that runs manage.py on it and returns what that printed."""
    given = servers.environment
    connection = MySQLdb.connect(
        host=given["MYSQL_HOST"],
        port=int(given["MYSQL_PORT"]),
        user=given["MYSQL_USER"],
        password=given["MYSQL_PASSWORD"],
        ssl={"ca": given["MYSQL_CA"]},
    )
    cursor = connection.cursor()
    cursor.execute(f"CREATE OR REPLACE DATABASE {DATABASE} CHARACTER SET utf8mb4")

    def manage(*words):
        environment = {"PATH": os.environ["PATH"], **given, **servers.aws, "MYSQL_DATABASE": DATABASE}
        words = [sys.executable, ROOT / "webapp/manage.py", *words]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def tables():
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", [DATABASE])
        return {name for (name,) in cursor.fetchall()}

    manage.tables = tables
    yield manage
    cursor.execute(f"DROP DATABASE {DATABASE}")
    connection.close()


def test_every_app_goes_back_to_nothing_and_forth_again(database):
    database("migrate", "-v0")
    made = database.tables()
    assert "users_user" in made
    sql = database("inspectdb")
    for label in OURS:
        database("migrate", label, "zero", "-v0")
        assert not {name for name in database.tables() if name.startswith(f"{label}_")}
    for label in ("admin", "auth", "contenttypes"):
        database("migrate", label, "zero", "-v0")
    assert database.tables() == {"django_migrations"}
    database("migrate", "-v0")
    assert database.tables() == made
    assert database("inspectdb") == sql
