"""Where a link may lead: the web, by name, and not back to ourselves.

We never open a target: there is no preview, and so nothing an attacker could make our server fetch. Addresses of
private networks are refused all the same, since a public short address that opens a page of the reader's own router or
machine is of use to nobody but who wants to trick him. A name that resolves to such an address is not looked up: what
it resolves to can be changed the moment after.
"""

import ipaddress
import re
import socket
from contextlib import suppress
from urllib.parse import quote, urlsplit

from django.http.request import validate_host

LENGTH = 2048  # characters, once encoded
SCHEMES = ("http", "https")
HERE_ONLY = ("localhost", "local", "internal", "lan", "home", "intranet", "corp", "test", "invalid", "onion")
NUMBER = re.compile(r"\d+|0x[0-9a-f]*")  # browsers take a host whose last part looks so for an IPv4 address
# IDNA 2003 and 2008 disagree about these: browsers and we might mean different hosts.
AMBIGUOUS = re.compile("[ßς\u200c\u200d]", re.IGNORECASE)
# What may stand in the rest of a URL as it is; everything else is percent-encoded.
KEPT = "!#$%&'()*+,/:;=?@[]~"


class WrongTarget(ValueError):
    """The sentence for whoever typed it: what is wrong and what to do."""


def checked(typed: str, our_hosts: list[str]) -> str:
    """The target as it is stored: ASCII, its scheme and host in small letters. Raises WrongTarget.

    `our_hosts` are written as in ALLOWED_HOSTS; a "*" among them names no host.
    """
    text = typed.strip()
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise WrongTarget("An address has no blanks, line breaks or backslashes in it; write %20 or %5C for them.")
    try:
        text.encode()  # half a character, as JSON can hold, is none
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise WrongTarget("This is no address a browser can open; compare it with https://example.org/page.") from None
    if url.scheme not in SCHEMES or not url.hostname:
        raise WrongTarget("Write the whole address, beginning with http:// or https://.")
    if "@" in url.netloc:
        raise WrongTarget("Leave out the name and password before the host: everybody who follows the link gets them.")
    host = checked_host(url.hostname, our_hosts)
    rest = quote(text[text.index(url.netloc) + len(url.netloc) :], safe=KEPT)
    target = f"{url.scheme}://{host}{f':{port}' if port is not None else ''}{rest}"
    if len(target) > LENGTH:
        raise WrongTarget(f"The address has {len(target)} characters; {LENGTH} are the most a link can hold.")
    return target


def checked_host(host: str, our_hosts: list[str]) -> str:
    """The host in ASCII and small letters, in brackets if it is an IPv6 address. Raises WrongTarget."""
    name = f"[{host}]" if ":" in host else ascii_name(host)
    bare = name.rstrip(".")
    last = bare.rpartition(".")[2]
    address = None
    if ":" in host:
        address = address_of(ipaddress.IPv6Address, host)
    elif NUMBER.fullmatch(last):
        address = address_of(as_browsers_read, bare)
    if validate_host(bare, [each for each in our_hosts if each != "*"]) or is_ours(address, our_hosts):
        raise WrongTarget("This leads back here; link to the page itself, not to one of our own addresses.")
    if address:
        refuse_private(address)
    elif last == bare or last in HERE_ONLY:
        raise WrongTarget(f"{name} is a name of some private network; only public addresses can be linked to.")
    return name


def is_ours(address, our_hosts: list[str]) -> bool:
    """Whether an address, in whatever spelling it was typed, is one of those among our hosts."""
    if address is None:
        return False
    ours = set()
    for host in our_hosts:
        with suppress(ValueError):
            ours.add(ipaddress.ip_address(host.strip("[]")))
    return not ours.isdisjoint(all_of(address))


def ascii_name(host: str) -> str:
    """A host name as DNS has it. Raises WrongTarget."""
    if AMBIGUOUS.search(host):
        raise WrongTarget("Browsers disagree about this host's letters; write it in its ASCII form, which has xn--.")
    try:
        name = host.encode("idna").decode().lower()
    except UnicodeError:
        raise WrongTarget("The host is no valid name; compare it with www.example.org.") from None
    if not re.fullmatch(r"(?!-)[a-z0-9_.-]{1,253}", name) or ".." in name:
        raise WrongTarget("The host is no valid name; compare it with www.example.org.")
    return name


def as_browsers_read(name: str) -> ipaddress.IPv4Address:
    """The IPv4 address of 127.0.0.1, 127.1, 2130706433, 0x7f.1 or 0177.0.0.1: to a browser all the same."""
    return ipaddress.IPv4Address(socket.inet_aton(name))


def address_of(read, text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """What `read` makes of it. Raises WrongTarget."""
    try:
        if "%" in text:  # a network card of whoever follows the link
            raise ValueError
        return read(text)
    except (ValueError, OSError):
        raise WrongTarget(
            "The host looks like an IP address and is none; write it as 192.0.2.1 or as a name."
        ) from None


def refuse_private(address) -> None:
    """Raises WrongTarget for an address that is not everybody's, also for one wrapped into an IPv6 address."""
    for each in all_of(address):
        if not each.is_global or each.is_multicast or each.is_reserved:
            raise WrongTarget(f"{address} is no public address; only public addresses can be linked to.")


def all_of(address) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The address, and those of IPv4 that it leads to."""
    return [address, *filter(None, (getattr(address, name, None) for name in ("ipv4_mapped", "sixtofour")))]
