"""The network of a cloud's machines: each in a namespace of its own, routed by this machine, filtered by nft.

There is no bridge: every host hangs on a cable (a veth pair) of its own, with one /32 route to it, so that each
packet to, from and between hosts passes this machine's filters.

What it cannot do: overrule another firewall. Each table on a hook must let a packet pass, so where one drops all it
does not know (Docker's FORWARD policy, a strict ufw), hosts reach this machine but neither each other nor the outside
until that firewall admits the interfaces that begin with the cloud's prefix.
"""

import fcntl
import ipaddress
import json
import re
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

from . import filters
from .commands import run
from .drivers import DriverError

CANDIDATES = [f"10.{second}.0.0/16" for second in (213, 214, 215, 216, 217, 218, 219, 220)]
CANDIDATES += ["172.29.0.0/16", "172.30.0.0/16", "192.168.0.0/16"]
CONF = Path("/proc/sys/net/ipv4/conf")
LINKS = Path("/sys/class/net")
NAMESPACES = Path("/run/netns")


class RealNetwork:
    """The network of one place.

    `metadata_port`, `names_port` and `endpoint_port` are where this cloud's services listen on the gateway; what is 0
    is not offered. Set them, then call `guard`, which puts them in force with the filters.
    """

    def __init__(self, place):
        self.place = place
        self.prefix = place.prefix
        self.metadata_port = 0
        self.names_port = 0
        self.endpoint_port = 0
        self._guards = []
        self._changing = threading.RLock()  # a cable plugged in while the table is exchanged would not be in it

    def up(self):
        """Make the network if it is not there, and return its block; the same one at every call.

        Raises DriverError if the block remembered from former days is taken by now, or no block is free.
        """
        with _alone(self.place):
            block = self._remembered()
            if self._gateway_link() not in _links(self.prefix):
                block = self._free_block(block)
                self._remember(block)
            self._make_gateway(block)
            self._forward()
        return block

    @property
    def block(self):
        """The block, as chosen by the first `up`."""
        if block := self._remembered():
            return block
        raise DriverError("the local cloud has no network yet; start it with `fab local cloud.start`")

    @property
    def gateway(self):
        """The first address of the block."""
        return str(ipaddress.ip_network(self.block)[1])

    def plug(self, name, address):
        """Give the machine `name` its namespace and cable. Idempotent, also where a crash left half of it."""
        with self._changing:
            namespace, link = self.namespace(name), self.link(address)
            if not (NAMESPACES / namespace).exists():
                run(["ip", "netns", "add", namespace])
            if link not in _links(self.prefix):
                run(["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace])
            inside = f"link set lo up\naddr replace {address}/32 dev eth0\nlink set eth0 up\n"
            inside += f"route replace {self.gateway} dev eth0 scope link\n"
            inside += f"route replace default via {self.gateway} dev eth0 src {address}\n"
            run(["ip", "-n", namespace, "-batch", "-"], input=inside.encode())
            outside = f"link set {link} up\nroute replace {address}/32 dev {link} src {self.gateway}\n"
            run(["ip", "-batch", "-"], input=outside.encode())
            _set_forwarding(link, "1")
            run(["nft", f'add element inet {self.prefix} links {{ "{link}" . {address} }}'])

    def unplug(self, name, address=""):
        """Take the machine's namespace and cable away. Idempotent."""
        if address:
            run(["ip", "link", "del", self.link(address)], check=False)
        if (NAMESPACES / self.namespace(name)).exists():
            run(["ip", "netns", "del", self.namespace(name)])

    def guard(self, guards):
        """Put exactly these packet filters in force, in one atomic exchange."""
        with self._changing:
            self._guards = list(guards)
            self._exchange(_former(self.prefix))

    def down(self):
        """Take the network away, whatever is left of it."""
        sweep(self.prefix, self.place)

    def namespace(self, name):
        """The network namespace of a machine."""
        return f"{self.prefix}-{name}"

    def link(self, address):
        """This machine's end of the cable: an interface has fifteen letters, so it is named after the address."""
        last = int(ipaddress.ip_address(address)) & 0xFFFF
        return f"{self.prefix}-{last:04x}"

    def _gateway_link(self):
        return f"{self.prefix}-gw"

    def _exchange(self, former):
        net = ipaddress.ip_network(self.block)
        plugged = {link: link.rpartition("-")[2] for link in _links(self.prefix)}
        addresses = {
            link: str(net[int(last, 16)]) for link, last in plugged.items() if re.fullmatch("[0-9a-f]{4}", last)
        }
        wires = filters.Wires(
            prefix=self.prefix,
            block=self.block,
            gateway=self.gateway,
            links=tuple(addresses.items()),
            metadata_port=self.metadata_port,
            names_port=self.names_port,
            endpoint_port=self.endpoint_port,
            # Where someone else has this machine forward, that is no matter of ours.
            quiet=() if _forwards() else tuple(uplink for uplink, value in former.items() if value == "0"),
            comment=" ".join(f"{uplink}={value}" for uplink, value in former.items()),
        )
        run(["nft", "-f", "-"], input=filters.table(wires, self._guards).encode())

    def _make_gateway(self, block):
        # A pair that leads nowhere: its address makes the whole block ours, so that what no host has is not sent out.
        link, peer, size = self._gateway_link(), f"{self.prefix}-gx", ipaddress.ip_network(block).prefixlen
        if link not in _links(self.prefix):
            run(["ip", "link", "add", link, "type", "veth", "peer", "name", peer])
        lines = f"link set {peer} up\nlink set {link} up\naddr replace {self.gateway}/{size} dev {link}\n"
        run(["ip", "-batch", "-"], input=lines.encode())

    def _forward(self):
        """Let the uplinks forward; what was set before any cloud came is noted first, in the table's comment."""
        noted, others = _former(self.prefix), {}
        for other in _tables():
            others |= _former(other) if other != self.prefix else {}
        before = {uplink: others.get(uplink, _forwarding(uplink)) for uplink in _uplinks()} | noted
        if before != noted or self.prefix not in _tables():
            self._exchange(before)
        for uplink in before:
            _set_forwarding(uplink, "1")

    def _free_block(self, remembered):
        taken = _routes()
        for block in [remembered] if remembered else CANDIDATES:
            if not any(ipaddress.ip_network(block).overlaps(route) for route in taken):
                return block
        what = f"its block {remembered}" if remembered else "every block it could use"
        raise DriverError(f"{what} is routed elsewhere on this machine (`ip route`); stop what uses it, and try again")

    def _remembered(self):
        try:
            return json.loads((self.place.home / "network.json").read_text())["block"]
        except FileNotFoundError:
            return ""

    def _remember(self, block):
        self.place.home.mkdir(parents=True, exist_ok=True)
        (self.place.home / "network.json.new").write_text(json.dumps({"block": block}))
        (self.place.home / "network.json.new").rename(self.place.home / "network.json")


def sweep(prefix, place):
    """Remove every interface, namespace and table that carries the prefix; returns what it removed, in words."""
    removed = []
    with _alone(place):
        removed += _restore_forwarding(prefix)
        for link in _links(prefix):
            if run(["ip", "link", "del", link], check=False).returncode == 0:
                removed.append(f"interface {link}")
        for namespace in namespaces(prefix):
            run(["ip", "netns", "del", namespace])
            removed.append(f"network namespace {namespace}")
        if prefix in _tables():
            run(["nft", "delete", "table", "inet", prefix])
            removed.append(f"packet filter table {prefix}")
    return removed


def traces(prefix):
    """What carries the prefix now, in words."""
    found = [f"interface {link}" for link in _links(prefix)]
    found += [f"network namespace {name}" for name in namespaces(prefix)]
    return found + [f"packet filter table {prefix}" for name in _tables() if name == prefix]


def namespaces(prefix):
    """The names of the network namespaces with the prefix."""
    return sorted(path.name for path in NAMESPACES.glob(f"{prefix}-*"))


def _restore_forwarding(prefix):
    """Leave the uplinks as they were before the first cloud came, once the last one goes."""
    others = set()
    for other in _tables():
        others |= set(_former(other)) if other != prefix else set()
    restored = []
    for uplink, value in (_former(prefix) if prefix in _tables() else {}).items():
        if uplink not in others and not _forwards() and _forwarding(uplink) not in (value, ""):
            _set_forwarding(uplink, value)
            restored.append(f"forwarding of {uplink}")
    return restored


def _former(table):
    """{uplink: its forwarding before}, from the table's own comment: there it is found with no state but names."""
    listed = run(["nft", "list", "table", "inet", table], check=False).stdout.decode()
    comment = re.search(r'^\s*comment "([^"]*)"', listed, re.MULTILINE)
    return dict(pair.split("=") for pair in comment[1].split()) if comment else {}


def _tables():
    """The prefixes of all clouds that have a table; none where there is no nft to have made one."""
    if not shutil.which("nft"):
        return []
    listed = run(["nft", "list", "tables", "inet"]).stdout.decode()
    return re.findall(r"^table inet (hy[0-9a-f]{4})$", listed, re.MULTILINE)


def _links(prefix):
    return sorted(path.name for path in LINKS.glob(f"{prefix}-*"))


def _uplinks():
    """The interfaces of the default routes."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "default"]).stdout or "[]")
    return sorted({route["dev"] for route in routes if "dev" in route})


def _routes():
    """Every network this machine has a route or an address in."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]).stdout or "[]")
    return [ipaddress.ip_network(route["dst"]) for route in routes if route["dst"] != "default"]


def _forwards():
    """Whether someone (Docker, an administrator) has set this machine as a whole to forward; we never do."""
    return (CONF.parent / "ip_forward").read_text().strip() == "1"


def _forwarding(link):
    try:
        return (CONF / link / "forwarding").read_text().strip()
    except FileNotFoundError:  # it is gone
        return ""


def _set_forwarding(link, value):
    if (CONF / link).exists():  # an uplink may be unplugged
        (CONF / link / "forwarding").write_text(value)


@contextmanager
def _alone(place):
    """One cloud at a time chooses a block, or changes what clouds have in common."""
    place.cache.mkdir(parents=True, exist_ok=True)
    with open(place.cache / "network.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
