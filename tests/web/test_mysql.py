"""How we are connected to the database server, to whom we are not, and what becomes of us when it goes away."""

import os
import signal
import threading

import MySQLdb
import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, close_old_connections, connection, transaction
from django.db.utils import DataError

from tests.web.certificates import write_certificates
from webapp.api.models import ApiToken
from webapp.api.tokens import issue
from webapp.links.models import Day, Link, Total
from webapp.outage import store_away
from webapp.users.models import User

pytestmark = pytest.mark.django_db
FOXES = "狐🦊👩🏽‍🚀"


def ask(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()


def connect(**changes):
    options = connection.get_connection_params()
    return MySQLdb.connect(**{**options, **changes})


@pytest.fixture
def another():
    """Asks as another client, who has a connection of his own."""
    client = connect(autocommit=True)

    def ask(sql, *values):
        cursor = client.cursor()
        cursor.execute(sql, values)
        return cursor.fetchone()

    yield ask
    client.close()


def test_the_server_is_the_one_it_should_be(engine):
    version = ask("SELECT VERSION()")[0]
    assert ("MariaDB" in version) if engine == "mariadb" else version.startswith("8.4.")


def test_the_connection_is_encrypted_strict_and_reads_what_is_committed(engine):
    assert ask("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[1]
    assert "STRICT_TRANS_TABLES" in ask("SELECT @@sql_mode")[0]
    isolation = "tx_isolation" if engine == "mariadb" else "transaction_isolation"
    assert ask(f"SELECT @@{isolation}")[0] == "READ-COMMITTED"
    assert ask("SELECT @@character_set_client, @@character_set_connection") == ("utf8mb4", "utf8mb4")
    assert run_checks(databases=["default"]) == []


def test_a_server_of_another_authority_is_refused(tmp_path):
    write_certificates(tmp_path)
    with pytest.raises(MySQLdb.OperationalError, match="certificate"):
        connect(ssl={"ca": str(tmp_path / "ca.pem")})


def test_a_server_whose_certificate_names_another_host_is_refused():
    connect(host="127.0.0.1").close()
    with pytest.raises(MySQLdb.OperationalError, match=r"(?i)ssl|certificate"):
        connect(host="127.0.0.2")


def test_the_server_refuses_who_comes_without_tls_or_with_another_password():
    without = {"ssl_mode": "DISABLED", "ssl": None, "ssl_verify_cert": False}
    options = {name: value for name, value in connection.get_connection_params().items() if name not in without}
    for wrong in (options, connection.get_connection_params() | {"password": "another"}):
        with pytest.raises(MySQLdb.OperationalError) as refusal:
            MySQLdb.connect(**wrong)
        assert refusal.value.args[0] in (1045, 2061, 2026)  # 2061: this server's way to sign in asks for TLS


def test_who_signs_in_does_so_as_the_server_has_it_by_default(engine, servers):
    user = servers.environment["MYSQL_USER"]
    (plugin,) = ask("SELECT plugin FROM mysql.user WHERE user = %s", user)
    assert plugin == ("mysql_native_password" if engine == "mariadb" else "caching_sha2_password")
    with connection.cursor() as cursor:
        cursor.execute("FLUSH PRIVILEGES")  # MySQL's server forgets all hashes: the password goes through the channel
    for _ in range(2):
        connect().close()


def test_names_are_compared_byte_for_byte_as_in_simpledb():
    for number, name in enumerate(["alice", "ALICE", "alicé"]):
        User.objects.bulk_create([User(username=name, account_id=str(number))])
    assert [user.username for user in User.objects.filter(username="ALICE")] == ["ALICE"]
    with pytest.raises(IntegrityError):
        User.objects.bulk_create([User(username="alice", account_id="4")])


def test_every_character_is_kept(new_name):
    user = User.objects.create_user(new_name(FOXES), "", None)
    link = Link.objects.make(user, f"https://example.org/{FOXES}?q={FOXES}")
    _, token = issue(user, FOXES)
    assert User.objects.get(username=user.username).pk == user.pk
    assert Link.objects.get(target=link.target).slug == link.slug
    assert ApiToken.objects.get(pk=token.pk).device == FOXES
    assert ask("SELECT CHAR_LENGTH(device), LENGTH(device) FROM api_apitoken WHERE device = %s", FOXES) == (
        len(FOXES),
        len(FOXES.encode()),
    )


def test_every_column_of_text_holds_every_character():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, character_set_name FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND character_set_name IS NOT NULL"
        )
        columns = cursor.fetchall()
    # MariaDB has a type for UUIDs; MySQL keeps them as text.
    assert len(columns) > 20 and {kind for _, _, kind in columns} == {"utf8mb4"}


@pytest.mark.parametrize(
    "values",
    [{"username": "x" * 256}, {"account_id": "x" * 33}],
    ids=["a long name", "a long id"],
)
def test_a_value_that_does_not_fit_is_refused_and_not_cut(values):
    with pytest.raises(DataError):
        User.objects.bulk_create([User(**{"username": "strict", "account_id": "1", **values})])


def test_a_count_below_nothing_is_refused(new_name):
    link = Link.objects.make(User.objects.create_user(new_name(), "", None), "https://example.org/")
    with pytest.raises((DataError, IntegrityError, OperationalError)), transaction.atomic():
        Total.objects.create(link=link, clicks=-1)
    assert not Total.objects.filter(link=link).exists()


def test_rows_without_their_link_are_refused():
    with pytest.raises(IntegrityError):
        Day.objects.create(link_id=2**40, day="2026-01-01")
        connection.check_constraints()


def test_the_committed_migrations_are_the_models():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_what_others_commit_is_seen_in_the_middle_of_a_transaction(another, new_name):
    user = User.objects.create_user(new_name(), "", None)
    with transaction.atomic():
        assert User.objects.get(pk=user.pk).is_active
        another("UPDATE users_user SET is_active = 0 WHERE id = %s", user.pk)
        assert not User.objects.get(pk=user.pk).is_active


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_server_cut_is_one_503_and_the_next_request_has_another(another):
    (number,) = ask("SELECT CONNECTION_ID()")
    another(f"KILL {number}")
    with pytest.raises(OperationalError) as error:
        ask("SELECT 1")
    assert store_away(error.value) == "MySQL"
    close_old_connections()  # what Django does before each request
    assert ask("SELECT CONNECTION_ID()")[0] != number


@pytest.mark.django_db(transaction=True)
def test_an_idle_connection_that_the_server_cut_is_not_noticed(another):
    (number,) = ask("SELECT CONNECTION_ID()")
    another(f"KILL {number}")
    close_old_connections()
    assert ask("SELECT CONNECTION_ID()")[0] != number


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_is_killed_with_its_connection_is_a_503(another):
    (number,) = ask("SELECT CONNECTION_ID()")
    state = "SELECT state FROM information_schema.processlist WHERE id = %s"

    def kill():
        while another(state, number)[0] != "User sleep":
            pass
        another(f"KILL {number}")

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(OperationalError) as error:
        ask("SELECT SLEEP(60)")
    killer.join()
    assert store_away(error.value) == "MySQL"
    close_old_connections()


@pytest.mark.django_db(transaction=True)
def test_after_the_server_was_killed_all_that_was_committed_is_there(servers, new_name):
    user = User.objects.create_user(new_name(), "", None)
    process = servers.processes[servers.engine]
    process.kill()
    process.wait()
    try:
        close_old_connections()
        with pytest.raises(OperationalError) as error:
            ask("SELECT 1")
        assert store_away(error.value) == "MySQL"
    finally:
        servers.start_again(servers.engine)
    close_old_connections()
    assert User.objects.get(pk=user.pk).username == user.username


@pytest.mark.django_db(transaction=True)
def test_a_server_that_hangs_is_given_up(servers):
    process = servers.processes[servers.engine]
    connection.close()
    before = connection.settings_dict["OPTIONS"]["read_timeout"]
    connection.settings_dict["OPTIONS"]["read_timeout"] = 1
    try:
        ask("SELECT 1")
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)  # it stands now, with all of its threads
        with pytest.raises(OperationalError) as error:
            ask("SELECT 1")
    finally:
        process.send_signal(signal.SIGCONT)
        connection.settings_dict["OPTIONS"]["read_timeout"] = before
        connection.close()
    assert store_away(error.value) == "MySQL"
    assert ask("SELECT 1") == (1,)
