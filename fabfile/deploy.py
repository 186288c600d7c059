"""The web application on its machines: packages, and releases that follow one another."""

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fabric import task

from . import database, nginx, schema, vault
from .domains import Shards
from .engine import show as screen
from .engine.errors import Refusal
from .engine.operations import Absent, Command, Directory, File, Link, Package, Service, User
from .engine.plan import Seen
from .engine.stage import HostResource, differing, make, stage_of
from .engine.steps import Script, Unknown, Upload
from .serving import (
    CREDENTIALS,
    FORGET,
    FORGOTTEN,
    HEALTHY,
    HEALTHY_NOW,
    HOME,
    KEPT,
    MANAGE,
    ROLLER,
    SOCKET,
    SWEEP,
    TRIED,
    TRY,
    UNIT,
)

ROOT = Path(__file__).resolve().parent.parent
PART = "deploy"
UNIT_THERE = Command("have a unit", "false", unless="systemctl cat hydra-web.service >/dev/null 2>&1")


@dataclass(frozen=True)
class Packages(HostResource):
    """Debian packages that one machine must have."""

    name: str
    machine: str
    names: tuple
    part = PART

    @property
    def needs(self):
        return (f"machine {self.machine}",)

    def __str__(self):
        return f"packages {self.name}"

    @property
    def says(self):
        return "install what is missing of " + ", ".join(self.names)

    def operations(self, world):
        return tuple(Package(name) for name in self.names)


@dataclass(frozen=True)
class Release:
    """The application of this checkout on one machine: gunicorn as a systemd unit behind nginx, migrated.

    A release is known by a hash of its files. Its secrets reach the unit as systemd credentials. `url` is where
    browsers find it; without one it answers by plain http on the machine's address, which only a stage on this very
    machine should do. Of webapp/environment.example: `email_url` is how mail is sent, its password is the secret
    `email_password`; `email_from` who it is from; `exact_names` whether capitals count at sign-in; `trusted_proxies`
    how many of ours a request passes, nginx on the machine being one.
    """

    name: str
    machine: str
    database: str
    user_domains: str
    user_shards: int  # the number of them, for as long as no shard map says another
    redis: str  # the name of the RedisServer it uses
    secrets: tuple  # (credential, name of the RandomSecret) pairs
    packages: str
    schema: str
    url: str = ""
    workers: int = 2
    email_url: str = "console:"
    email_from: str = ""
    exact_names: bool = True
    trusted_proxies: int = 1
    source: str = field(default=str(ROOT), compare=False, repr=False)
    part = PART

    @property
    def needs(self):
        secrets = (f"secret {secret}" for _, secret in self.secrets)
        return (
            str(self.shards),
            f"packages {self.packages}",
            f"schema {self.schema}",
            f"redis {self.redis}",
            *secrets,
        )

    def __str__(self):
        return f"release {self.name}"

    @property
    def shards(self):
        return Shards(self.user_domains, self.user_shards)

    @property
    def id(self):
        return release_id(self.source)

    @property
    def folder(self):
        return f"{HOME}/releases/{self.id}"

    def look(self, world):
        host, at = world.host(self.machine), database.endpoint(world, self.database)
        secrets = {credential: vault.secret(world, secret) for credential, secret in self.secrets}
        missing = [it.what for it in (at, *secrets.values()) if isinstance(it, Unknown)]
        if not host or missing:
            later = self.operations(world.region, "known-later", ("known-later", 3306), secrets)
            absent = [*([] if host else [f"machine {self.machine}"]), *missing]
            return Seen(ids={"operations": later}, unsure=" and ".join(absent))
        ids = {"operations": self.operations(world.region, host.address, at, secrets)}
        sent = Command("send the code", "false", unless=f"test -e {self.folder}/webapp/manage.py")
        first, installed, *outcomes = world.facts(self.machine, (sent, UNIT_THERE, *ids["operations"]))
        ids |= {"sent": first.state == "ok", "needed": differing(outcomes), "shards": self.shards.look(world)}
        return Seen(self.id if installed.state == "ok" else None, None if ids["needed"] else self, ids)

    def plan(self, seen):
        # By a wrong number of shards the application would look for users where they are not.
        yield from self.shards.plan(seen.ids.get("shards", Seen()))
        if seen.unsure or not seen.ids["sent"]:
            yield Upload(f"send release {self.id}", self.machine, f"{self.source}/webapp", f"{self.folder}/webapp")
        if seen.unsure or seen.ids["needed"]:
            operations, needed = seen.ids.get("operations", ()), seen.ids.get("needed", ())
            yield Script(f"put release {self.id} in service", self.machine, operations, pending=needed)

    def teardown(self, seen):
        away = (
            Service("hydra-links", enabled=False, active=False),
            Service("hydra-web", enabled=False, active=False),
            Service("hydra-web.socket", enabled=False, active=False),
        )
        yield Script("stop the application", self.machine, away)

    def operations(self, region, address, at, secrets):
        """Everything of the release on its machine, in the order in which it is made so."""
        return (
            User("hydra", home=HOME),
            *(Directory(path) for path in (HOME, f"{HOME}/releases", f"{HOME}/venvs", "/etc/hydra")),
            Directory(CREDENTIALS, mode=0o700),
            *(File(f"{CREDENTIALS}/{name}", secret, mode=0o600) for name, secret in secrets.items()),
            File("/etc/hydra/web.env", self.environment(region, address, at)),
            Command("install its Python packages", self.install(), unless=f"test -e {venv(self.source)}/complete"),
            Link(f"{self.folder}/.venv", venv(self.source)),
            Command(
                "see that it can start",
                TRY.replace("{folder}", self.folder),
                unless=TRIED.replace("{folder}", self.folder),
            ),
            File("/usr/local/sbin/hydra-manage", MANAGE, mode=0o755),
            Command(
                "gather its static files",
                manage(self.folder, "collectstatic --noinput -v 0"),
                unless=f"test -e {HOME}/static/staticfiles.json && test -e {self.folder}/.collected",
            ),
            Command(
                "migrate the database",
                manage(self.folder, "migrate --noinput -v 1"),
                unless=f"test -e {self.folder}/.collected && {manage(self.folder, 'migrate --check')}",
            ),
            Link(f"{HOME}/current", self.folder),
            File("/etc/systemd/system/hydra-web.socket", SOCKET),
            File("/etc/systemd/system/hydra-web.service", self.unit()),
            File("/etc/systemd/system/hydra-links.service", self.unit(ROLLER)),
            Service("hydra-web.socket"),
            self.service("hydra-web", secrets),
            self.service("hydra-links", secrets),
            Absent("/etc/nginx/sites-enabled/default"),
            *self.site(),
            Service("nginx"),
            Command("let nginx read its site", nginx.READ, unless=nginx.HAS_READ),
            Command("see that it answers", HEALTHY, unless=HEALTHY_NOW),
            # Not before: where this one does not get so far, systemd starts the one before only with all of its own.
            self.forget(secrets),
            Command("sweep out old releases", SWEEP, unless=f"test $(ls {HOME}/releases | wc -l) -le {KEPT}"),
        )

    def environment(self, region, address, at):
        """The settings of the application that are no secrets, as a systemd environment file."""
        host, port = at
        settings = {
            "PUBLIC_URL": self.url or f"http://{address}",
            "ALLOW_HTTP": "false" if self.url.startswith("https://") else "true",
            "ALLOWED_HOSTS": address,
            "STATIC_ROOT": f"{HOME}/static",
            "MYSQL_HOST": host,
            "MYSQL_PORT": port,
            "MYSQL_DATABASE": "hydra",
            "MYSQL_USER": "hydra",
            "MYSQL_CA": schema.CA,
            "REDIS_URL": "redis://127.0.0.1:6379/0",
            "AWS_REGION": region,
            "USER_DOMAINS": self.user_domains,
            "USER_SHARDS": self.user_shards,
            "WORKERS": self.workers,
            "EMAIL_URL": self.email_url,
            "EMAIL_FROM": self.email_from,
            "EXACT_NAMES": str(self.exact_names).lower(),
            "TRUSTED_PROXIES": self.trusted_proxies,
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())

    def install(self):
        """A virtual environment for exactly these requirements, shared by all releases that have them."""
        at = venv(self.source)
        pip = f"{at}/bin/pip --disable-pip-version-check install --quiet --no-compile --require-hashes --retries 5"
        # The application's user may not write there, so what is not compiled now is compiled again at every start.
        compiled = f"{at}/bin/python -m compileall -q -j 0 {at}/lib {self.folder}/webapp >/dev/null || true"
        get = f"{pip} -r {self.folder}/webapp/requirements.txt"
        return f"rm -rf {at} && python3 -m venv {at} && {get} && {{ {compiled}; }} && touch {at}/complete"

    def forget(self, secrets):
        """Remove the credentials that it is no longer given."""
        but = " ".join(f"! -name {name}" for name in secrets)
        return Command(
            "remove secrets that it needs no longer",
            FORGET.replace("{but}", but),
            unless=FORGOTTEN.replace("{but}", but),
        )

    def service(self, name, secrets):
        """A unit that is started anew for another release and for whatever it is told."""
        told = ("/etc/hydra/web.env", *(f"{CREDENTIALS}/{secret}" for secret in secrets))
        return Service(name, restart_for=(f"{HOME}/current", f"/etc/systemd/system/{name}.service", *told))

    def unit(self, text=UNIT):
        loads = "\n".join(f"LoadCredential={name}:{CREDENTIALS}/{name}" for name, _ in self.secrets)
        return text.replace("{loads}", loads)

    def site(self):
        """nginx's site; with an https address also a certificate, self-signed until a real one is put in its place."""
        if not self.url.startswith("https://"):
            return (*nginx.answers(self.source), File(nginx.SITE, nginx.site(self.source)))
        name = self.url.removeprefix("https://").split("/")[0].split(":")[0]
        make = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825"
            f" -subj /CN={name} -addext subjectAltName=DNS:{name}"
            " -keyout /etc/hydra/tls/key.pem -out /etc/hydra/tls/cert.pem"
        )
        return (
            Directory("/etc/hydra/tls", mode=0o700),
            Command(
                "make a certificate, until there is a real one",
                f"umask 077; {make}",
                unless="test -e /etc/hydra/tls/cert.pem",
            ),
            *nginx.answers(self.source),
            File(nginx.SITE, nginx.site(self.source, tls=True)),
        )


def manage(folder, words):
    """One of manage.py's commands on a release that need not be in service yet."""
    done = f" && touch {folder}/.collected" if words.startswith("collectstatic") else ""
    prepare = f"install -d -o hydra -g hydra {HOME}/static && " if done else ""
    return f"{prepare}HYDRA_RELEASE={folder} /usr/local/sbin/hydra-manage {words}{done}"


def files(source):
    """The files of a release: the application as it lies in this checkout, without what Python leaves about."""
    for path in sorted(Path(source, "webapp").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield path


@cache
def release_id(source):
    """The same twelve letters for the same files: their names, contents, and whether they may be run."""
    digest = hashlib.sha256()
    for path in files(source):
        head = f"{path.relative_to(source)}\0{path.stat().st_mode & 0o111:o}\0{path.stat().st_size}\0"
        digest.update(head.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def venv(source):
    """Where the virtual environment for these requirements stands."""
    digest = hashlib.sha256(Path(source, "webapp/requirements.txt").read_bytes()).hexdigest()[:12]
    return f"{HOME}/venvs/{digest}"


@task(
    help={
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def packages(c, plan=False, json=False):
    """Install the packages that the web application needs on its machines."""
    make(c, Packages, plan=plan, json=json)


@task(
    default=True,
    help={
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
        "json": "print JSON, for programs, instead of lines for people",
    },
)
def release(c, plan=False, json=False):
    """Put this checkout's application in service: send it, migrate, restart, see that it answers.

    A release is known by its files' contents, so a second run finds nothing to do. One that cannot start, or whose
    migration fails, does not go into service; the one before serves on. Requests that come while the application
    restarts wait at its socket. The five newest releases stay on the machine. How it sends mail is in stages.py
    (email_url, email_from); the mail server's password is given with `vault.put`.
    """
    make(c, Release, plan=plan, json=json)


@task(help={"json": "print JSON, for programs, instead of lines for people"})
def status(c, json=False):
    """Say which release is in service where, and whether it answers."""
    stage = stage_of(c)
    rows = []
    for want in stage.of(Release):
        told = f"readlink {HOME}/current; systemctl is-active hydra-web; {HEALTHY_NOW} && echo answers"
        result = stage.world.run(want.machine, told)
        lines = result.out.split()
        current = lines[0].rsplit("/", 1)[-1] if lines and "/" in lines[0] else "none"
        rows.append(
            {
                "machine": want.machine,
                "in service": current,
                "this checkout": want.id,
                "unit": "active" if "active" in lines else "inactive",
                "answers": "yes" if "answers" in lines else "no",
            }
        )
    if json:
        return screen.as_json(rows)
    screen.table([row.values() for row in rows], rows[0] if rows else ())


@task(help={"lines": "how many lines, 50 by default", "follow": "go on as new lines come, until Ctrl-C"})
def logs(c, lines="50", follow=False):
    """Show the application's journal."""
    if not lines.isdecimal():
        raise Refusal(f"{lines} is no number of lines: --lines 200, for instance")
    stage = stage_of(c)
    want = stage.of(Release)[0]
    command = f"journalctl -u hydra-web -u hydra-links -n {lines} --no-pager -o short-iso"
    if follow:
        return stage.world.shell(want.machine, command + " -f")
    print(stage.world.run(want.machine, command).out, end="")


@task(name="manage", positional=["words"], help={"words": 'what manage.py is to do, in quotes: "showmigrations users"'})
def manage_(c, words):
    """Run one of manage.py's commands in the release in service: fab live deploy.manage "showmigrations"."""
    stage = stage_of(c)
    want = stage.of(Release)[0]
    result = stage.world.run(want.machine, f"/usr/local/sbin/hydra-manage {words}", timeout=900)
    print(result.out, end="")
    if result.code:
        raise Refusal(f"{want.machine}: manage.py ended with {result.code}: {result.err.strip()[-800:]}")
