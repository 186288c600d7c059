"""Real MariaDB servers: made, told, paused, ended and found again, as plain processes of this machine."""

import logging
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import MySQLdb
import pytest

from fabfile.localcloud import mariadb
from fabfile.localcloud.databases import ProcessDatabases
from fabfile.localcloud.drivers import DatabaseSpec, DriverError
from fabfile.localcloud.parameters import defaults

from .rds import servers_of

ENDPOINT = "local-db.abcdefghijkl.us-west-2.rds.localcloud.internal"
PASSWORD = 'it\'s a \\ "secret" §1'


def spec(**changes):
    wanted = {"id": "local-db", "address": "", "port": 0, "endpoint": ENDPOINT, "user": "hydra", "password": PASSWORD}
    return DatabaseSpec(**{**wanted, "database": "hydra", "parameters": defaults("mysql8.4"), **changes})


@pytest.fixture(scope="module")
def place():
    with servers_of(__name__) as own:
        yield own


@pytest.fixture(scope="module")
def databases(place):
    return ProcessDatabases(place)


@pytest.fixture(scope="module")
def facts(databases):
    """One server that most tests look at; who changes it makes another."""
    return databases.create(spec())


@pytest.fixture
def ask(databases, facts, tmp_path):
    """Ask the server as an application does: over TLS, with the authority's certificate."""
    authority = tmp_path / "ca.pem"
    authority.write_text(databases.authority)

    def ask(sql, port=None, password=PASSWORD, **more):
        secured = {"ssl": {"ca": str(authority)}, "ssl_mode": "VERIFY_IDENTITY", **more}
        wanted = {"host": "127.0.0.1", "user": "hydra", "passwd": password, "db": "hydra"}
        connection = MySQLdb.connect(**wanted, port=port or facts["port"], charset="utf8mb4", **secured)
        try:
            cursor = connection.cursor()
            cursor.execute(sql)
            connection.commit()
            return [row[0] if len(row) == 1 else row for row in cursor.fetchall()]
        finally:
            connection.close()

    return ask


def test_a_new_server_answers_over_tls_to_its_master_user(ask):
    version, cipher = ask(
        "SELECT @@version, VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'"
    )[0]

    assert "MariaDB" in version
    assert cipher


def test_it_shows_a_certificate_for_its_endpoints_name_and_for_localhost(databases, facts):
    for host in (ENDPOINT, "localhost", "127.0.0.1"):
        assert mariadb.greet(facts["address"], facts["port"], host, databases.authority)


def test_it_does_not_pass_for_another_endpoint(databases, facts):
    with pytest.raises(ssl.SSLCertVerificationError):
        mariadb.greet(facts["address"], facts["port"], "other.rds.localcloud.internal", databases.authority)


def test_it_says_what_it_is(facts):
    assert facts["address"] == "127.0.0.1"
    assert facts["engine"].startswith("MariaDB 10.")


def test_a_connection_without_tls_is_refused_as_long_as_the_group_says_so(databases, ask):
    with pytest.raises(MySQLdb.OperationalError, match="denied"):
        ask("SELECT 1", ssl=None, ssl_mode="DISABLED")

    databases.configure("local-db", {**defaults("mysql8.4"), "require_secure_transport": "0"})
    try:
        assert ask("SELECT 1", ssl=None, ssl_mode="DISABLED") == [1]
    finally:
        databases.configure("local-db", defaults("mysql8.4"))


def test_a_wrong_password_is_refused(ask):
    with pytest.raises(MySQLdb.OperationalError, match="Access denied"):
        ask("SELECT 1", password="wrong")


def test_it_speaks_utf8mb4_and_is_strict(ask):
    charset, mode = ask("SELECT @@character_set_server, @@sql_mode")[0]

    assert charset == "utf8mb4"
    assert "STRICT_TRANS_TABLES" in mode


def test_the_master_user_may_make_users_but_is_no_superuser(ask):
    ask("CREATE USER app@'%' IDENTIFIED BY 'another secret'")

    with pytest.raises(MySQLdb.OperationalError, match="denied"):
        ask("SELECT LOAD_FILE('/etc/passwd') INTO OUTFILE '/tmp/never'")


def test_no_secret_is_on_a_command_line_or_in_a_readable_file(databases, place, facts):
    pid = databases.backing("local-db")["pid"]
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    files = [path for path in (place.home / "databases" / "local-db").iterdir() if path.is_file()]

    assert PASSWORD.encode() not in command
    assert all(PASSWORD.encode() not in path.read_bytes() for path in files)
    assert stat.S_IMODE((place.home / "databases" / "local-db" / "tls" / "server.key").stat().st_mode) == 0o600


def test_it_takes_little_memory(databases, facts):
    assert 0 < databases.backing("local-db")["memory"] < 120


def test_it_counts_its_cpu_and_its_clients(databases, ask):
    before = databases.cpu("local-db")
    ask("SELECT BENCHMARK(2000000, SHA2('a', 512))")

    assert databases.cpu("local-db") > before
    assert databases.connections("local-db") == 0


def test_making_it_again_changes_nothing(databases, ask, facts):
    ask("CREATE TABLE IF NOT EXISTS kept (n INT)")

    assert databases.create(spec(password="never looked at")) == facts
    assert "kept" in ask("SHOW TABLES")


def test_a_new_password_holds_at_once(databases, ask):
    databases.set_password("local-db", "hydra", "another 'one'")
    try:
        assert ask("SELECT 1", password="another 'one'") == [1]
    finally:
        databases.set_password("local-db", "hydra", PASSWORD)


def test_a_dynamic_parameter_holds_at_once_and_a_static_one_after_a_restart(databases, ask):
    changed = {**defaults("mysql8.4"), "long_query_time": "0.5", "max_connections": "77", "back_log": "33"}

    pending = databases.configure("local-db", changed)

    assert pending == ["back_log"]
    assert ask("SELECT @@GLOBAL.max_connections, @@GLOBAL.long_query_time")[0] == (77, 0.5)
    databases.stop("local-db")
    again = databases.start("local-db")
    assert ask("SELECT @@back_log", port=again["port"]) == [33]


def test_what_mariadb_lacks_is_left_out_and_named(databases, ask, caplog):
    with caplog.at_level(logging.INFO):
        databases.configure("local-db", {**defaults("mysql8.4"), "gtid-mode": "ON", "time_zone": "UTC"})

    assert "gtid-mode" in caplog.text
    assert ask("SELECT @@GLOBAL.time_zone") == ["+00:00"]


def test_it_outlives_the_daemon_and_is_found_again(place, databases, facts):
    another = ProcessDatabases(place)

    assert another.state("local-db") == "running"
    assert another.start("local-db") == databases.start("local-db")


def test_killed_it_is_stopped_and_starts_with_what_it_held(databases, ask):
    ask("CREATE TABLE IF NOT EXISTS committed (n INT)")
    ask("INSERT INTO committed VALUES (7)")
    pid = databases.backing("local-db")["pid"]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    assert databases.state("local-db") == "stopped"
    assert databases.cpu("local-db") is None
    again = databases.start("local-db")
    assert ask("SELECT n FROM committed", port=again["port"]) == [7]


def test_a_snapshot_of_a_running_server_becomes_another_server(databases, ask):
    ask("CREATE TABLE IF NOT EXISTS pictured (n INT)")
    ask("REPLACE INTO pictured VALUES (41)")
    databases.snapshot("local-db", "one")
    ask("DROP TABLE pictured")

    restored = databases.create(spec(id="restored", snapshot="one", password=""))

    try:
        assert ask("SELECT n FROM pictured", port=restored["port"])[-1:] == [41]
    finally:
        databases.destroy("restored")
        databases.delete_snapshot("one")


def test_a_port_in_use_is_given_up_for_a_free_one(databases):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        made = databases.create(spec(id="second", port=port))

    assert made["port"] != port
    databases.destroy("second")
    assert databases.state("second") == "absent"


class Hasty(ProcessDatabases):
    """Takes the port it is asked for without a look, as if it were taken just after the look."""

    def _placed(self, spec, record):
        return {"address": "127.0.0.1", "port": record.get("port") or spec.port}


def test_a_port_lost_to_another_at_the_last_moment_is_given_up_too(place):
    hasty = Hasty(place)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        made = hasty.create(spec(id="hasty", port=port))

    assert made["port"] != port
    assert hasty.start("hasty") == made
    hasty.destroy("hasty")


def test_cut_off_in_the_middle_it_is_finished_by_making_it_again(databases, ask):
    wanted = spec(id="cut-off")
    databases._save({"id": "cut-off", "port": 0, "parameters": {}, "ready": False})
    (databases.folder / "cut-off" / "data").mkdir()
    (databases.folder / "cut-off" / "data" / "ibdata1").write_bytes(b"half")

    made = databases.create(wanted)

    assert ask("SELECT DATABASE()", port=made["port"]) == ["hydra"]
    databases.destroy("cut-off")


def test_a_server_that_cannot_start_says_why(databases):
    with pytest.raises(DriverError, match="did not start: .*nonsense"):
        databases.create(spec(id="broken", parameters={"collation_server": "nonsense"}))
    databases.destroy("broken")


def test_a_database_never_made_is_absent(databases):
    assert databases.state("never") == "absent"
    with pytest.raises(DriverError, match="no database never"):
        databases.start("never")


def test_as_a_plain_user_it_works_as_well(tmp_path_factory):
    """Nobody's process makes and asks a server of its own; where tests are no root, all of the above was just that."""
    if os.geteuid():
        return
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from fabfile.localcloud.databases import ProcessDatabases\n"
        "from fabfile.localcloud.drivers import DatabaseSpec\n"
        "from fabfile.localcloud.place import Place\n"
        # All is imported by now: a checkout in root's own home is closed to others.
        "os.setgid(65534); os.setgroups([]); os.setuid(65534); os.environ['HOME'] = '/nonexistent'; os.chdir('/')\n"
        "databases = ProcessDatabases(Place('plain', Path(sys.argv[1]), Path(sys.argv[1])))\n"
        "made = databases.create(DatabaseSpec('plain', '', 0, 'plain.internal', 'hydra', 'long enough'))\n"
        "print(made['engine'], databases.connections('plain'), databases.backing('plain')['pid'])\n"
        "databases.destroy('plain')\n"
    )
    with tempfile.TemporaryDirectory(prefix="hydra-plain-") as home:
        os.chown(home, 65534, 65534)
        done = subprocess.run([sys.executable, "-c", script, home], capture_output=True, text=True, check=False)

    assert done.stdout.startswith("MariaDB 10."), done.stderr
