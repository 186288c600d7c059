"""One SSH connection: opened lean, its host key compared with the pinned ones, its commands run as root."""

import base64
import contextlib
import hashlib
import select
import socket
import time
from dataclasses import dataclass
from shlex import quote

import paramiko

from .errors import Failure

SLICE = 1 << 15  # bytes in one packet: `sendall` of more copies the rest again for each packet
WINDOW = 1 << 24  # bytes a host may send before we have read them
DEAD = 60_000  # milliseconds after which a connection that acknowledges nothing is given up
KEEPALIVE = 15  # seconds
KEYS_COME = 30  # seconds after its sshd in which a machine that boots has put its owner's key in place
LONGEST_ARGUMENT = 100_000  # bytes; Linux takes 128 KiB
RSA = ("rsa-sha2-512", "rsa-sha2-256")  # the signatures of an ssh-rsa key


class NotYet(Exception):
    """No connection now, but there may be one when the machine has booted: within so many more seconds, if ever."""

    def __init__(self, message, within=float("inf")):
        super().__init__(message)
        self.within = within


def connect(host, key, timeout=20):
    """An authenticated transport to `host`. NotYet if it may still come up, Failure if it must not be trusted."""
    pins = _pins(host)
    try:
        raw = socket.create_connection((host.address, host.port), timeout)
    except OSError as error:
        text = f"no connection to {host.address} port {host.port} ({error.strerror or error})"
        raise NotYet(f"{text}: does it run, and is its firewall open to you?") from None
    # paramiko never turns Nagle's waiting off: 40 ms for every command.
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD)
    transport = paramiko.Transport(raw, default_window_size=WINDOW, default_max_packet_size=SLICE)
    transport.daemon = True
    try:
        kinds = [kind for pin in pins for kind in (RSA if pin[0] == "ssh-rsa" else (pin[0],))]
        transport.get_security_options().key_types = list(dict.fromkeys(kinds))
        transport.start_client(timeout=timeout)
        _check(host, pins, transport.get_remote_server_key())
        transport.auth_publickey(host.user, key)
        transport.set_keepalive(KEEPALIVE)
        return transport
    except paramiko.AuthenticationException:
        transport.close()
        text = f"{host.user} is not let in with the key {host.key_file}: was it launched with another?"
        raise NotYet(text, within=KEYS_COME) from None
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.close()
        if "no acceptable host key" in str(error):
            raise _stranger(host, pins, "none of these kinds") from None
        text = f"no SSH at {host.address} port {host.port} ({error or 'it hung up'})"
        raise NotYet(f"{text}: does its sshd run?") from None
    except BaseException:
        transport.close()
        raise


def _pins(host):
    """The pinned host keys as (kind, base64) pairs, or a Failure if there are none."""
    pins = [tuple(line.split()[:2]) for line in host.host_keys if len(line.split()) >= 2]
    if not pins:
        raise Failure(f"{host.name} has no pinned host key, so nobody can tell who answers there: pin its key first")
    return pins


def _check(host, pins, key):
    if (key.get_name(), key.get_base64()) not in pins:
        raise _stranger(host, pins, f"{key.get_name()} {_fingerprint(key.get_base64())}")


def _stranger(host, pins, found):
    """The Failure that says another key answers than the pinned one."""
    expected = ", ".join(f"{kind} {_fingerprint(text)}" for kind, text in pins)
    return Failure(
        f"{host.name} ({host.address}) does not show the pinned host key: expected {expected}, found {found}. Either "
        "the machine was replaced behind this address (then read its key from its console and pin it anew) or "
        "somebody stands in between: nothing was sent"
    )


def _fingerprint(text):
    """A public key's fingerprint as ssh-keygen writes it."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return f"{text[:20]} (not base64)"
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code, and its standard output and error as text."""

    code: int
    out: str
    err: str


def counted(text, more=b""):
    """What the shell text `IFS= read -r n; eval "$(head -c "$n")"` reads, and `more` after it.

    The braces make it one command: cut off on its way it is a syntax error, and nothing of it is done.
    """
    data = f"{{\n{text}\n}}".encode()
    return b"%d\n" % len(data) + data + more


def _last_lines(data):
    return "; ".join(line for line in data.decode(errors="replace").strip().splitlines()[-5:] if line.strip())


class Talk:
    """One command running as root on the other side. Use it as a context manager."""

    channel = None

    def __init__(self, host, transport, command, doing):
        """Start `command` (sh) on `transport`; `doing` says in error messages what was going on.

        NotYet if the connection, kept from before, turns out to be gone: nothing was sent then.
        """
        self.host, self.doing, self.tail = host, doing, b""
        become = "" if host.user == "root" else "sudo -n "
        long = len(command.encode()) > LONGEST_ARGUMENT
        text = 'IFS= read -r n; eval "$(head -c "$n")"' if long else command
        try:
            self.channel = transport.open_session(timeout=30)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise NotYet(f"the connection is gone ({error or 'it hung up'})") from None
        with self._plainly():
            self.channel.exec_command(f"exec {become}sh -c {quote(text)}")
        if long:
            self.send(counted(command))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    @contextlib.contextmanager
    def _plainly(self):
        try:
            yield
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self.lost(str(error)) from None

    def lost(self, why=""):
        """The Failure for a connection, or a shell on the other side, that ended too early."""
        name, said = self.host.name, _last_lines(self.tail + self._errors())
        if self.host.user != "root" and said.startswith("sudo: "):
            return Failure(f"{name}: {self.host.user} cannot become root there ({said}): let it use sudo")
        last = f": {said}" if said else ""
        if self.channel and self.channel.exit_status_ready() and self.channel.exit_status != -1:
            return Failure(f"{name}: {self.doing}: the shell there ended with code {self.channel.exit_status}{last}")
        reason = f" ({why})" if why else ""
        return Failure(
            f"{name}: the connection was lost{reason} while {self.doing}{last}. Run it again: it goes on there"
        )

    def _errors(self):
        """What has come on standard error and was not read."""
        errors = b""
        with contextlib.suppress(OSError, paramiko.SSHException):
            while self.channel and self.channel.recv_stderr_ready() and (more := self.channel.recv_stderr(SLICE)):
                errors += more
        return errors

    def send(self, data):
        """Send bytes, at full speed and in whole packets."""
        view = memoryview(data)
        with self._plainly():
            for start in range(0, len(view), SLICE):
                self.channel.sendall(bytes(view[start : start + SLICE]))

    def until(self, mark, timeout=None, progress=None):
        """The text up to and with `mark`, which ends what the other side has to say for now.

        `progress(text)` is called with all that came so far, whenever more has come.
        """
        heard, mark = b"", mark.encode()
        self.channel.settimeout(timeout)
        while not heard.endswith(mark):
            try:
                data = self.channel.recv(1 << 16)
            except TimeoutError:
                raise Failure(f"{self.host.name}: nothing heard for {timeout:.0f} s while {self.doing}") from None
            if not data:
                raise self.lost()
            heard += data
            if progress:
                progress(heard.decode(errors="replace"))
        return heard.decode(errors="surrogateescape")

    def close_input(self):
        """Say that nothing more will be sent."""
        with self._plainly():
            self.channel.shutdown_write()

    def finish(self, timeout=None, each_line=None):
        """Read to the end and return the Result; `each_line(text)` is called with each line of output as it comes."""
        end = time.monotonic() + timeout if timeout else None
        heard, errors, partial = bytearray(), bytearray(), b""
        wait = select.poll()
        wait.register(self.channel.fileno(), select.POLLIN)
        while not self._ended():
            left = max(0.0, end - time.monotonic()) if end else 60.0
            if end and not left:
                raise Failure(f"{self.host.name}: not done in {timeout:.0f} s, while {self.doing}")
            # At the streams' end the poll object is ready for ever, though the command may still run.
            if self.channel.eof_received:
                self.channel.status_event.wait(left)
            else:
                wait.poll(left * 1000)
            while self.channel.recv_stderr_ready():
                errors += self.channel.recv_stderr(1 << 16)
            while self.channel.recv_ready():
                data = self.channel.recv(1 << 16)
                heard += data
                if each_line:
                    *lines, partial = (partial + data).split(b"\n")
                    for line in lines:
                        each_line(line.decode(errors="replace"))
        if each_line and partial:
            each_line(partial.decode(errors="replace"))
        result = Result(self.channel.exit_status, heard.decode(errors="replace"), errors.decode(errors="replace"))
        self.tail = bytes(heard[-4000:] + errors[-4000:])
        if result.code == -1 or (self.host.user != "root" and result.err.startswith("sudo: ")):
            raise self.lost()
        return result

    def _ended(self):
        """True once nothing more can come: both streams at their end and read empty."""
        channel = self.channel
        over = channel.closed or (channel.eof_received and channel.exit_status_ready())
        return over and not channel.recv_ready() and not channel.recv_stderr_ready()
