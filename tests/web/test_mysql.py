"""How we are connected to MySQL, and to whom we are not."""

import MySQLdb
import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.db.utils import DataError

from tests.web.certificates import write_certificates
from webapp.users.models import User

pytestmark = pytest.mark.django_db


def ask(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def test_the_connection_is_encrypted_strict_and_reads_what_is_committed():
    assert ask("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[1]
    assert "STRICT_TRANS_TABLES" in ask("SELECT @@sql_mode")[0]
    assert ask("SELECT @@tx_isolation")[0] == "READ-COMMITTED"
    assert ask("SELECT @@character_set_client, @@character_set_connection") == ("utf8mb4", "utf8mb4")
    assert run_checks(databases=["default"]) == []


def connect(**changes):
    options = connection.get_connection_params()
    return MySQLdb.connect(**{**options, **changes})


def test_a_server_of_another_authority_is_refused(tmp_path):
    write_certificates(tmp_path)
    with pytest.raises(MySQLdb.OperationalError, match="certificate"):
        connect(ssl={"ca": str(tmp_path / "ca.pem")})


def test_a_server_whose_certificate_names_another_host_is_refused():
    connect(host="127.0.0.1").close()
    with pytest.raises(MySQLdb.OperationalError, match=r"(?i)ssl|certificate"):
        connect(host="127.0.0.2")


def test_names_are_compared_byte_for_byte_as_in_simpledb():
    for number, name in enumerate(["alice", "ALICE", "alicé"]):
        User.objects.bulk_create([User(username=name, account_id=str(number))])
    assert [user.username for user in User.objects.filter(username="ALICE")] == ["ALICE"]
    with pytest.raises(IntegrityError):
        User.objects.bulk_create([User(username="alice", account_id="4")])


def test_a_value_that_does_not_fit_is_refused_and_not_cut():
    with pytest.raises(DataError):
        User.objects.bulk_create([User(username="x" * 256, account_id="1")])


def test_the_committed_migrations_are_the_models():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
