"""A real sshd of this machine's own, on a free loopback port, with keys made for the test run alone."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from fabfile.engine.hosts import Host

SSHD = "/usr/sbin/sshd"
SETTINGS = """
Port {port}
ListenAddress 127.0.0.1
{host_keys}
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
LogLevel ERROR
SetEnv SHLVL=5
"""  # SHLVL: bash, started by sshd at the first level, would read whatever this machine's root has in its .bashrc


@dataclass(frozen=True)
class Sshd:
    """One running sshd: where its files are, how to reach it, and its process."""

    folder: Path
    host: Host
    process: subprocess.Popen

    def as_user(self, name):
        """The same machine, logged in to as somebody else."""
        return replace(self.host, name=f"{self.host.name}-{name}", user=name)


def keygen(path, kind="ed25519"):
    """Make a key pair at `path` and return its public line."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return path.with_name(path.name + ".pub").read_text().strip()


@contextlib.contextmanager
def running(name="stone", kinds=("ed25519",)):
    """An Sshd that lets root in with a key of its own, ended with the block, and by the kernel if we are killed."""
    folder = Path(tempfile.mkdtemp(prefix="hydra-test-sshd-"))
    process = None
    try:
        host_keys = tuple(keygen(folder / f"host_{kind}", kind) for kind in kinds)
        (folder / "authorized_keys").write_text(keygen(folder / "key") + "\n")
        port = _free_port()
        lines = "\n".join(f"HostKey {folder}/host_{kind}" for kind in kinds)
        (folder / "sshd_config").write_text(SETTINGS.format(port=port, host_keys=lines, folder=folder))
        Path("/run/sshd").mkdir(exist_ok=True)
        folder.chmod(0o755)  # a user who is not root has his authorized_keys read as himself
        (folder / "authorized_keys").chmod(0o644)
        command = ["setpriv", "--pdeathsig", "TERM", SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _answering(process, port, folder)
        host = Host(name, "127.0.0.1", "root", port=port, key_file=str(folder / "key"), host_keys=host_keys)
        yield Sshd(folder, host, process)
    finally:
        if process:
            process.terminate()
            process.wait()
        shutil.rmtree(folder)


def possible():
    """True where such an sshd can run: as root, with OpenSSH's server installed."""
    return os.geteuid() == 0 and os.access(SSHD, os.X_OK)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answering(process, port, folder):
    """Come back once it answers; its log is the error if it ends instead."""
    while process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 5):
            return
        time.sleep(0.01)
    raise RuntimeError(f"sshd ended: {(folder / 'log').read_text()}")
