"""A person at a terminal, with a home and a local cloud of their own, who types `fab` command lines."""

import fcntl
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import boto3

from fabfile.localcloud import cgroups, daemon, real, tasks
from fabfile.localcloud.place import Place
from tests.cloud.conftest import BASE

ROOT = Path(__file__).resolve().parent.parent.parent
FAB = str(Path(sys.executable).with_name("fab"))
REGION = "us-west-2"
LOOKS = ("ip -o link", "ip -o addr", "ip route show table all", "ip netns list", "losetup -a", "nft list ruleset")
LONGEST = 300  # seconds one command may take before the test gives up on it


@dataclass(frozen=True)
class Told:
    """How a command ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str = ""

    @property
    def all(self):
        return self.out + self.err


class Person:
    """Types `fab` lines from the project's folder, or another. `told` keeps all that was ever printed."""

    def __init__(self, name):
        base = BASE / f"person-{name}"
        self.base, self.home = base, base / "home"
        self.place = Place(f"test-{name}", base / "cloud", Place.current().cache, free_port())
        self.told, self.running = [], []

    @property
    def environment(self):
        """What the shell of this person says: nothing of AWS, and nothing of who runs the tests."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "HYDRA_", "XDG_"))}
        place = self.place
        own = {"HYDRA_CLOUD": place.name, "HYDRA_HOME": str(place.home), "HYDRA_CACHE": str(place.cache)}
        return kept | own | {"HYDRA_PORT": str(place.port), "HOME": str(self.home), "AWS_EC2_METADATA_DISABLED": "true"}

    def fab(self, line, *, code=0, feed=None, cwd=ROOT, **more):
        """Type `fab LINE` and wait for its end. Fails unless it ends with `code`; None takes any."""
        done = subprocess.run(
            [FAB, *shlex.split(line)],
            cwd=cwd,
            env=self.environment | more,
            input=feed,
            stdin=subprocess.DEVNULL if feed is None else None,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        told = Told(done.returncode, done.stdout, done.stderr)
        self.told.append(told)
        assert code in (None, told.code), f"`fab {line}` ended with {told.code}:\n{told.all}"
        return told

    def refused(self, line, **more):
        """The one sentence with which `fab LINE` is refused, exit code 1."""
        told = self.fab(line, code=1, **more)
        assert "Traceback" not in told.all, told.all
        asides = ("starting the local cloud", "AWS_ENDPOINT_URL is set", "This machine cannot hold real hosts")
        sentences = [line for line in told.err.splitlines() if not line.startswith(asides)]
        assert len(sentences) == 1, told.all
        return sentences[0]

    def begin(self, line):
        """Type `fab LINE`, and do not wait: a Run."""
        run = Run(self, line)
        self.running.append(run)
        return run

    @property
    def endpoint(self):
        """The running local cloud (daemon.Endpoint), or None."""
        return daemon.running(self.place)

    def client(self, service):
        """A boto3 client of this person's local cloud."""
        at = self.endpoint
        keys = {"aws_access_key_id": at.access_key, "aws_secret_access_key": at.secret_key}
        return boto3.client(service, region_name=REGION, endpoint_url=at.url, **keys)

    def machines(self):
        """The machines that AWS's API tells of and that are not gone, one dict each."""
        alive = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
        found = self.client("ec2").describe_instances(Filters=alive)["Reservations"]
        return [machine for reservation in found for machine in reservation["Instances"]]

    def volumes(self):
        """The volumes of the stage, without the machines' own disks."""
        tag = [{"Name": "tag:Name", "Values": ["local-data"]}]
        return self.client("ec2").describe_volumes(Filters=tag)["Volumes"]

    def inside(self, id):
        """A function that runs a shell command as root in that machine, past its sshd, and returns what it printed."""
        machines = real.drivers(self.place)[1]

        def said(command, feed=None):
            done = machines.run(id, ["sh", "-c", command], input=feed)
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            return done.stdout.decode().strip()

        return said

    def backing_file(self, volume):
        """The file that holds a volume's bytes."""
        return self.place.home / "volumes" / f"{volume}.img"

    def kill_daemon(self):
        """As the kernel does when memory is short."""
        (pid,) = daemon.pids(self.place)
        os.kill(pid, signal.SIGKILL)
        while daemon.is_ours(pid):
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def traces(self):
        """The lines of what this machine shows to its administrator that bear this cloud's prefix or folder."""
        shown = [line for look in LOOKS for line in output(look)]
        shown += Path("/proc/mounts").read_text().splitlines()
        shown += [str(root / name) for root in cgroups.hierarchies() for name in os.listdir(root)]
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                shown.append((process / "cmdline").read_bytes().decode(errors="replace"))
                shown += (process / "environ").read_bytes().decode(errors="replace").split("\0")
        marks = (self.place.prefix, str(self.place.home))
        return [line for line in shown if any(mark in line for mark in marks)]

    def leave(self):
        """Take all of it away, whatever state it is in."""
        for run in self.running:
            run.kill()
        tasks.erase(self.place)
        shutil.rmtree(self.base, ignore_errors=True)


class Run:
    """A command under way, in a process group of its own as a shell would put it."""

    def __init__(self, person, line):
        self.person, self.line, self.lines = person, line, []
        self.process = subprocess.Popen(
            [FAB, *shlex.split(line)],
            cwd=ROOT,
            env=person.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def until(self, *texts):
        """Read on until it prints a line that holds one of these texts; returns that text, None if it ends before."""
        for line in self.process.stdout:
            self.lines.append(line)
            found = [text for text in texts if text in line]
            if found:
                return found[0]
        return None

    def kill(self):
        """kill -9, at once."""
        return self.signal(signal.SIGKILL)

    def interrupt(self):
        """Ctrl-C: the terminal sends it to the whole group."""
        return self.signal(signal.SIGINT)

    def signal(self, number):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        return self.end()

    def end(self):
        """How it ended: a Told."""
        if not self.process.stdout.closed:
            self.lines.append(self.process.communicate(timeout=LONGEST)[0])
        told = Told(self.process.returncode, "".join(self.lines))
        self.person.told.append(told)
        return told


@contextmanager
def person(name):
    """A Person of that name, new; a second test run at the same time waits for the first."""
    BASE.mkdir(parents=True, exist_ok=True)
    with open(BASE / f"person-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        one = Person(name)
        one.leave()
        one.home.mkdir(parents=True)
        try:
            yield one
        finally:
            one.leave()


def output(command):
    return subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout.splitlines()


def free_port():
    """A port that is free, and the two after it: the local cloud takes three."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            if all(can_bind(port + more) for more in (1, 2)):
                return port


def can_bind(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class CommandLines:
    """Every command line seen on this machine, and in all its hosts, while it watches."""

    def __init__(self):
        self.seen, self.stopped = set(), threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.stopped.set()
        self.thread.join()

    def _watch(self):
        while not self.stopped.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    self.seen.add((process / "cmdline").read_bytes())
