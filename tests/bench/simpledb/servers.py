"""The servers under load, each in a process of its own: our SimpleDB alone, and stock moto."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_TICK = os.sysconf("SC_CLK_TCK")
_PATIENCE = 60  # seconds for a server to begin


@dataclass(frozen=True)
class Running:
    """A server that answers at `port` of this machine, as process `pid`."""

    port: int
    pid: int

    def cpu(self):
        """The CPU seconds, user and system, that it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK


@contextlib.contextmanager
def ours(data):
    """Our SimpleDB on the data in the folder `data`, while the block runs."""
    command = [sys.executable, "-m", "fabfile.localcloud.simpledb", "--port", "0", "--data", str(data)]
    with _process(command, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline()
        if not (found := re.search(r":([0-9]+)\s*$", url)):
            raise SystemExit("Our SimpleDB did not begin.")
        yield Running(int(found[1]), process.pid)


@contextlib.contextmanager
def moto():
    """Stock moto as its own command runs it, while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("moto_server")), "--port", str(port)]
    with _process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _wait_for(port)
        yield Running(port, process.pid)


@contextlib.contextmanager
def _process(command, **options):
    process = subprocess.Popen(command, cwd=ROOT, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port):
    for _ in range(_PATIENCE * 10):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise SystemExit(f"Nothing answers at port {port}.")
