"""Listening on a port, or saying plainly who has it."""

import errno
import socket
from pathlib import Path

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

LISTENING = "0A"
CHOICES = 20  # of the kernel's, when a port must be free on two addresses


class PortTaken(Exception):
    """Somebody else listens there; the message is one sentence."""


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept: half the time of a small call is making one
    disable_nagle_algorithm = True  # headers and body are two writes

    def log_request(self, *arguments):
        pass  # each call is logged where it is understood


class _Server(ThreadedWSGIServer):
    daemon_threads = True
    request_queue_size = 128


def listen(address, port):
    """A threaded HTTP server on the port, not yet running and without its application. Raises PortTaken."""
    # Bound here and not by werkzeug, which prints a paragraph of its own when a port is taken and exits.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            by = f" by {name}" if (name := owner(port)) else ""
            sentence = f"port {port} is in use{by}; end that, or choose another with HYDRA_PORT"
            raise PortTaken(sentence) from error
        bound.listen(_Server.request_queue_size)
        return _Server(address, bound.getsockname()[1], None, _Handler, fd=bound.fileno())  # which it duplicates


def listen_on(addresses, port):
    """Servers as of `listen`, one for each address, all on the same port; with port 0 on one that is free on all."""
    for left in reversed(range(1 if port else CHOICES)):
        servers = []
        try:
            for address in addresses:
                servers.append(listen(address, servers[0].server_address[1] if servers else port))
            return servers
        except PortTaken:
            for server in servers:
                server.server_close()
            if not left:
                raise


def owner(port):
    """The process that listens on a TCP port of this machine, as "name (pid 123)"; "" if it cannot be found."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:] if Path(table).exists() else ():
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(link.readlink()) in sockets for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue  # it ended, or is not ours to look at
    return ""
