"""Starts and ends the stores for the tests, each a process of its own with its files in one folder."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import MySQLdb
import requests
from redis import Redis
from redis.exceptions import RedisError

from tests.web import mysql84
from tests.web.certificates import write_certificates
from tests.web.gate import Gate
from webapp.users.shards import domains

ROOT = Path(__file__).resolve().parent.parent.parent
PREFIX = "hydra-web-tests-"
PATIENCE = 60  # seconds until a server that does not answer is given up
AS_ROOT = ("--user=root",) if os.geteuid() == 0 else ()
SMALL = ("--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=2")  # written, if not to the disk at once
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_parent() -> None:
    """Runs in the child: the kernel ends it when the test run ends, also when that is killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def new_folder() -> Path:
    """A folder named after this process; those of test runs that are gone are removed first."""
    parent = Path(tempfile.gettempdir())
    for old in parent.glob(f"{PREFIX}*"):
        owner = old.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


class Port:
    """A free port of the loopback address, kept from others until the server that shall have it starts."""

    def __init__(self):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.number = self._socket.getsockname()[1]
        # One that is given to no server, MySQL's say where no test asks for it, is free when this run ends.
        weakref.finalize(self, self._socket.close)

    def give(self) -> int:
        """The number, free from now on."""
        self._socket.close()
        return self.number


@dataclass
class Servers:
    """The stores of one test run. The environment is known before they run, so that Django's settings can be read."""

    folder: Path = field(default_factory=new_folder)
    mariadb: Port = field(default_factory=Port)
    mysql84: Port = field(default_factory=Port)
    redis: Port = field(default_factory=Port)
    simpledb: Port = field(default_factory=Port)
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)
    gate: Gate | None = None
    engine: str = "mariadb"  # which of the two database servers the application is told of

    def __post_init__(self):
        write_certificates(self.folder)

    @property
    def database_port(self) -> int:
        """Where the engine of now listens."""
        return getattr(self, self.engine).number

    @property
    def environment(self) -> dict[str, str]:
        """What the application under test is told."""
        return {
            "SECRET_KEY": "for-tests-alone-4f9a7d1c8e2b6035a1d4c7e9f0b3826577aa31c2",
            "PUBLIC_URL": "https://testserver",
            "STATIC_ROOT": str(self.folder / "static"),
            "MYSQL_HOST": "127.0.0.1",
            "MYSQL_PORT": str(self.database_port),
            "MYSQL_DATABASE": "hydra",
            "MYSQL_USER": "hydra",
            "MYSQL_PASSWORD": "mysql-password-of-the-tests",
            "MYSQL_CA": str(self.folder / "ca.pem"),
            "REDIS_URL": f"redis://127.0.0.1:{self.redis.number}/0",
            "REDIS_PASSWORD": "redis-password-of-the-tests",
            "AWS_REGION": "us-west-2",
            "USER_DOMAINS": "test-users",
        }

    @property
    def aws(self) -> dict[str, str]:
        """Where botocore finds the gate before the endpoint, with credentials the endpoint does not check."""
        return {
            "AWS_ENDPOINT_URL_SIMPLEDB": f"http://127.0.0.1:{self.gate.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def start(self) -> None:
        """Start all three stores and wait until each answers."""
        self.start_mariadb()
        self.start_redis()
        self.start_simpledb()

    def stop(self) -> None:
        """End them and remove their files."""
        if self.gate:
            self.gate.close()
        for process in self.processes.values():
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect_mysql(self):
        """A connection to the database server as the application's user, by TLS."""
        given = self.environment
        return MySQLdb.connect(
            host=given["MYSQL_HOST"],
            port=int(given["MYSQL_PORT"]),
            user=given["MYSQL_USER"],
            password=given["MYSQL_PASSWORD"],
            ssl={"ca": given["MYSQL_CA"]},
        )

    def run(self, name: str, *command: str, environment: dict[str, str] | None = None) -> subprocess.Popen:
        """Start one server with its output in a file; its environment is ours unless another is given."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        self.processes[name] = process
        return process

    def finish(self, *command: str) -> None:
        """Run a program to its end; fail with its last words if it does."""
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")

    def wait(self, name: str, answers) -> None:
        """Return once `answers()` is true; fail with the server's last words if it ends or takes too long."""
        deadline = time.monotonic() + PATIENCE
        while not answers():
            if self.processes[name].poll() is not None or time.monotonic() > deadline:
                words = (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{name} did not start:\n{words}")
            time.sleep(0.05)

    def start_mariadb(self) -> None:
        """MariaDB with TLS, an empty database and a user who may make the test database."""
        # A server that starts removes whatever others keep beside it under /tmp.
        data, small = self.folder / "mariadb", (*SMALL, "--innodb-log-file-size=8M", f"--tmpdir={self.folder}")
        self.finish("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", *AS_ROOT, *small)
        self.run("mariadb", "mariadbd", "--no-defaults", *small, *self.database_options("mariadb", data))
        self.wait("mariadb", lambda: greets(self.mariadb.number))

    def start_mysql84(self) -> None:
        """The same with MySQL 8.4, which stays as it comes but for its size. Raises Missing where it cannot be had."""
        data = self.folder / "mysql84"
        slim = ("--innodb-redo-log-capacity=32M", "--performance-schema=OFF", "--disable-log-bin")
        small = (*SMALL, *slim, f"--tmpdir={self.folder}")
        server = [*mysql84.command(mysql84.unpacked()), *small]
        self.finish(*server, "--initialize-insecure", f"--datadir={data}", *AS_ROOT)
        self.run("mysql84", *server, "--mysqlx=OFF", *self.database_options("mysql84", data))
        self.wait("mysql84", lambda: greets(self.mysql84.number))

    def database_options(self, name: str, data: Path) -> list[str]:
        """What both servers are told in the same words."""
        given, statements = self.environment, self.folder / "init.sql"
        statements.write_text(
            f"CREATE DATABASE {given['MYSQL_DATABASE']} CHARACTER SET utf8mb4;\n"
            f"CREATE USER '{given['MYSQL_USER']}'@'%' IDENTIFIED BY '{given['MYSQL_PASSWORD']}' REQUIRE SSL;\n"
            f"GRANT ALL ON *.* TO '{given['MYSQL_USER']}'@'%' WITH GRANT OPTION;\n"
        )
        return [
            *AS_ROOT,
            f"--datadir={data}",
            f"--socket={data}.sock",
            f"--pid-file={data}.pid",
            "--bind-address=127.0.0.1,127.0.0.2",
            f"--port={getattr(self, name).give()}",
            f"--init-file={statements}",
            f"--ssl-ca={self.folder / 'ca.pem'}",
            f"--ssl-cert={self.folder / 'server.pem'}",
            f"--ssl-key={self.folder / 'server.key'}",
        ]

    def start_again(self, name: str) -> None:
        """A database server that has ended, with the same files on the same port, until it answers."""
        words = [word for word in self.processes[name].args if not word.startswith("--init-file")]
        self.run(name, *words)
        self.wait(name, lambda: greets(getattr(self, name).number))

    def start_redis(self) -> None:
        """Redis with a password, in memory alone. Its configuration is a file, since argv can be read by all."""
        configuration = self.folder / "redis.conf"
        configuration.write_text(
            f"bind 127.0.0.1\nport {self.redis.give()}\nsave ''\ndir {self.folder}\n"
            f"requirepass {self.environment['REDIS_PASSWORD']}\n"
        )
        self.run("redis", "redis-server", str(configuration))
        client = Redis.from_url(self.environment["REDIS_URL"], password=self.environment["REDIS_PASSWORD"])
        self.wait("redis", lambda: succeeds(client.ping, RedisError))
        client.close()

    def start_simpledb(self) -> None:
        """The local cloud's SimpleDB endpoint, with all user domains."""
        port, data = str(self.simpledb.give()), str(self.folder / "simpledb")
        self.run("simpledb", sys.executable, "-m", "fabfile.localcloud.simpledb", "--port", port, "--data", data)
        self.wait(
            "simpledb", lambda: succeeds(lambda: socket.create_connection(("127.0.0.1", int(port))).close(), OSError)
        )
        self.gate = Gate(self.simpledb.number)
        client = boto3.client(
            "sdb",
            region_name=self.environment["AWS_REGION"],
            endpoint_url=self.aws["AWS_ENDPOINT_URL_SIMPLEDB"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        for name in domains(self.environment["USER_DOMAINS"]):
            client.create_domain(DomainName=name)


def greets(port: int) -> bool:
    """Whether a MySQL server sends its greeting."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            return bool(connection.recv(1))
    except OSError:
        return False


def greets_http(url: str) -> bool:
    """Whether an HTTP server answers with success."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def succeeds(act, error) -> bool:
    """Whether `act` ends without `error`."""
    try:
        act()
    except error:
        return False
    return True
