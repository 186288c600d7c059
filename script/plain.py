"""What `script/demo` tells where there can be no machines: the same application, its stores as plain processes."""

import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from processes import any_free, is_free, manage, plain_environment, program, redis_configuration
from visit import Browser

from fabfile import cloudwatch, database, domains, redis, schema, stages, vault
from fabfile.deploy import Release
from fabfile.engine.operations import Template
from fabfile.engine.secret import Secret
from fabfile.localcloud import daemon, tasks
from fabfile.localcloud.certificates import write_private
from fabfile.localcloud.place import Place
from fabfile.localcloud.plain import Program, folder
from webapp.sessions.store import redis_key

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60  # seconds a server may take to answer
LOOK = 0.1


def story(fab, say, demo_account):
    """Everything that can be had without machines. `fab` runs a command, `demo_account` gives a name and a password."""
    fab("create_user_domains")
    fab("initialize_db")
    fab("vault.create")
    here = Here(stages.LOCAL, Place.current())
    say("There is no machine to run them on, so Redis and the application start on this one, as plain processes:")
    here.make_schema()
    here.start_redis()
    here.start_web()
    name, password = demo_account()
    say("Signing in through the login page")
    browser = Browser(here.url, look=f"look into {here.web.log}")
    browser.sign_in(name, password)
    here.show(browser, name)
    tell_next(say, here, name, password)
    here.await_cpu()
    fab("get_cpu_stats")
    say("NOT RUN, for there are no machines here: what `up`, `setup_packages` and `deploy` would still do on some.")
    fab("plan", fine=(0, 2))
    say(f"The application is at {here.url}: sign in as {name} with the password {password}")


@dataclass(frozen=True)
class Here:
    """The local stage on this very machine: what would be on machines of its own is a process or a file of a folder."""

    stage: object
    place: Place

    @property
    def world(self):
        return self.stage.world

    @property
    def url(self):
        beside = self.place.port + 1 if 1024 < self.place.port < 65535 else 0
        return f"http://127.0.0.1:{self.port('web', beside)}"

    @property
    def folder(self):
        return folder(self.place, make=True)

    @property
    def authority(self):
        return self.folder / "rds-ca.pem"

    @property
    def client(self):
        """The option file that opens an SQL shell as the application's user."""
        return self.folder / "mysql.cnf"

    # The schema

    def make_schema(self):
        """What the resource Schema does from a machine: the database in the server, and the user, over TLS alone."""
        want = self.stage.of(schema.Schema)[0]
        password = vault.secret(self.world, want.secret)
        write_private(self.authority, schema.authority(self.world))
        write_private(self.client, self.options(want.user, password))
        if self.ask_mysql(self.client, "select 1", want.schema).returncode:
            master = json.loads(self.world.secret(self.described["MasterUserSecret"]["SecretArn"]).reveal())
            told = Template(want.sql(*self.at, master), password=password, master=Secret(master["password"]))
            _, _, statements = told.reveal().partition("-- end of options\n")
            once = self.folder / "master.cnf"
            write_private(once, self.options(master["username"], Secret(master["password"])))
            try:
                done = self.ask_mysql(once, statements)
            finally:
                once.unlink()
            if done.returncode:
                sys.exit(f"The schema could not be made: {done.stderr.strip()[-300:]}; run script/demo again")
        print(f"  schema {want.schema} and its user are in {self.described['DBInstanceIdentifier']}, reached by TLS")

    @cached_property
    def described(self):
        return database.described(self.world, self.stage.of(schema.Schema)[0].database)

    @property
    def at(self):
        return self.described["Endpoint"]["Address"], self.described["Endpoint"]["Port"]

    def options(self, user, password):
        host, port = self.at
        text = schema.OPTIONS.format(host=host, port=port, user=user, password="{password}")
        return Template(text.replace(schema.CA, str(self.authority)), password=password).reveal()

    def ask_mysql(self, options, statements, *words):
        argv = ["mariadb", f"--defaults-file={options}", "--table", *words]
        return subprocess.run(argv, input=statements, capture_output=True, text=True, check=False)

    # Redis

    def start_redis(self):
        """Redis as the resource RedisServer sets it up, but with its files in a folder instead of on a volume."""
        want = self.stage.of(redis.RedisServer)[0]
        at = folder(self.place, "redis", make=True)
        told = redis_configuration(at, want.memory, self.port("redis"), vault.secret(self.world, want.secret))
        write_private(at / "redis.conf", told)
        words = (program("redis-server"), str(at / "redis.conf"))
        server = Program(self.place, "redis", words, plain_environment(), digest(told))
        bring_up(server, lambda: self.redis.ping(), f"127.0.0.1:{self.port('redis')}, its files in {at}")

    @property
    def redis(self):
        from redis import Redis

        password = vault.secret(self.world, self.stage.of(redis.RedisServer)[0].secret)
        return Redis(port=self.port("redis"), password=password.reveal(), decode_responses=True, socket_timeout=10)

    # The application

    def start_web(self):
        """gunicorn as its unit runs it: settings from the environment, secrets as credential files, migrated."""
        environment = self.settings()
        release = self.stage.of(Release)[0]
        kind = release.id + digest("".join(path.read_text() for path in sorted(self.credentials.iterdir())))
        program = self.web_program(environment, kind)
        if not program.as_wanted:
            for words in ("collectstatic", "--noinput", "-v0"), ("migrate", "--noinput"):
                manage(environment, words)
                print(f"  manage.py {words[0]} is done", flush=True)
        bring_up(program, lambda: self.is_healthy(program), f"{self.url}, release {release.id}")
        print("  without an instance there is no instance role: the application signs with the local cloud's own key")

    def is_healthy(self, program):
        """Whether it answers, and it is ours: another's that took the port in the same moment would answer as well."""
        if "Listening at" not in program.log.read_text(errors="replace"):
            return False
        with urllib.request.urlopen(f"{self.url}/healthz", timeout=10) as answer:
            return answer.status == 200

    @property
    def web(self):
        return Program(self.place, "web")

    def web_program(self, environment, kind):
        words = (sys.executable, "-m", "gunicorn", "-c", str(ROOT / "webapp/gunicorn.conf.py"))
        # Before gunicorn's fork the folder of this script is on no path.
        words += ("--pythonpath", str(ROOT / "script"), "withstatic:application")
        return Program(self.place, "web", words, environment, kind)

    @property
    def credentials(self):
        return folder(self.place, "web", make=True) / "credentials"

    def settings(self):
        """The environment of the application; its secrets are put into files beside it."""
        release, at = self.stage.of(Release)[0], folder(self.place, "web", make=True)
        self.credentials.mkdir(mode=0o700, exist_ok=True)
        for name, secret in release.secrets:
            write_private(self.credentials / name, vault.secret(self.world, secret).reveal())
        cloud = tasks.variables(daemon.running(self.place))
        keys = "aws_access_key_id={AWS_ACCESS_KEY_ID}\naws_secret_access_key={AWS_SECRET_ACCESS_KEY}\n"
        write_private(self.credentials / "aws", "[default]\n" + keys.format(**cloud))
        lines = release.environment(self.world.region, "127.0.0.1", self.at).splitlines()
        own = {
            "PUBLIC_URL": self.url,
            "ALLOWED_HOSTS": "localhost",
            "BIND": self.url.removeprefix("http://"),
            "STATIC_ROOT": str(at / "static"),
            "MYSQL_CA": str(self.authority),
            "REDIS_URL": f"redis://127.0.0.1:{self.port('redis')}/0",
            "CREDENTIALS_DIRECTORY": str(self.credentials),
            "AWS_ENDPOINT_URL": cloud["AWS_ENDPOINT_URL"],
            "AWS_SHARED_CREDENTIALS_FILE": str(self.credentials / "aws"),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return plain_environment() | dict(line.split("=", 1) for line in lines) | own

    def port(self, name, wanted=0):
        """The port of a program: the one it had if it can still be had, else the one wanted, else a free one."""
        kept = folder(self.place, name, make=True) / "port"
        had = int(kept.read_text()) if kept.exists() else 0
        if had and (Program(self.place, name).pids or is_free(had)):
            return had
        port = wanted if wanted and is_free(wanted) else any_free()
        write_private(kept, str(port))
        return port

    # What the visit left

    def show(self, browser, name):
        """Print where the session, the user's row and the account are, each asked of its own store."""
        session = redis_key(browser.session)
        alive = self.redis.ttl(session)
        logs = folder(self.place, "redis").glob("appendonlydir/*")
        logged = next((path for path in logs if session.encode() in path.read_bytes()), None)
        row = self.ask_mysql(self.client, "select id, username, first_seen from users_user order by id;", "hydra")
        domain = domains.accounts(self.stage).get(name).home
        print(f"  Redis     session {session} ends in {alive} s; written in {logged}")
        print(f"  SimpleDB  account {name} in domain {domain}")
        print("  MySQL     " + row.stdout.strip().replace("\n", "\n            "))
        if alive < 0 or not logged or name not in row.stdout:
            sys.exit(f"The sign-in left no trace in one of the stores: look into {self.web.log}")

    def await_cpu(self):
        """Come back once the database's CPU was measured at all: a new one has its first point after ten seconds."""
        name = self.described["DBInstanceIdentifier"]
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            now = datetime.now(UTC)
            if cloudwatch.series(self.world, "AWS/RDS", "DBInstanceIdentifier", name, 1, 60, now)["points"]:
                return
            time.sleep(1)


def bring_up(program, answers, where):
    """Have it run as wanted, and wait until it answers; ends with its last words if it does not."""
    started = not program.as_wanted
    if started:
        program.start()
    deadline = time.monotonic() + PATIENCE
    while not answered(answers):
        if not program.pids or time.monotonic() > deadline:
            said = "\n".join(program.log.read_text(errors="replace").strip().splitlines()[-12:])
            sys.exit(f"{program.name} does not answer; the end of {program.log}:\n{said}")
        time.sleep(LOOK)
    print(f"  {program.name} {'started' if started else 'runs'} at {where}", flush=True)


def answered(question):
    from redis.exceptions import ConnectionError as Unanswered

    try:
        return question()
    except (OSError, Unanswered):
        return False


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def tell_next(say, here, name, password):
    say(f"""The application is at  {here.url}
Sign in as             {name}
with the password      {password}

Try next:
  . .venv/bin/activate
  fab local sdb.find {name}             the account, and the domain that holds it
  fab local sdb.status                how the users are spread over the domains
  fab local db_status                 the database, and what stands in for it
  mariadb --defaults-file={here.client} hydra
                                      an SQL shell, as the application's user
  fab local cloud.status              what stands behind the cloud
  eval "$(fab local cloud.env)"       and the aws command line talks to this cloud
  script/demo --down                  takes everything away""")
