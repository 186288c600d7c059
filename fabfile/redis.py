"""Redis, its files on a mounted volume: lose the machine, keep the data."""

from dataclasses import dataclass, field
from pathlib import Path

from fabric import task

from . import vault
from .engine import names
from .engine import show as screen
from .engine.errors import Refusal
from .engine.operations import Command, Directory, File, Package, Service, Template
from .engine.plan import Seen
from .engine.stage import HostResource, make, stage_of
from .engine.steps import Script, Unknown

CONFIGURATION = """\
# Written by hydra; changes here are overwritten.
bind 127.0.0.1 -::1
port 6379
requirepass {password}
dir {folder}
supervised systemd
daemonize no
loglevel notice

# Every write is on the volume within a second, also if the machine is lost.
appendonly yes
appendfsync everysec
no-appendfsync-on-rewrite no
aof-use-rdb-preamble yes
# A power cut may end a file in the middle of a write; that one is left out. hydra-redis-mend sees to the rest.
aof-load-truncated yes

# Sessions must not vanish to make room: a full Redis refuses writes loudly, and running sessions read on.
maxmemory {memory}mb
maxmemory-policy noeviction
"""

ON_MACHINE = Path(__file__).parent / "onmachine"
MEND = "/usr/local/sbin/hydra-redis-mend"

# What a command on the machine is preceded by, so that redis-cli has the password and no command line shows it.
PASSWORD = "REDISCLI_AUTH=$(sed -n 's/^requirepass //p' /etc/redis/hydra.conf)"

# Debian's unit may write to /var/lib/redis only, and run nothing but Redis; without its mount Redis would start with an
# empty folder. The minus: files that cannot be mended are for Redis to judge.
UNIT = """\
[Unit]
RequiresMountsFor={folder}
AssertPathIsMountPoint={mount}

[Service]
ExecPaths={mend} /usr/bin/python3 /usr/bin/redis-check-aof
ExecStartPre=-{mend} {folder}
ExecStart=
ExecStart=/usr/bin/redis-server /etc/redis/hydra.conf
ReadWritePaths={folder}
"""


@dataclass(frozen=True)
class RedisServer(HostResource):
    """One Redis on one machine, its files in `redis` on the volume mounted at `mount`. `memory` is in MiB."""

    name: str
    machine: str
    mount: str
    secret: str
    memory: int = field(default=256)
    says = "set up Redis, its files on the volume"

    @property
    def needs(self):
        return (f"machine {self.machine}", f"mount {self.mount} on {self.machine}", f"secret {self.secret}")

    def __str__(self):
        return f"redis {self.name}"

    @property
    def folder(self):
        return f"{self.mount}/redis"

    def operations(self, world):
        password = vault.secret(world, self.secret)
        if isinstance(password, Unknown):
            return Seen(ids={"operations": self.made_with(password)}, unsure=password.what)
        return self.made_with(password)

    def made_with(self, password):
        """Every operation, in the order in which it is made so; `password` may be known only later."""
        text = CONFIGURATION.replace("{folder}", self.folder).replace("{memory}", str(self.memory))
        unit = UNIT.format(folder=self.folder, mount=self.mount, mend=MEND)
        mounted = f"mountpoint -q {self.mount} || {{ echo nothing is mounted at {self.mount}; exit 1; }}"
        return (
            Command(f"see that {self.mount} is mounted", mounted, unless=f"mountpoint -q {self.mount}"),
            Package("redis-server"),
            Package("python3"),
            Directory(self.folder, owner="redis", group="redis", mode=0o750),
            File("/etc/redis/hydra.conf", Template(text, password=password), owner="root", group="redis", mode=0o640),
            File(MEND, (ON_MACHINE / "mend_aof.py").read_text(), mode=0o755),
            File("/etc/systemd/system/redis-server.service.d/hydra.conf", unit),
            Service(
                "redis-server",
                restart_for=("/etc/redis/hydra.conf", "/etc/systemd/system/redis-server.service.d/hydra.conf"),
            ),
        )

    def teardown(self, seen):
        yield Script(
            "stop Redis; its files stay on the volume",
            self.machine,
            (Service("redis-server", enabled=False, active=False),),
        )


@task(
    help={
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def setup(c, plan=False, json=False):
    """Set Redis up on its machine, its files on the mounted volume."""
    make(c, RedisServer, plan=plan, json=json)


@task(help={"json": "print JSON, for programs, instead of lines for people"})
def status(c, json=False):
    """Say how Redis is: memory, keys, when its files were last written, where they are."""
    stage = stage_of(c)
    rows = [{"redis": server.name} | info(stage.world, server) for server in stage.of(RedisServer)]
    if json:
        return screen.as_json(rows)
    for row in rows:
        screen.table(row.items())


WANTED = (
    "redis_version",
    "uptime_in_seconds",
    "used_memory_human",
    "maxmemory_human",
    "connected_clients",
    "aof_enabled",
    "aof_last_write_status",
    "rdb_last_bgsave_status",
)


def info(world, server):
    """What the server says of itself, read on its machine with the password kept off every command line."""
    text = f"{PASSWORD} redis-cli --no-auth-warning"
    result = world.run(
        server.machine,
        f"{text} info; {text} dbsize; du -sh {server.folder}; findmnt -no SOURCE,SIZE,USE% -T {server.folder}",
    )
    if result.code:
        look = f"look with `fab {names.stage_of(server.name)} redis.setup --plan`"
        raise Refusal(f"{server} does not answer: {result.err.strip()[-300:]}; {look}")
    pairs = dict(line.split(":", 1) for line in result.out.splitlines() if ":" in line and not line.startswith("#"))
    rest = [line for line in result.out.splitlines() if line and ":" not in line and not line.startswith("#")]
    return {key: pairs[key].strip() for key in WANTED if key in pairs} | {
        "keys": rest[0],
        "files": rest[1],
        "volume": rest[-1],
    }
