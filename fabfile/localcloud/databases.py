"""Databases of the local cloud: MariaDB servers as plain processes of this machine, or each on a host of its own."""

import contextlib
import hashlib
import json
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
from .commands import last_words
from .drivers import DriverError, MachineSpec
from .servers import Servers, command, script, tool

CLIENT = ("mariadb", "--no-defaults", "--batch", "--skip-column-names")
TAKEN = "Address already in use"
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
        with self._locks[id]:
            self._known(id)
            pid = self._process(id)
            try:
                _signal(pid, signal.SIGSTOP)
                self._keep(snapshot, self.folder / id / "data")
            finally:
                _signal(pid, signal.SIGCONT)

    def sweep(self) -> list[str]:
        """End every server of this place, and what was making one, found by name alone; returns what was ended, in
        words, once it is gone: until then it would put files back. Files stay."""
        ended, deadline = {}, time.monotonic() + PATIENCE
        while (found := [*self._servers(), *self._named("--datadir=")]) and time.monotonic() < deadline:
            for pid, id in found:
                _signal(pid, signal.SIGKILL)
                ended[pid] = f"database {id} (process {pid})"
            time.sleep(0.02)
        return list(ended.values())

    def _placed(self, spec, record):
        """127.0.0.1, and the port asked for if it is to be had, or else the one it had, or else a free one."""
        taken = {other["port"] for other in map(self._record, self._ids()) if other and other["id"] != spec.id}
        for port in (record.get("port"), spec.port):
            if port and port not in taken and _free(port):
                return {"address": "127.0.0.1", "port": port}
        return {"address": "127.0.0.1", "port": _any_port()}

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
            self._bring(record["snapshot"], data)
        else:
            command(
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
        try:
            self._launch(record)
        except DriverError as error:
            if TAKEN not in str(error):
                raise
            record["port"] = _any_port()  # somebody took it between our look and the server's
            self._save(record)
            self._launch(record)

    def _launch(self, record):
        if self._process(record["id"]):
            self._await(record)
            return
        self._write_options(record)
        folder = self.folder / record["id"]
        (folder / "error.log").write_text("")
        with open(folder / "output.log", "wb") as output:
            self._children[record["id"]] = subprocess.Popen(
                [tool("mariadbd"), f"--defaults-file={folder / 'my.cnf'}", f"--user={self._user}"],
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
        # Relative to its folder: a full path to the socket may be longer than the kernel takes.
        client = [*CLIENT, "--socket=mariadb.sock", f"--user={self._user}"]
        return command(client, input=script(statements), folder=self.folder / id / "data")

    def _process(self, id):
        """The pid of its server, or None."""
        child = self._children.get(id)
        if child and child.poll() is not None:
            del self._children[id]
        return next((pid for pid, one in self._servers() if one == id), None)

    def _servers(self):
        """(pid, id) of every server that runs, by the option file it was started with: a pid file may lie."""
        return self._named("--defaults-file=", places=2)

    def _named(self, option, places=None):
        """(pid, id) of every process that has this option, with a file of a database, among its first words."""
        begin = f"{option}{self.folder}/".encode()
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().split(b"\0")
            except OSError:
                continue  # it ended while we looked
            for word in words[:places]:
                if word.startswith(begin):
                    yield int(entry.parent.name), word[len(begin) :].partition(b"/")[0].decode()

    def _end(self, id, number):
        deadline = time.monotonic() + PATIENCE
        sent = None
        while pid := self._process(id):
            if time.monotonic() > deadline:
                number = signal.SIGKILL
            if sent != number:
                _signal(pid, number)
                sent = number
            time.sleep(0.02)


class HostedDatabases(Servers):
    """Each database has a host `db-<id>` of the image `mariadb`: mariadbd is a systemd unit there, the disk its own.

    What is said to a server is said inside its host, on its socket: firewalls need not admit this machine.
    """

    OPTIONS = "/etc/mysql/mariadb.conf.d/90-local-cloud.cnf"
    TLS = "/etc/mysql/tls"
    DATA = "/var/lib/mysql"
    SOCKET = "/run/mysqld/mysqld.sock"

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
        known = {"kind": "host", "machine": _host(id), "port": self._known(id)["port"]}
        return known | self.machines.backing(_host(id))

    def snapshot(self, id: str, snapshot: str) -> None:
        """Keep a copy of its files as they are at one moment; the server pauses meanwhile. A stopped host is booted."""
        with self._locks[id]:
            self._known(id)
            stopped = self.state(id) != "running"
            if stopped:
                self.start(id)
            self._do(id, ["systemctl", "kill", "--signal=STOP", "mariadb"])
            try:
                self._keep(snapshot, self._data(id))
            finally:
                self._do(id, ["systemctl", "kill", "--signal=CONT", "mariadb"])
                if stopped:
                    self.stop(id)

    def _placed(self, spec, record):
        return {"address": spec.address, "port": spec.port or 3306}

    def _install(self, record):
        id = record["id"]
        name = _host(id)
        memory = record.get("memory") or 0
        self.machines.create(MachineSpec(name, "mariadb", record["address"], hostname=name, memory=memory))
        self.machines.start(name)
        if record.get("snapshot"):
            self._do(id, ["systemctl", "stop", "mariadb"])
            self._do(id, ["find", self.DATA, "-mindepth", "1", "-delete"])
            self._bring(record["snapshot"], self._data(id))
            self._do(id, ["chown", "--recursive", "mysql:mysql", self.DATA])
        self._do(id, ["systemctl", "enable", "mariadb"])

    def _write_options(self, record):
        """Put its option file and certificate on its host, if it runs; returns whether they were others before."""
        id = record["id"]
        if self.state(id) != "running":
            return False
        layout = mariadb.Layout(self.DATA, self.SOCKET, self.TLS, "", "0.0.0.0", record["port"])
        files = self._certificate(record, addresses=[record["address"]])
        wanted = {f"{self.TLS}/{name}": text for name, text in files.items()}
        wanted[self.OPTIONS] = mariadb.option_file(layout, record["parameters"])
        digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
        kept = self.folder / id / "on-its-host"
        if kept.exists() and kept.read_text() == digest:
            return False
        self._do(id, ["mkdir", "--parents", self.TLS])
        for path, text in wanted.items():
            mode = 0o400 if path.endswith(".key") else 0o644
            self.machines.put(_host(id), path, text.encode(), mode, "mysql:mysql")
        kept.write_text(digest)
        return True

    def _run(self, record):
        id = record["id"]
        self.machines.start(_host(id))
        verb = "restart" if self._write_options(record) else "start"
        try:
            self._do(id, ["systemctl", verb, "mariadb"])
            self._sql(id, ["SELECT 1"])
        except DriverError as error:
            said = self.machines.run(_host(id), ["journalctl", "--unit=mariadb", "--lines=40", "--output=cat"]).stdout
            words = mariadb.last_errors(said.decode(errors="replace"))
            raise DriverError(f"the server of database {id} did not start: {words}") from error

    def _engine(self, record):
        version, secured = self._sql(record["id"], ["SELECT @@version, @@have_ssl"]).split()
        if secured != "YES":
            raise DriverError(f"database {record['id']} does not answer over TLS: it does not accept its certificate")
        return mariadb.engine(version)

    def _sql(self, id, statements):
        return self._do(id, [*CLIENT, f"--socket={self.SOCKET}"], script(statements))

    def _do(self, id, words, input=""):
        done = self.machines.run(_host(id), words, input=input.encode())
        if done.returncode:
            raise DriverError(f"{words[0]} failed on {_host(id)}: {last_words(done)}")
        return done.stdout.decode()

    def _data(self, id):
        """Its data folder as this machine sees it, as long as its host runs."""
        return Path(f"/proc/{self.machines.leader(_host(id))}/root{self.DATA}")


def _host(id):
    return f"db-{id}"


def _signal(pid, number):
    if pid:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.kill(pid, number)


def _any_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


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
