"""The packet filters of a cloud as text for `nft -f`: one table, replaced whole.

What a firewall (security group) does not admit is dropped: between hosts, from this machine to a host, and on the
way out. Answers always pass, and as on EC2 no rule governs the metadata service and the resolver.
"""

import ipaddress
from dataclasses import dataclass

METADATA = "169.254.169.254"
NAMES = "169.254.169.253"


@dataclass(frozen=True)
class Wires:
    """What the filters must know of the network."""

    prefix: str
    block: str
    gateway: str
    links: tuple  # of (interface, address) for each host
    metadata_port: int = 0  # on the gateway; 0 for no such service
    names_port: int = 0
    endpoint_port: int = 0
    quiet: tuple = ()  # uplinks that forwarded nothing before us, and shall forward nothing but ours
    comment: str = ""


def table(wires, guards):
    """The whole transaction: the table `inet <prefix>` is exchanged for one that says what `guards` say."""
    name = wires.prefix
    lines = [f"table inet {name}", f"delete table inet {name}", f"table inet {name} {{"]
    lines += [f'comment "{wires.comment}"'] if wires.comment else []
    lines += [*_links(wires), *_translation(wires), *_chains(wires)]
    lines += _verdicts("leaving", "saddr", {guard.address: guard.outbound for guard in guards})
    lines += _verdicts("arriving", "daddr", {guard.address: guard.inbound for guard in guards})
    return "\n".join([*lines, "}", ""])


def _links(wires):
    """A host can send from its own address only."""
    elements = ", ".join(f'"{link}" . {address}' for link, address in sorted(wires.links))
    return [
        "set links {",
        "type ifname . ipv4_addr",
        f"elements = {{ {elements} }}" if elements else "",
        "}",
        "chain origin {",
        "type filter hook prerouting priority raw; policy accept;",
        f'iifname "{wires.prefix}-*" meta nfproto ipv6 drop',
        f'iifname "{wires.prefix}-*" meta nfproto ipv4 iifname . ip saddr != @links drop',
        "}",
    ]


def _translation(wires):
    """The well-known addresses lead to this cloud's own services, for its hosts only; the way out is masqueraded."""
    here, ours = wires.gateway, f'iifname "{wires.prefix}-*"'
    lines = ["chain towards {", "type nat hook prerouting priority dstnat; policy accept;"]
    if wires.metadata_port:
        lines += [f"{ours} ip daddr {METADATA} tcp dport 80 dnat ip to {here}:{wires.metadata_port}"]
    if wires.names_port:
        for protocol in ("udp", "tcp"):
            lines += [f"{ours} ip daddr {NAMES} {protocol} dport 53 dnat ip to {here}:{wires.names_port}"]
    out = f'ip saddr {wires.block} oifname != {{ "lo" }} oifname != "{wires.prefix}-*" masquerade'
    return [*lines, "}", "chain away {", "type nat hook postrouting priority srcnat; policy accept;", out, "}"]


def _chains(wires):
    ours, answers = f'"{wires.prefix}-*"', "ct state established,related accept"
    lines = ["chain forward {", "type filter hook forward priority filter; policy accept;"]
    lines += [f'iifname "{uplink}" oifname != "hy*" ct state new drop' for uplink in wires.quiet]
    lines += [f"iifname != {ours} oifname != {ours} accept", answers, f"iifname != {ours} drop"]
    lines += ["ct state invalid drop", "jump leaving", f"oifname {ours} jump arriving", "}"]
    lines += ["chain output {", "type filter hook output priority filter; policy accept;"]
    lines += [f"oifname != {ours} accept", answers, "jump arriving", "}"]
    lines += ["chain input {", "type filter hook input priority filter; policy accept;"]
    lines += [f'iifname != {{ "lo" }} iifname != {ours} ip daddr {wires.gateway} drop']
    lines += [f"iifname != {ours} accept", answers]
    services = [("tcp", wires.endpoint_port), ("tcp", wires.metadata_port)]
    services += [("tcp", wires.names_port), ("udp", wires.names_port)]
    lines += [f"ip daddr {wires.gateway} {protocol} dport {port} accept" for protocol, port in services if port]
    return [*lines, "drop", "}"]


def _verdicts(chain, side, rules_of):
    """A chain that returns what the address's rules admit and drops all else."""
    other = "saddr" if side == "daddr" else "daddr"
    lines, jumps = [], []
    for number, (address, rules) in enumerate(sorted(rules_of.items())):
        admitted = [line for rule in rules for line in _admit(rule, other)]
        lines += [f"chain {chain}-{number} {{", *admitted, "drop", "}"]
        jumps += [f"{address} : goto {chain}-{number}"]
    jump = [f"ip {side} vmap {{ {', '.join(jumps)} }}"] if jumps else []
    return [*lines, f"chain {chain} {{", *jump, "drop", "}"]


def _admit(rule, other):
    """The lines of one rule: none if it names no IPv4 block."""
    blocks = [ipaddress.ip_network(block, strict=False) for block in rule.blocks if ":" not in block]
    if not blocks:
        return
    # nft refuses a set whose members overlap.
    members = ", ".join(str(block) for block in ipaddress.collapse_addresses(blocks))
    where = "" if members == "0.0.0.0/0" else f"ip {other} {{ {members} }} "
    if rule.protocol == "all":
        yield f"{where}return"
    elif rule.protocol == "icmp":
        yield f"{where}ip protocol icmp return"
    elif (rule.first, rule.last) == (0, 65535):
        yield f"{where}ip protocol {rule.protocol} return"
    else:
        yield f"{where}{rule.protocol} dport {rule.first}-{rule.last} return"
