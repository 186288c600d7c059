"""What the local cloud asks of the machine it runs on. The endpoint speaks to these; nothing else touches the kernel.

Three sets stand behind the same words: `real` (systemd-nspawn hosts, loop devices, packet filters; needs root),
`processes` (databases as plain processes, no machines; needs nothing), and `memory` (nothing behind it; tests of
the resources only). Every method blocks until what it promises is so, and may be called again after a crash.
"""

from dataclasses import dataclass, field
from typing import Protocol


class DriverError(Exception):
    """The machine could not do it; the message is one sentence for the log and for the instance's state reason."""


class Busy(DriverError):
    """A volume is still mounted (or otherwise held open) on its machine."""


class Unsupported(DriverError):
    """This set of drivers has no such thing (machines, where only processes can be had)."""


@dataclass(frozen=True)
class MachineSpec:
    """One machine to be. `id` is the EC2 instance id, or `db-` and the database's name for a database's host."""

    id: str
    image: str  # the name of a cached image: "debian-12" or "mariadb"
    address: str  # private IPv4 address, inside the network's block
    hostname: str
    login: str = "admin"
    authorized_keys: tuple = ()  # lines of ~/.ssh/authorized_keys
    user_data: bytes = b""  # run as root once, at the first boot, if it begins with "#!"
    memory: int = 0  # MiB the host may use; 0 for no bound
    environment: dict = field(default_factory=dict)  # default environment of every unit and login on the host


@dataclass(frozen=True)
class Rule:
    """One direction of one rule of a firewall, resolved to addresses."""

    protocol: str  # "tcp", "udp", "icmp" or "all"
    first: int  # port; 0 and 65535 for all
    last: int
    blocks: tuple  # CIDR blocks of the other side; a member of another group is its /32


@dataclass(frozen=True)
class Guard:
    """What may pass to and from one address. What no rule admits is dropped; answers always pass."""

    address: str
    inbound: tuple = ()  # of Rule
    outbound: tuple = ()


class Network(Protocol):
    def up(self) -> str:
        """Make the network if it is not there, and return its block ("10.213.0.0/16"); the same one at every call."""

    @property
    def gateway(self) -> str:
        """The address of this machine as the hosts see it; the endpoint listens there too."""

    def guard(self, guards: list[Guard]) -> None:
        """Put exactly these packet filters in force, in one atomic exchange."""

    def down(self) -> None:
        """Take the network away, whatever is left of it."""


class Machines(Protocol):
    def create(self, spec: MachineSpec) -> None:
        """Prepare the machine's disk, host keys and network; nothing runs yet. Idempotent."""

    def start(self, id: str) -> None:
        """Boot it, and return once it answers (sshd, or the service of a database's host)."""

    def stop(self, id: str, force: bool = False) -> None:
        """Power it off (with force: at once, as a lost machine); its disk stays."""

    def reboot(self, id: str) -> None: ...

    def destroy(self, id: str) -> None:
        """End it and remove its disk and network. Volumes are detached, never deleted. Idempotent."""

    def state(self, id: str) -> str:
        """`running`, `stopped` or `absent`, as it really is."""

    def console(self, id: str) -> str:
        """What its console printed, with the host keys between cloud-init's markers."""

    def cpu(self, id: str) -> float | None:
        """CPU seconds used by all its processes since it was created or last booted; None if it does not run."""

    def backing(self, id: str) -> dict:
        """What stands behind it, for `cloud.status`: pids, folder, memory in MiB, ..."""


class Disks(Protocol):
    def create(self, id: str, gib: int, snapshot: str = "") -> None: ...

    def delete(self, id: str) -> None: ...

    def attach(self, id: str, machine: str, device: str) -> None:
        """Show it on the machine as `device` ("/dev/sdf") and by id, as on EC2; it is there again after a reboot."""

    def detach(self, id: str, machine: str, force: bool = False) -> None:
        """Take it from the machine. Raises Busy while it is mounted there, unless forced."""

    def grow(self, id: str, gib: int) -> None:
        """Grow it, online if it is attached."""

    def snapshot(self, id: str, snapshot: str) -> None: ...

    def delete_snapshot(self, snapshot: str) -> None: ...

    def backing(self, id: str) -> dict:
        """{"file": path, "loop": "/dev/loop3" or None, "bytes": really used}"""


@dataclass(frozen=True)
class DatabaseSpec:
    """One database server to be."""

    id: str  # DBInstanceIdentifier
    address: str
    port: int
    endpoint: str  # the DNS name its certificate is made out to
    user: str
    password: str = field(repr=False)
    database: str = ""  # made at the start if not empty
    parameters: dict = field(default_factory=dict)  # of its parameter group, as AWS spells them
    memory: int = 0  # MiB
    snapshot: str = ""  # restored from this snapshot if not empty, with the users and passwords of then


class Databases(Protocol):
    def create(self, spec: DatabaseSpec) -> dict:
        """Make and start it, wait until it answers over TLS; {"address", "port", "engine": "MariaDB 10.11.19"}."""

    def start(self, id: str) -> dict: ...

    def stop(self, id: str) -> None: ...

    def destroy(self, id: str) -> None: ...

    def configure(self, id: str, parameters: dict) -> list[str]:
        """Apply parameters; dynamic ones at once. Returns the names of those that need a restart."""

    def set_password(self, id: str, user: str, password: str) -> None: ...

    def snapshot(self, id: str, snapshot: str) -> None:
        """Keep a copy of all its data as of one moment, running or stopped."""

    def delete_snapshot(self, snapshot: str) -> None: ...

    def state(self, id: str) -> str: ...

    def cpu(self, id: str) -> float | None: ...

    def connections(self, id: str) -> int | None:
        """How many clients are connected; None if it does not run."""

    def backing(self, id: str) -> dict: ...

    @property
    def authority(self) -> str:
        """The certificate (PEM) of the CA that signed every server's certificate."""


@dataclass(frozen=True)
class Drivers:
    """One set."""

    name: str  # "real", "processes" or "memory"
    network: Network
    machines: Machines
    disks: Disks
    databases: Databases
