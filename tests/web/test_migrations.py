"""Every migration can be taken back, and made again."""

import json
import os
import subprocess
import sys

import MySQLdb
import pytest

from tests.web.servers import ROOT

DATABASE = "hydra_to_and_fro"
OURS = sorted(folder.parent.name for folder in (ROOT / "webapp").glob("*/migrations"))
# Runs commands one after the other; says of each what it printed and which tables there were after it.
RUN = """
import io, json, sys
import django
django.setup()
from django.core.management import call_command
from django.db import connection
told = []
for words in json.load(sys.stdin):
    printed = io.StringIO()
    call_command(*words, stdout=printed)
    told.append((printed.getvalue(), connection.introspection.table_names()))
print(json.dumps(told))
"""


@pytest.fixture
def manage(servers):
    """Runs management commands on an empty database of this test's own; gives what RUN says, with sets of tables."""
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

    def manage(*commands):
        environment = {"PATH": os.environ["PATH"], **given, **servers.aws, "MYSQL_DATABASE": DATABASE}
        environment["DJANGO_SETTINGS_MODULE"] = "webapp.settings"
        words, asked = [sys.executable, "-c", RUN], json.dumps(commands)
        done = subprocess.run(
            words, input=asked, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return [(printed, set(tables)) for printed, tables in json.loads(done.stdout)]

    yield manage
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
