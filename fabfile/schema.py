"""The schema inside the database server, and the application's own user with rights on it alone."""

import json
from dataclasses import dataclass

from . import vault
from .database import described, endpoint
from .engine.errors import Refusal
from .engine.operations import Command, Directory, File, Package, Template
from .engine.plan import Seen
from .engine.secret import Secret
from .engine.stage import HostResource, differing
from .engine.steps import Unknown

TRUST_STORE = "https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem"
CA, CLIENT = "/etc/hydra/rds-ca.pem", "/etc/hydra/mysql.cnf"
OPTIONS = f"""[client]
host={{host}}
port={{port}}
user={{user}}
password="{{password}}"
ssl-ca={CA}
ssl-verify-server-cert
"""


def authority(world):
    """The certificates (PEM) that sign the stage's databases, checked against what RDS's API says of them."""
    bundle = world.fetch(TRUST_STORE.format(region=world.region))
    known = {
        it["Thumbprint"].lower().replace(":", "") for it in world.read("rds", "describe_certificates")["Certificates"]
    }
    if not known & set(thumbprints(bundle)):
        raise Refusal(
            "The CA bundle of RDS holds none of the certificates that its API names: it is not used, try again"
        )
    return bundle


def thumbprints(bundle):
    """The SHA-1 thumbprint, in hex, of each certificate of a PEM bundle."""
    import hashlib
    import ssl

    end = "-----END CERTIFICATE-----"
    for part in bundle.split(end)[:-1]:
        yield hashlib.sha1(ssl.PEM_cert_to_DER_cert(part[part.index("-----BEGIN") :] + end)).hexdigest()


@dataclass(frozen=True)
class Schema(HostResource):
    """One database inside the server, and the application's own user with rights on it alone, over TLS only.

    The server is not public, so it is reached from `machine`, which keeps the user's option file for `rds.shell`.
    """

    name: str  # the resource's
    database: str  # the server's
    machine: str
    secret: str
    schema: str = "hydra"
    user: str = "hydra"

    @property
    def needs(self):
        return (f"database {self.database}", f"machine {self.machine}", f"secret {self.secret}")

    def __str__(self):
        return f"schema {self.name}"

    says = "create the schema and the application's user"

    def look(self, world):
        at, password = endpoint(world, self.database), vault.secret(world, self.secret)
        missing = [it.what for it in (at, password) if isinstance(it, Unknown)]
        if missing:
            later = self.all(("known-later", 3306), password, "", None)
            return Seen(ids={"operations": later}, unsure=" and ".join(missing))
        ca = authority(world)
        seen = self.judge(world.facts(self.machine, self.all(at, password, ca, None)))
        if not seen.unsure and seen.ids["needed"]:  # only now is the master's password worth asking for
            secret = described(world, self.database)["MasterUserSecret"]["SecretArn"]
            seen.ids["operations"] = self.all(at, password, ca, json.loads(world.secret(secret).reveal()))
        return seen

    def judge(self, outcomes):
        if outcomes is None:
            later = self.all(("known-later", 3306), "known-later", "", None)
            return Seen(ids={"operations": later}, unsure=f"machine {self.machine}")
        needed = differing(outcomes)
        there = len(needed) < len(outcomes)
        return Seen(self.name if there else None, None if needed else self, {"needed": needed})

    def all(self, at, password, ca, master):
        """Every operation; with `master` (user name and password) those that need it can be made so."""
        host, port = at
        options = OPTIONS.format(host=host, port=port, user=self.user, password="{password}")
        secrets = {"password": password, "master": quoted(master["password"])} if master else {}
        told = Template(self.sql(host, port, master), **secrets) if master else None
        return (
            Package("mariadb-client"),
            Directory("/etc/hydra"),
            File(CA, ca),
            File(CLIENT, Template(options, password=password), mode=0o600),
            Command(
                f"create schema {self.schema} and user {self.user}",
                RUN_SQL,
                input=told,
                secret=True,
                unless=f"mariadb --defaults-extra-file={CLIENT} -Ne 'select 1' {self.schema}",
            ),
        )

    def sql(self, host, port, master):
        """An option file for the master user, a line that ends it, and the statements."""
        options = OPTIONS.format(host=host, port=port, user=master["username"], password="{master}")
        return f"""{options}-- end of options
CREATE DATABASE IF NOT EXISTS `{self.schema}` CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS '{self.user}'@'%' IDENTIFIED BY '{{password}}' REQUIRE SSL;
ALTER USER '{self.user}'@'%' IDENTIFIED BY '{{password}}' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES ON `{self.schema}`.* TO '{self.user}'@'%';
"""


def quoted(password):
    """A password that AWS chose, as it stands between quotes in an option file: a backslash would begin an escape."""
    return Secret(password.replace("\\", "\\\\"))


# `read` takes a pipe byte by byte, so that what follows the options is left for the client.
RUN_SQL = """
umask 077; folder=$(mktemp -d -p /run hydra-XXXXXXXX); trap 'rm -rf "$folder"' EXIT
while IFS= read -r line && [ "$line" != "-- end of options" ]; do printf '%s\\n' "$line"; done > "$folder/my.cnf"
mariadb --defaults-extra-file="$folder/my.cnf"
"""
