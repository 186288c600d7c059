"""Who asks: the machine itself and private addresses, or the internet."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# Named here: what Python calls private has ranges in it that somebody may well come from.
PRIVATE = [
    ip_network(each) for each in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
]


def is_neighbour(request) -> bool:
    """Whether a request comes from this machine or a private address, all the way.

    nginx stands before us and adds the address that asked it to X-Forwarded-For; whatever a client wrote there before
    can only make a stranger of him. Without the header somebody on this machine asks our socket. Every step must be
    private, so a load balancer that adds its clients' addresses, as AWS's do, makes nobody a neighbour.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    steps = [peer] if peer else []  # a Unix socket has no address
    if forwarded := request.META.get("HTTP_X_FORWARDED_FOR"):
        steps += forwarded.split(",")
    return all(is_private(step.strip()) for step in steps)


def is_private(text: str) -> bool:
    """Whether this is an address of this machine or of a private network."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in PRIVATE)
