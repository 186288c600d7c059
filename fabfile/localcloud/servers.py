"""What all database servers of the local cloud share, wherever they run: a record on disk, and what is said in SQL."""

import dataclasses
import json
import logging
import os
import shutil
import subprocess
import threading
from collections import defaultdict

from . import mariadb
from .certificates import Authority, expires_soon, write_private
from .commands import last_words
from .drivers import DatabaseSpec, DriverError
from .parameters import translate

log = logging.getLogger("cloud.databases")

READ_ONLY = "ERROR 1238"  # "Variable is a read only variable": MariaDB wants a restart for this one


class Servers:
    """What both kinds share: the record of each server on disk, and all that is said to it in SQL.

    A record is `<home>/databases/<id>/record.json`: the spec without its password, and whether it was ever ready.
    """

    def __init__(self, place):
        self.folder = place.home / "databases"
        self.snapshots = place.home / "snapshots"
        self._authority = Authority(place.home / "ca")
        self._locks = defaultdict(threading.RLock)

    @property
    def authority(self) -> str:
        return self._authority.pem

    def create(self, spec: DatabaseSpec) -> dict:
        with self._locks[spec.id]:
            record = self._record(spec.id)
            if not record.get("ready"):
                fields = dataclasses.asdict(spec)
                password = fields.pop("password")
                record = {**fields, **self._placed(spec, record), "ready": False}
                self._save(record)
                self._say_left_out(record)
                self._install(record)
                self._run(record)
                if not spec.snapshot:
                    self._sql(spec.id, mariadb.first_statements(spec.user, password, spec.database))
                self._save({**record, "ready": True})
            return self.start(spec.id)

    def start(self, id: str) -> dict:
        with self._locks[id]:
            record = self._known(id)
            if self.state(id) != "running":
                record = {**record, **self._placed(DatabaseSpec(**_spec_fields(record)), record)}
                self._save(record)
                self._run(record)
            return {"address": record["address"], "port": record["port"], "engine": self._engine(record)}

    def configure(self, id: str, parameters: dict) -> list[str]:
        with self._locks[id]:
            record = self._known(id)
            before, record = record["parameters"], {**record, "parameters": dict(parameters)}
            self._save(record)
            self._say_left_out(record)
            self._write_options(record)
            if self.state(id) != "running":
                return []
            pending = []
            for parameter, statement in mariadb.settings(before, parameters).items():
                try:
                    self._sql(id, [statement])
                except DriverError as error:
                    if READ_ONLY not in str(error):
                        raise
                    pending.append(parameter)
            return pending

    def set_password(self, id: str, user: str, password: str) -> None:
        self._known(id)
        self._sql(id, [mariadb.password_statement(user, password)])

    def delete_snapshot(self, snapshot: str) -> None:
        self._archive(snapshot).unlink(missing_ok=True)

    def connections(self, id: str) -> int | None:
        """Clients connected now, this question not counted; None if it does not run."""
        if self.state(id) != "running":
            return None
        answer = self._sql(
            id, ["SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER NOT IN ('system user')"]
        )
        return max(0, int(answer.split()[0]) - 1)

    def _record(self, id):
        try:
            return json.loads((self.folder / id / "record.json").read_text())
        except FileNotFoundError:
            return {}

    def _known(self, id):
        record = self._record(id)
        if not record:
            raise DriverError(f"there is no database {id} on this machine")
        return record

    def _save(self, record):
        folder = self.folder / record["id"]
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(folder / "record.json", json.dumps(record, indent=1))

    def _archive(self, snapshot):
        return self.snapshots / f"db-{snapshot}.tar"

    def _certificate(self, record, addresses=(), names=()):
        """The server's certificate and key as {file name: text}, made anew when the old one ends soon."""
        folder = self.folder / record["id"] / "tls"
        wanted = json.dumps([record["endpoint"], *names, *addresses])
        kept = folder / "server.pem"
        fits = kept.exists() and (folder / "made-for").exists() and (folder / "made-for").read_text() == wanted
        if not fits or expires_soon(kept.read_text()):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            issued = self._authority.issue([record["endpoint"], *names], addresses)
            write_private(folder / "server.key", issued.key)
            write_private(kept, issued.certificate)
            write_private(folder / "ca.pem", self.authority)
            write_private(folder / "made-for", wanted)
        return {name: (folder / name).read_text() for name in ("ca.pem", "server.pem", "server.key")}

    def _keep(self, snapshot, data):
        """Put a folder of data into the snapshot's archive, which is there whole or not at all."""
        self.snapshots.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = self._archive(snapshot).with_suffix(".new")
        skipped = ["--exclude=./*.sock", "--exclude=./ib_buffer_pool"]
        command(["tar", "--create", "--sparse", "--file", scratch, "--directory", data, *skipped, "."])
        scratch.chmod(0o600)
        scratch.replace(self._archive(snapshot))

    def _bring(self, snapshot, data):
        if not self._archive(snapshot).exists():
            raise DriverError(f"the snapshot {snapshot} is not on this machine")
        command(["tar", "--extract", "--file", self._archive(snapshot), "--directory", data])

    def _say_left_out(self, record):
        left_out = translate(record["parameters"])[1]
        if left_out:
            log.info(
                "database %s: left out, MariaDB here has no such parameter or value: %s",
                record["id"],
                ", ".join(left_out),
            )


def script(statements):
    # A parameter group's sql_mode may change what a quote means: these statements are written for none.
    return "".join(f"{statement};\n" for statement in ["SET SESSION sql_mode = ''", *statements])


def _spec_fields(record):
    names = {field.name for field in dataclasses.fields(DatabaseSpec)}
    return {"password": ""} | {key: value for key, value in record.items() if key in names}


def tool(name):
    """The full path of a program of MariaDB's or of the system's; its servers are not on everybody's path."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise DriverError(f"{name} is not installed; script/setup installs what is missing")
    return found


def command(words, input="", folder=None):
    """Run a program in a folder and return what it printed. Raises DriverError with its errors if it fails."""
    done = subprocess.run(
        [tool(words[0]), *words[1:]], input=input.encode(), cwd=folder, capture_output=True, check=False
    )
    if done.returncode:
        raise DriverError(f"{words[0]} failed: {last_words(done) or f'exit {done.returncode}'}")
    return done.stdout.decode()
