"""DNS for the machines: the local cloud's own names, and everything else from this machine's name servers."""

import ipaddress
import re
import socket
import socketserver
import struct
from pathlib import Path

from dnslib import QTYPE, RCODE, RR, A, DNSError, DNSRecord

from .cloud import REGION

INTERNAL = f"{REGION}.compute.internal"
OURS = "." + INTERNAL, ".localcloud.internal"
LIFE = 5  # seconds that an answer may be kept: databases move
CHOICES = 20
PATIENCE = 4  # seconds to wait for another name server
_MACHINE = re.compile(r"ip-(\d+)-(\d+)-(\d+)-(\d+)\." + re.escape(INTERNAL))


class Names:
    """Names that the cloud gave, by name without the last dot. Kept with its state."""

    def __init__(self, cloud):
        self.cloud = cloud

    @property
    def _known(self):
        return self.cloud.keep.setdefault("names", {})

    def put(self, name, address):
        self._known[name.rstrip(".").lower()] = address

    def remove(self, name):
        self._known.pop(name.rstrip(".").lower(), None)

    def find(self, name):
        """The address of a name: one that was put, or a machine's own name (ip-10-213-0-5...). None if unknown."""
        name = name.rstrip(".").lower()
        found = _MACHINE.fullmatch(name)
        if found:
            address = ".".join(found.groups())
            return address if _inside(address, self.cloud.block) else None
        return self._known.get(name)

    def ours(self, name):
        """Whether a name is of a zone that nobody else can answer for."""
        name = name.rstrip(".").lower()
        return name in self._known or name.endswith(OURS)


def _inside(address, block):
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(block)
    except ValueError:
        return False


def answer(names, query):
    """Our own answer to a query (bytes to bytes), or None if others should be asked. DNSError if it is no query."""
    request = DNSRecord.parse(query)
    name = str(request.q.qname)
    if not names.ours(name):
        return None
    reply = request.reply()
    reply.header.aa = 1
    address = names.find(name)
    if address is None:
        reply.header.rcode = RCODE.NXDOMAIN
    elif request.q.qtype in (QTYPE.A, QTYPE.ANY):
        reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A(address), ttl=LIFE))
    return reply.pack()


def servers(path=Path("/etc/resolv.conf")):
    """[(address, port)] of this machine's own name servers."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    return [(words[1], 53) for words in map(str.split, lines) if len(words) > 1 and words[0] == "nameserver"]


def forward(query, upstream, tcp):
    """The answer of the first name server that gives one; SERVFAIL when none does."""
    for server in upstream:
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as link:
                link.settimeout(PATIENCE)
                link.connect(server)
                if not tcp:
                    link.send(query)
                    return link.recv(65535)
                link.sendall(struct.pack("!H", len(query)) + query)
                return _receive(link)
        except OSError:
            continue
    reply = DNSRecord.parse(query).reply()
    reply.header.rcode = RCODE.SERVFAIL
    return reply.pack()


def _receive(link):
    """One DNS message over TCP: two bytes of length, then as many."""
    with link.makefile("rb") as stream:
        (length,) = struct.unpack("!H", stream.read(2))
        return stream.read(length)


class _Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        query, link = self.request
        reply = self.server.resolve(query, tcp=False)
        if reply:
            link.sendto(reply, self.client_address)


class _Stream(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.settimeout(PATIENCE * 2)
        try:
            reply = self.server.resolve(_receive(self.request), tcp=True)
        except (OSError, struct.error):
            return  # the client went away, or speaks something else
        if reply:
            self.request.sendall(struct.pack("!H", len(reply)) + reply)


class _Server:
    daemon_threads = True
    allow_reuse_address = True

    def resolve(self, query, tcp):
        try:
            return answer(self.names, query) or forward(query, self.upstream, tcp)
        except DNSError:
            return None  # not a query: silence, as a name server keeps


class _Udp(_Server, socketserver.ThreadingUDPServer):
    max_packet_size = 65535


class _Tcp(_Server, socketserver.ThreadingTCPServer):
    pass


def serve(names, address, port, upstream=None):
    """Name servers over UDP and TCP on one port, not yet running: [server, server]. OSError if the port is taken.

    With port 0 the kernel chooses; a port that is free for TCP may be taken for UDP, so it may have to choose again.
    """
    for left in reversed(range(1 if port else CHOICES)):
        tcp = _Tcp((address, port), _Stream)
        try:
            udp = _Udp((address, tcp.server_address[1]), _Datagram)
            break
        except OSError:
            tcp.server_close()
            if not left:
                raise
    for server in (udp, tcp):
        server.names, server.upstream = names, servers() if upstream is None else upstream
    return [udp, tcp]
