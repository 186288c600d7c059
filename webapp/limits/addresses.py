"""From which address a request comes, as far as that can be trusted."""

import ipaddress

from webapp.environment import ProxiesPart
from webapp.parts import part

UNKNOWN = "unknown"  # all whose address cannot be told are counted together


def client_address(request) -> str:
    """The client's address: IPv4 whole, IPv6 by its first 64 bits, which are what one customer is given.

    Each proxy in front of us adds to X-Forwarded-For whom it was asked by. TRUSTED_PROXIES says how many of them are
    ours; what stands further left was written by who knows whom.
    """
    proxies = part(ProxiesPart).trusted_proxies
    if not proxies:
        return counted_as(request.META.get("REMOTE_ADDR", ""))
    told = [each.strip() for each in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    return counted_as(told[-proxies]) if len(told) >= proxies else UNKNOWN


def counted_as(text: str) -> str:
    """What an address is counted as; it may carry a port."""
    host = text
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
