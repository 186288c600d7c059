"""Where one local cloud lives: its name, its folders, its port, and the prefix of all it makes in the kernel."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

PORT = 4666
LAST = 65533


@dataclass(frozen=True)
class Place:
    """One local cloud among several that may run on a machine (yours, and one for each test run).

    `home` holds its state, `cache` what is costly to make and safe to lose (base images, package archives) and is
    shared by all clouds of this machine. Everything a cloud makes in the kernel (network namespaces, interfaces,
    firewall tables, cgroups) carries `prefix`, so that clearing up needs no state but names.
    """

    name: str
    home: Path
    cache: Path
    port: int = PORT  # of the endpoint; 0 lets the kernel choose

    @classmethod
    def current(cls, environ=os.environ):
        """The place that HYDRA_CLOUD, HYDRA_HOME, HYDRA_CACHE and HYDRA_PORT name; the machine's own by default."""
        name = environ.get("HYDRA_CLOUD", "default")
        root = os.geteuid() == 0
        var = Path("/var") if root else Path.home()
        home = environ.get("HYDRA_HOME") or var / ("lib/hydra" if root else ".local/state/hydra") / name
        cache = environ.get("HYDRA_CACHE") or var / ("cache/hydra" if root else ".cache/hydra")
        return cls(name, Path(home).absolute(), Path(cache).absolute(), _port(environ.get("HYDRA_PORT") or str(PORT)))

    @property
    def prefix(self):
        """Six letters, the same for ever for this home: network interfaces have only fifteen."""
        return "hy" + hashlib.sha256(str(self.home).encode()).hexdigest()[:4]


def _port(text):
    """The port that HYDRA_PORT names; the two after it are taken as well. Raises Refusal if it is none."""
    if not (text.isascii() and text.isdecimal() and int(text) <= LAST):
        from ..engine.errors import Refusal  # here, not above: the daemon has no other use for Invoke

        raise Refusal(f"HYDRA_PORT is {text}: give it the number of a free port, at most {LAST}")
    return int(text)
