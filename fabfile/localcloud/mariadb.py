"""MariaDB in the place of MySQL on RDS: its option file, its first statements, and whether it answers over TLS."""

import hashlib
import re
import socket
import ssl
import struct
from dataclasses import dataclass

from .parameters import translate

OPTIONS = 0o640

# What fits a laptop. One server at rest takes 60 to 80 MB with these; MariaDB's own defaults take three times as much.
_SMALL = {
    "performance_schema": "OFF",
    "innodb_buffer_pool_size": "48M",
    "innodb_log_file_size": "32M",
    "innodb_log_buffer_size": "2M",
    "innodb_read_io_threads": "2",
    "innodb_write_io_threads": "2",
    # Writes in flight stop with the process, so that a paused server's files are one moment's: see `snapshot`.
    "innodb_use_native_aio": "OFF",
    "aria_pagecache_buffer_size": "8M",
    "key_buffer_size": "4M",
    "skip_name_resolve": "ON",
    "tls_version": "TLSv1.2,TLSv1.3",
}
# What the master user of RDS for MySQL may do: all but SUPER, FILE and SHUTDOWN.
_GRANTS = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES,"
    " CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW,"
    " CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER"
)
_GLOBAL_NAME = {
    "transaction_isolation": "tx_isolation"
}  # what SET GLOBAL calls it, where the option is called otherwise
_SERVER_OPTION = {"time_zone": "default_time_zone"}


@dataclass(frozen=True)
class Layout:
    """Where one server keeps what."""

    data: str
    socket: str  # relative to `data` where a full path would not fit the kernel's 107 characters
    tls: str  # folder of ca.pem, server.pem and server.key
    log: str  # empty: the journal
    address: str  # to listen on
    port: int


def option_file(layout: Layout, parameters: dict) -> str:
    """The whole option file of a server, for a parameter group's parameters as AWS spells them."""
    ours = {
        "datadir": layout.data,
        "socket": layout.socket,
        "bind_address": layout.address,
        "port": layout.port,
        **({"log_error": layout.log} if layout.log else {}),
        "ssl_ca": f"{layout.tls}/ca.pem",
        "ssl_cert": f"{layout.tls}/server.pem",
        "ssl_key": f"{layout.tls}/server.key",
    }
    theirs = {_SERVER_OPTION.get(name, name): value for name, value in translate(parameters)[0].items()}
    # What says where the server is comes last: no parameter group may move it.
    lines = [f"{name} = {value}" for name, value in {**_SMALL, **theirs, **ours}.items()]
    return "\n".join(["# Written by the local cloud from the instance's parameter group.", "[mariadbd]", *lines, ""])


def first_statements(user: str, password: str, database: str = "") -> list[str]:
    """What makes a new server the one that was ordered: the master user, and its first database."""
    statements = [
        "DROP DATABASE IF EXISTS test",
        f"CREATE OR REPLACE USER {name(user)}@'%' IDENTIFIED BY PASSWORD '{native_hash(password)}'",
        f"GRANT {_GRANTS} ON *.* TO {name(user)}@'%' WITH GRANT OPTION",
    ]
    if database:
        statements.append(f"CREATE DATABASE IF NOT EXISTS {name(database)}")
    return statements


def password_statement(user: str, password: str) -> str:
    """The server is told a hash: the password itself is in no statement, no log and no process list."""
    return f"ALTER USER {name(user)}@'%' IDENTIFIED BY PASSWORD '{native_hash(password)}'"


def settings(before: dict, after: dict) -> dict:
    """{parameter: statement that puts it in force on the running server}, for what differs between two groups."""
    before, after = translate(before)[0], translate(after)[0]
    changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    return {key: f"SET GLOBAL {_GLOBAL_NAME.get(key, key)} = {_literal(after.get(key))}" for key in changed}


def native_hash(password: str) -> str:
    """mysql_native_password's hash: what the server stores, and takes in place of the password."""
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()


def name(text: str) -> str:
    """The text as a quoted identifier."""
    return "`" + text.replace("`", "``") + "`"


def greet(address: str, port: int, host: str, authority: str, timeout=5.0) -> str:
    """The server's version, once it has shown over TLS a certificate of this authority for this host name.

    It goes as far as the encrypted channel and no further, so it needs no account. Raises OSError (ssl.SSLError is
    one) if nothing answers or the certificate is not right.
    """
    context = ssl.create_default_context(cadata=authority)
    with socket.create_connection((address, port), timeout) as plain:
        greeting = _packet(plain)
        if greeting[:1] != b"\x0a":
            raise OSError(f"no database server answers at {address}:{port}")
        # "Continue with TLS": capabilities PROTOCOL_41, SSL and SECURE_CONNECTION, packet size, utf8mb4, 23 zeros.
        request = struct.pack("<IIB23x", 0x0200 | 0x0800 | 0x8000, 1 << 24, 45)
        plain.sendall(struct.pack("<I", len(request))[:3] + b"\x01" + request)
        with context.wrap_socket(plain, server_hostname=host):
            return greeting[1:].split(b"\0")[0].decode().removeprefix("5.5.5-")


def engine(version: str) -> str:
    """ "MariaDB 10.11.19" for a server that calls itself "10.11.19-MariaDB-0+deb12u1"."""
    return "MariaDB " + version.split("-")[0]


def last_errors(log: str, lines=3) -> str:
    """The last errors in a server's log, in one line, without their dates; or its last words."""
    every = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line.split("[ERROR]", 1)[1].strip() for line in every if "[ERROR]" in line] or every
    return "; ".join(errors[-lines:]) or "it left no word in its log"


def _packet(connection):
    length = int.from_bytes(_exactly(connection, 4)[:3], "little")
    return _exactly(connection, length)


def _exactly(connection, count):
    received = b""
    while len(received) < count:
        more = connection.recv(count - len(received))
        if not more:
            raise OSError("the database server hung up")
        received += more
    return received


def _literal(value):
    if value is None:
        return "DEFAULT"
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
