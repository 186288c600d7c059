"""Databases of the local cloud: MariaDB servers as plain processes of this machine, or each on a host of its own."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import mariadb
from .certificates import write_private
from .drivers import DriverError
from .servers import Servers, script

PATIENCE = 60  # seconds a server may take to answer; a cold disk needs ten


class ProcessDatabases(Servers):
    """Each database is one mariadbd of this machine on 127.0.0.1; as root or as anybody, and it outlives the daemon."""

    def __init__(self, place):
        super().__init__(place)
        self._user = pwd.getpwuid(os.geteuid()).pw_name
        self._children = {}

    def stop(self, id: str) -> None:
        with self._locks[id]:
            self._known(id)
            self._end(id, signal.SIGTERM)

    def destroy(self, id: str) -> None:
        with self._locks[id]:
            self._end(id, signal.SIGKILL)
            shutil.rmtree(self.folder / id, ignore_errors=True)

    def state(self, id: str) -> str:
        if self._process(id):
            return "running"
        return "stopped" if self._record(id) else "absent"

    def cpu(self, id: str) -> float | None:
        pid = self._process(id)
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def backing(self, id: str) -> dict:
        record, pid = self._known(id), self._process(id)
        known = {"kind": "process", "pid": pid, "folder": str(self.folder / id), "port": record["port"]}
        return known | ({"memory": _memory(pid)} if pid else {})

    def snapshot(self, id: str, snapshot: str) -> None:
        """Keep a copy of its files as they are at one moment, like a disk's snapshot; it pauses while they are read."""
        self._known(id)
        self.snapshots.mkdir(parents=True, exist_ok=True, mode=0o700)
        pid = self._process(id)
        scratch = self._archive(snapshot).with_suffix(".new")
        if pid:
            os.kill(pid, signal.SIGSTOP)
        try:
            _command(["tar", "--create", "--sparse", "--file", scratch, "--directory", self.folder / id / "data", "."])
        finally:
            if pid:
                os.kill(pid, signal.SIGCONT)
        scratch.replace(self._archive(snapshot))

    def _placed(self, spec, record):
        """127.0.0.1, and the port asked for if it is to be had, or else the one it had, or else a free one."""
        taken = {other["port"] for other in map(self._record, self._ids()) if other and other["id"] != spec.id}
        for port in (record.get("port"), spec.port):
            if port and port not in taken and _free(port):
                return {"address": "127.0.0.1", "port": port}
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            return {"address": "127.0.0.1", "port": one.getsockname()[1]}

    def _ids(self):
        return [folder.name for folder in self.folder.iterdir()] if self.folder.exists() else []

    def _install(self, record):
        folder = self.folder / record["id"]
        if (folder / "installed").exists():
            return
        self._end(record["id"], signal.SIGKILL)
        data = folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(mode=0o700)
        if record.get("snapshot"):
            _command(["tar", "--extract", "--file", self._archive(record["snapshot"]), "--directory", data])
        else:
            _command(
                ["mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--user={self._user}", "--skip-test-db"]
                + ["--auth-root-authentication-method=socket", f"--auth-root-socket-user={self._user}"]
            )
        (folder / "installed").touch()

    def _write_options(self, record):
        folder = self.folder / record["id"]
        self._certificate(record, addresses=["127.0.0.1"], names=["localhost"])
        layout = mariadb.Layout(
            data=str(folder / "data"),
            socket="mariadb.sock",
            tls=str(folder / "tls"),
            log=str(folder / "error.log"),
            address=record["address"],
            port=record["port"],
        )
        write_private(folder / "my.cnf", mariadb.option_file(layout, record["parameters"]))

    def _run(self, record):
        if self._process(record["id"]):
            self._await(record)
            return
        self._write_options(record)
        folder = self.folder / record["id"]
        (folder / "error.log").write_text("")
        with open(folder / "output.log", "wb") as output:
            self._children[record["id"]] = subprocess.Popen(
                [_tool("mariadbd"), f"--defaults-file={folder / 'my.cnf'}", f"--user={self._user}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                start_new_session=True,  # it outlives the daemon, also when the daemon's terminal hangs up
            )
        self._await(record)

    def _await(self, record):
        """Wait until it answers on its socket; `start` then asks whether it does over TLS too."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                self._sql(record["id"], ["SELECT 1"])
                return
            except DriverError:
                if not self._process(record["id"]):
                    break
            time.sleep(0.05)
        # What is wrong with an option it says before it opens its log.
        said = "\n".join(
            (self.folder / record["id"] / file).read_text(errors="replace") for file in ("error.log", "output.log")
        )
        raise DriverError(f"the server of database {record['id']} did not start: {mariadb.last_errors(said)}")

    def _engine(self, record):
        try:
            version = mariadb.greet(record["address"], record["port"], record["endpoint"], self.authority)
        except OSError as error:
            raise DriverError(f"database {record['id']} does not answer over TLS: {error}") from error
        return mariadb.engine(version)

    def _sql(self, id, statements):
        return _command(
            [
                "mariadb",
                "--no-defaults",
                "--batch",
                "--skip-column-names",
                "--socket=mariadb.sock",
                "--user",
                self._user,
            ],
            input=script(statements),
            cwd=self.folder / id / "data",
        )

    def _process(self, id):
        """The pid of its server, by the option file it was started with: a pid file lies once its pid is used again."""
        child = self._children.get(id)
        if child and child.poll() is not None:
            del self._children[id]
        wanted = f"--defaults-file={self.folder / id / 'my.cnf'}".encode()
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if wanted in entry.read_bytes().split(b"\0"):
                    return int(entry.parent.name)
            except OSError:
                continue  # it ended while we looked
        return None

    def _end(self, id, number):
        deadline = time.monotonic() + PATIENCE
        sent = None
        while pid := self._process(id):
            if time.monotonic() > deadline:
                number = signal.SIGKILL
            if sent != number:
                os.kill(pid, number)
                sent = number
            time.sleep(0.02)


class HostedDatabases(Servers):
    """Each database has a host `db-<id>` of the image `mariadb`, with mariadbd as a systemd unit and a disk of its own."""

    CONFIGURATION = "/etc/mysql/mariadb.conf.d/90-local-cloud.cnf"
    TLS = "/etc/mysql/tls"
    DATA = "/var/lib/mysql"
    SOCKET = "/run/mysqld/mysqld.sock"
    LOG = "/var/log/mysql/error.log"

    def __init__(self, place, machines, network):
        super().__init__(place)
        self.machines = machines
        self.network = network

    def stop(self, id: str) -> None:
        with self._locks[id]:
            self._known(id)
            self.machines.stop(_host(id))

    def destroy(self, id: str) -> None:
        with self._locks[id]:
            self.machines.destroy(_host(id))
            shutil.rmtree(self.folder / id, ignore_errors=True)

    def state(self, id: str) -> str:
        return self.machines.state(_host(id)) if self._record(id) else "absent"

    def cpu(self, id: str) -> float | None:
        return self.machines.cpu(_host(id))

    def backing(self, id: str) -> dict:
        return {"kind": "host", "machine": _host(id), "port": self._known(id)["port"]} | self.machines.backing(
            _host(id)
        )


def _host(id):
    return f"db-{id}"


def _tool(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise DriverError(
            f"{name} is not on this machine: install it with `apt-get install mariadb-server-core mariadb-client-core`"
        )
    return found


def _command(words, input=None, cwd=None):
    done = subprocess.run(
        [_tool(words[0]), *words[1:]], input=input, cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        errors = [line for line in said if line.startswith("ERROR")] or said[-3:]
        raise DriverError(f"{words[0]} failed: {'; '.join(errors) or f'exit code {done.returncode}'}")
    return done.stdout


def _free(port):
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _memory(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0
