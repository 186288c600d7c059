"""How much a run over many machines costs when nothing is to do: `python tests/bench/hosts.py [machines]`, as root.

Twenty operations on each of so many sshd's of this machine: wall time, this program's own CPU time per machine, and,
for one machine, how often the talk changes direction on the wire. Counts and CPU tell; wall time is told as it was.
"""

import contextlib
import socket
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from fabfile.engine.fleet import each
from fabfile.engine.hosts import Connections
from fabfile.engine.operations import Directory, File, Package, User
from tests.ops.sshd import running


def operations(folder):
    """Four directories, twelve files, two users, two packages."""
    directories = [Directory(f"{folder}/{number}") for number in range(4)]
    files = [File(f"{folder}/{number % 4}/{number}", f"{number}\n" * 100) for number in range(12)]
    return (*directories, *files, User("daemon"), User("nobody"), Package("bash"), Package("coreutils"))


class Relay:
    """A loopback port that passes one connection on to another and counts the turns of the talk."""

    def __init__(self, port):
        self.turns, self._last, self._lock = 0, None, threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(port,), daemon=True).start()

    def _serve(self, port):
        near, _ = self._listener.accept()
        far = socket.create_connection(("127.0.0.1", port))
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._pass, args=(far, near), daemon=True).start()
        self._pass(near, far)

    def _pass(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                with self._lock:
                    self.turns += self._last is not source
                    self._last = source
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def once(hosts, wanted):
    """(wall seconds, CPU seconds, states) of one run with new connections, and of a second one over the same."""
    runs = []
    with Connections() as pool:
        for _ in range(2):
            wall, cpu = time.perf_counter(), time.process_time()
            outcomes = each(hosts, lambda host: pool.apply(host, wanted))
            runs.append((time.perf_counter() - wall, time.process_time() - cpu))
            assert {one.state for results in outcomes.values() for one in results} == {"ok"}
    return runs


def main(count=10):
    """Print the figures."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hydra-bench-"))
        hosts = [stack.enter_context(running(f"stone-{number}")).host for number in range(count)]
        wanted = operations(folder)
        relay = Relay(hosts[0].port)
        with Connections() as pool:
            pool.apply(hosts[0], wanted)
        with Connections() as pool:
            pool.apply(replace(hosts[0], port=relay.port), wanted)
        first, again = min(once(hosts, wanted) for _ in range(3))
    print(f"20 operations on {count} machines, nothing to do")
    each_new, each_open = first[1] / count * 1000, again[1] / count * 1000  # milliseconds
    print(f"new connections:  {first[0]:.2f} s, {each_new:.1f} ms of our CPU each, {relay.turns} turns each")
    print(f"open connections: {again[0]:.2f} s, {each_open:.1f} ms of our CPU each")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
