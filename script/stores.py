"""The three stores of `script/server`, each a child of ours with its files in one folder."""

import os
import secrets
import shutil
import socket
import subprocess
from pathlib import Path

from children import Child, python
from processes import any_free, plain_environment, program, quoted, redis_configuration

from fabfile.engine.secret import Secret
from fabfile.localcloud import mariadb
from fabfile.localcloud.certificates import Authority, expires_soon, write_private
from webapp.users.shards import domains

HERE = "127.0.0.1"
REGION = "us-west-2"
USERS = "development-users"
REDIS_MEMORY = 128  # MiB
AS_ROOT = ("--user=root",) if os.geteuid() == 0 else ()  # MariaDB wants that said


class Stores:
    """MariaDB, Redis and SimpleDB on free ports; passwords and a certificate authority are made once and kept."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.ports = {name: any_free() for name in ("mariadb", "redis", "simpledb")}
        self.children = []

    @property
    def authority(self):
        return Authority(self.folder / "authority")

    @property
    def environment(self):
        """What the application must be told of them, save for the passwords."""
        return {
            "MYSQL_HOST": HERE,
            "MYSQL_PORT": str(self.ports["mariadb"]),
            "MYSQL_DATABASE": "hydra",
            "MYSQL_USER": "hydra",
            "MYSQL_CA": str(self.folder / "authority/ca.pem"),
            "REDIS_URL": f"redis://{HERE}:{self.ports['redis']}/0",
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_SIMPLEDB": self.simpledb_url,
            # Any will do: this endpoint asks nobody who he is.
            "AWS_ACCESS_KEY_ID": "development",
            "AWS_SECRET_ACCESS_KEY": "development",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            "USER_DOMAINS": USERS,
        }

    @property
    def simpledb_url(self):
        return f"http://{HERE}:{self.ports['simpledb']}"

    def start(self, keep=()):
        """Start all three side by side and come back when each answers. Raises Ended if one does not."""
        (self.folder / "credentials").mkdir(mode=0o700, exist_ok=True)
        servers = [self.mariadb(), self.redis(), self.simpledb()]
        for child, _ in servers:
            child.start(keep)
            self.children.append(child)
        for child, answers in servers:
            child.wait_for(answers)
        self.make_domains()

    def mariadb(self):
        """The server, and the question whether it answers by TLS."""
        folder = self.folder / "mariadb"
        (folder / "tls").mkdir(parents=True, exist_ok=True, mode=0o700)
        self.install_mariadb(folder)
        self.certify(folder / "tls")
        # The server's working folder is its data's.
        layout = mariadb.Layout(quoted(folder / "data"), "mariadb.sock", "../tls", "", HERE, self.ports["mariadb"])
        options = mariadb.option_file(layout, {"character_set_server": "utf8mb4"})
        write_private(folder / "init.sql", self.first_statements())
        write_private(folder / "my.cnf", f"{options}init_file = ../init.sql\n")
        words = (program("mariadbd"), f"--defaults-file={folder / 'my.cnf'}", *AS_ROOT)
        child = Child("MariaDB", words, plain_environment(), folder / "output.log")
        return child, lambda: can(lambda: mariadb.greet(HERE, self.ports["mariadb"], HERE, self.authority.pem))

    def install_mariadb(self, folder):
        """Its system tables, whole or not at all."""
        if (folder / "data").exists():
            return
        scratch = folder / "data.new"
        shutil.rmtree(scratch, ignore_errors=True)
        # From within: it is a shell script, and stumbles over blanks in a path.
        words = [program("mariadb-install-db"), "--no-defaults", f"--datadir=./{scratch.name}", "--skip-test-db"]
        # On a disk that syncs slowly these tables take seconds; until the folder has its name they are worth nothing.
        words += ["--innodb-flush-log-at-trx-commit=0", *AS_ROOT]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=plain_environment())
        if done.returncode:
            raise OSError(f"mariadb-install-db ended with {done.returncode}: {(done.stdout + done.stderr)[-800:]}")
        scratch.rename(folder / "data")

    def first_statements(self):
        """The database and its user, as often as the server starts."""
        wanted = mariadb.native_hash(self.password("MYSQL_PASSWORD").reveal())
        user = "'hydra'@'%'"
        return (
            "CREATE DATABASE IF NOT EXISTS hydra CHARACTER SET utf8mb4;\n"
            f"CREATE OR REPLACE USER {user} IDENTIFIED BY PASSWORD '{wanted}' REQUIRE SSL;\n"
            f"GRANT ALL ON *.* TO {user};\n"
        )

    def certify(self, folder):
        """The server's certificate, made anew before it ends."""
        if not (folder / "server.pem").exists() or expires_soon((folder / "server.pem").read_text()):
            issued = self.authority.issue(["localhost"], [HERE])
            write_private(folder / "ca.pem", self.authority.pem)
            write_private(folder / "server.key", issued.key)
            write_private(folder / "server.pem", issued.certificate)

    def redis(self):
        """The server, and the question whether it answers."""
        folder = self.folder / "redis"
        folder.mkdir(exist_ok=True, mode=0o700)
        text = redis_configuration(folder, REDIS_MEMORY, self.ports["redis"], self.password("REDIS_PASSWORD"))
        write_private(folder / "redis.conf", text)
        words = (program("redis-server"), str(folder / "redis.conf"))
        return Child("Redis", words, plain_environment(), folder / "output.log"), self.ping

    def ping(self):
        """Whether Redis has read its files."""
        from redis import Redis
        from redis.exceptions import RedisError

        try:
            with Redis(port=self.ports["redis"], password=self.password("REDIS_PASSWORD").reveal()) as client:
                return client.ping()
        except RedisError:
            return False

    def simpledb(self):
        """The endpoint, and the question whether it listens."""
        folder = self.folder / "simpledb"
        folder.mkdir(exist_ok=True, mode=0o700)
        number = self.ports["simpledb"]
        words = python("-m", "fabfile.localcloud.simpledb", "--port", str(number), "--data", str(folder / "data"))
        child = Child("SimpleDB", words, plain_environment(), folder / "output.log")
        return child, lambda: can(lambda: socket.create_connection((HERE, number), 1).close())

    def make_domains(self):
        """Those of the accounts; one that is there stays as it is."""
        import boto3

        client = boto3.client(
            "sdb",
            region_name=REGION,
            endpoint_url=self.simpledb_url,
            aws_access_key_id="development",
            aws_secret_access_key="development",
        )
        for name in domains(USERS):
            client.create_domain(DomainName=name)

    def password(self, name):
        """The password that the application finds under this name, a Secret."""
        file = self.folder / "credentials" / name
        if not file.exists():
            write_private(file, secrets.token_urlsafe(24))
        return Secret(file.read_text())


def can(act):
    """Whether it does not fail for want of an answer."""
    try:
        act()
    except OSError:
        return False
    return True
