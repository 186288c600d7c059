"""The stages we run, each written out in full. What is not as it says here is drift."""

from .database import Database, ParameterGroup
from .deploy import Packages, Release
from .ebs import Mount, Volume
from .ec2 import KeyPair, Machine
from .engine.stage import Stage
from .firewalls import Admit, Firewall
from .localcloud import daemon
from .redis import RedisServer
from .roles import InstanceRole
from .schema import Schema
from .sdb import domains
from .vault import RandomSecret

REGION = "us-west-2"  # one of the eight that have SimpleDB
DEBIAN = "ssm:/aws/service/debian/release/12/latest/amd64"  # AWS's public parameter for the newest image
EVERYONE = ("0.0.0.0/0",)
OFFICE = ("203.0.113.0/24",)  # where you work from: put your own address block here
THIS_MACHINE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")  # the local cloud's network lies in one of these

SETTINGS = {
    "require_secure_transport": "1",
    "character_set_server": "utf8mb4",
    "time_zone": "UTC",
    "sql_mode": "STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
    "slow_query_log": "1",
    "long_query_time": "1",
}

PACKAGES = (
    "nginx",
    "python3-venv",
    "python3-dev",
    "gcc",
    "libc6-dev",
    "libmariadb-dev",
    "pkg-config",
    "curl",
    "openssl",
)


def user_domains_only(stage):
    """What the machines of a stage may do in AWS: read and write its own user domains, and nothing else."""
    doing = (
        "GetAttributes",
        "PutAttributes",
        "DeleteAttributes",
        "BatchPutAttributes",
        "BatchDeleteAttributes",
        "Select",
        "DomainMetadata",
    )
    return (
        {
            "Effect": "Allow",
            "Action": [f"sdb:{it}" for it in doing],
            "Resource": f"arn:aws:sdb:{REGION}:*:domain/{stage}-users-*",
        },
    )


LIVE = Stage(
    "live",
    REGION,
    (
        KeyPair("live-key", "~/.ssh/hydra-live"),
        Firewall("live-web", (Admit(22, OFFICE), Admit(80, EVERYONE), Admit(443, EVERYONE))),
        Firewall("live-db", (Admit(3306, firewalls=("live-web",)),)),
        InstanceRole("live-web", user_domains_only("live")),
        RandomSecret("live-mysql"),
        RandomSecret("live-redis"),
        RandomSecret("live-django", length=60),
        RandomSecret("live-mail"),  # until `fab live vault.put live-mail` puts the mail server's there
        ParameterGroup("live-mysql84", "mysql8.4", SETTINGS),
        Database(
            "live-db", "8.4", "db.t4g.medium", 50, parameters="live-mysql84", firewalls=("live-db",), standby=True
        ),
        *domains("live", 16),
        Machine(
            "live-web",
            DEBIAN,
            "t3.medium",
            f"{REGION}a",
            key="live-key",
            role="live-web",
            firewalls=("live-web",),
            disk=16,
        ),
        Volume("live-data", f"{REGION}a", 20),
        Mount("live-data", machine="live-web", path="/volume"),
        RedisServer("live-redis", machine="live-web", mount="/volume", secret="live-redis", memory=1024),
        Schema("live-schema", database="live-db", machine="live-web", secret="live-mysql"),
        Packages("live-web", machine="live-web", names=PACKAGES),
        Release(
            "live-web",
            machine="live-web",
            database="live-db",
            user_domains="live-users",
            user_shards=16,
            redis="live-redis",
            packages="live-web",
            schema="live-schema",
            url="https://www.example.com",
            workers=4,
            email_url="smtp://hydra@smtp.example.com:587",
            email_from="hydra@example.com",
            secrets=(
                ("secret_key", "live-django"),
                ("mysql_password", "live-mysql"),
                ("redis_password", "live-redis"),
                ("email_password", "live-mail"),
            ),
        ),
    ),
)

STAGING = Stage(
    "staging",
    REGION,
    (
        KeyPair("staging-key", "~/.ssh/hydra-staging"),
        Firewall("staging-web", (Admit(22, OFFICE), Admit(80, OFFICE), Admit(443, OFFICE))),
        Firewall("staging-db", (Admit(3306, firewalls=("staging-web",)),)),
        InstanceRole("staging-web", user_domains_only("staging")),
        RandomSecret("staging-mysql"),
        RandomSecret("staging-redis"),
        RandomSecret("staging-django", length=60),
        RandomSecret("staging-mail"),  # until `fab staging vault.put staging-mail` puts the mail server's there
        ParameterGroup("staging-mysql84", "mysql8.4", SETTINGS),
        Database(
            "staging-db", "8.4", "db.t4g.micro", 20, parameters="staging-mysql84", firewalls=("staging-db",), backups=1
        ),
        *domains("staging", 16),
        Machine(
            "staging-web",
            DEBIAN,
            "t3.small",
            f"{REGION}a",
            key="staging-key",
            role="staging-web",
            firewalls=("staging-web",),
        ),
        Volume("staging-data", f"{REGION}a", 10),
        Mount("staging-data", machine="staging-web", path="/volume"),
        RedisServer("staging-redis", machine="staging-web", mount="/volume", secret="staging-redis"),
        Schema("staging-schema", database="staging-db", machine="staging-web", secret="staging-mysql"),
        Packages("staging-web", machine="staging-web", names=PACKAGES),
        Release(
            "staging-web",
            machine="staging-web",
            database="staging-db",
            user_domains="staging-users",
            user_shards=16,
            redis="staging-redis",
            packages="staging-web",
            schema="staging-schema",
            url="https://staging.example.com",
            email_url="smtp://hydra-staging@smtp.example.com:587",
            email_from="hydra-staging@example.com",
            secrets=(
                ("secret_key", "staging-django"),
                ("mysql_password", "staging-mysql"),
                ("redis_password", "staging-redis"),
                ("email_password", "staging-mail"),
            ),
        ),
    ),
)

LOCAL = Stage(
    "local",
    REGION,
    (
        KeyPair("local-key", "~/.ssh/hydra-local"),
        Firewall("local-web", (Admit(22, THIS_MACHINE), Admit(80, THIS_MACHINE))),
        Firewall("local-db", (Admit(3306, firewalls=("local-web",)),)),
        InstanceRole("local-web", user_domains_only("local")),
        RandomSecret("local-mysql"),
        RandomSecret("local-redis"),
        RandomSecret("local-django", length=60),
        ParameterGroup("local-mysql84", "mysql8.4", SETTINGS),
        Database(
            "local-db",
            "8.4",
            "db.t4g.micro",
            20,
            parameters="local-mysql84",
            firewalls=("local-db",),
            protected=False,
            backups=1,
            keep=False,
        ),
        *domains("local", 16),
        Machine(
            "local-web", DEBIAN, "t3.small", f"{REGION}a", key="local-key", role="local-web", firewalls=("local-web",)
        ),
        Volume("local-data", f"{REGION}a", 10, keep=False),
        Mount("local-data", machine="local-web", path="/volume"),
        RedisServer("local-redis", machine="local-web", mount="/volume", secret="local-redis", memory=128),
        Schema("local-schema", database="local-db", machine="local-web", secret="local-mysql"),
        Packages("local-web", machine="local-web", names=PACKAGES),
        Release(
            "local-web",
            machine="local-web",
            database="local-db",
            user_domains="local-users",
            user_shards=16,
            redis="local-redis",
            packages="local-web",
            schema="local-schema",
            workers=2,
            # Into the journal: `fab local deploy.logs` shows the links. To send mails: email_url, email_from, a secret
            # and its ("email_password", ...) as in STAGING, then `vault.create`, `vault.put local-mail` and `deploy`.
            email_url="console:",
            secrets=(
                ("secret_key", "local-django"),
                ("mysql_password", "local-mysql"),
                ("redis_password", "local-redis"),
            ),
        ),
    ),
    cloud=daemon.endpoint,
    precious=False,
)
