"""Listening on a port, or saying plainly who has it."""

import errno
from pathlib import Path

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

LISTENING = "0A"


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
    import socket

    with_port = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with_port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        with_port.bind((address, port))
    except OSError as error:
        with_port.close()
        if error.errno != errno.EADDRINUSE:
            raise
        by = owner(port)
        raise PortTaken(
            f"port {port} is in use{f' by {by}' if by else ''}; end that, or choose another with HYDRA_PORT"
        ) from error
    with_port.listen(128)
    server = _Server(address, with_port.getsockname()[1], None, _Handler, fd=with_port.fileno())
    with_port.detach()
    return server


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
