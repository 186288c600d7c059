"""Our machines over SSH: look at operations, make them so, run a command, send files; connections are kept open."""

import base64
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from . import ssh
from .apply import APPLIED, REFUSED, change, packages_with
from .archive import packed, receiver
from .compare import compare, difference, wants_diff
from .errors import Failure
from .facts import END, answer, contents, conversation, parts
from .operations import Outcome, as_bytes, secrets_of
from .ssh import Result

__all__ = ["Connections", "Host", "Result"]

LOOK = 120.0  # seconds in which the facts of a machine must come
ROUNDS = 3  # a change may upset what was well before (a package brings a file that shall be absent): look again
PAUSES = (0.25, 0.5, 1.0, 2.0)  # seconds between attempts to connect; the last one repeats


@dataclass(frozen=True)
class Host:
    """How to reach one machine. `host_keys` are the pinned public keys, as lines like "ssh-ed25519 AAAA..."."""

    name: str
    address: str
    user: str
    port: int = 22
    key_file: str = ""
    host_keys: tuple = ()

    def __str__(self):
        return self.name


@dataclass
class _Run:
    """What an apply has done and heard so far."""

    before: list
    done: set = field(default_factory=set)
    bad: dict = field(default_factory=dict)  # position -> (state, detail)


class Connections:
    """A pool of SSH connections, one for each machine. Several threads may use it, for different machines at once.

    `wait` (seconds, here and in each method) is how long a machine may take until its sshd answers and lets us in.
    Whatever goes wrong is a Failure that names the machine. Use it as a context manager, or close it.
    """

    def __init__(self, wait=0.0, clock=time):
        self.wait, self._clock = wait, clock
        self._open, self._keys, self._locks, self._lock = {}, {}, {}, threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close all connections."""
        with self._lock:
            transports, self._open = list(self._open.values()), {}
        for transport in transports:
            transport.close()

    def forget(self, host):
        """Close the connection to one machine: it restarts, or it is gone."""
        with self._lock:
            transport = self._open.pop(self._place(host), None)
        if transport:
            transport.close()

    # What we do on a machine

    def facts(self, host, operations, wait=None):
        """Look only: a list of Outcomes ("ok", "needed" or "refused"), with a diff for files that would change."""
        operations = tuple(operations)
        with self._talk(host, conversation(operations), "looking at it", wait) as talk:
            seen = answer(talk.until(END, LOOK))
            results = compare(operations, seen)
            diffs = self._diffs(talk, operations, results, seen)
            talk.close_input()
        return [
            Outcome(operation, state, diffs.get(position, ""), _masked(why, operations))
            for position, (operation, (state, why)) in enumerate(zip(operations, results, strict=True))
        ]

    def apply(self, host, operations, wait=None):
        """Make the operations so, in their order, and look again: a list of Outcomes ("ok", "changed", "failed" or
        "refused"). After one that fails the rest is not tried; what is known to be refused stops all before it begins.
        """
        operations = tuple(operations)
        with self._talk(host, conversation(operations), "looking at it", wait) as talk:
            seen = answer(talk.until(END, LOOK))
            run = _Run(compare(operations, seen))
            diffs = self._diffs(talk, operations, run.before, seen)
            results = self._converge(talk, operations, run)
            talk.close_input()
        return _outcomes(operations, run, results, diffs)

    def run(self, host, command, input=None, timeout=None, wait=None, each_line=None):
        """Run a shell text as root and return its Result, whatever its exit code.

        `input` (text, bytes or Secret) is what it reads: secrets go there, never into the text, which others on the
        machine can see. After `timeout` seconds it is a Failure. `each_line(text)` is called as output comes.
        """
        with self._talk(host, command, "running a command", wait) as talk:
            if input is not None:
                talk.send(as_bytes(input))
            talk.close_input()
            return talk.finish(timeout, each_line)

    def upload(self, host, source, target, owner="root", mode=0o644, unpack=False, wait=None):
        """Send a folder, a file (a path) or bytes to the path `target`, which changes in one move when all is there.

        A folder takes the place of the whole folder `target`; a file or bytes becomes the file `target`, with `mode`.
        With `unpack` the source is a tar archive, plain or gzipped, and `target` the folder of what is in it.
        """
        folder = unpack or (not isinstance(source, bytes) and Path(source).is_dir())
        command = receiver(str(target), owner, mode, folder)
        with self._talk(host, command, f"sending {target}", wait) as talk:
            packed(source, talk.send, unpack)
            talk.close_input()
            result = talk.finish()
        if result.code:
            raise Failure(f"{host.name}: {target} could not be put in place: {_last(result.err or result.out)}")

    def reboot(self, host, wait=180.0):
        """Restart a machine and come back when it answers again, after a real restart; within `wait` seconds."""
        read = "cat /proc/sys/kernel/random/boot_id"
        before, end = self.run(host, read, timeout=LOOK).out, self._clock.monotonic() + wait
        # Let go of the channel first: sshd would wait for it, or cut it off in the middle.
        self.run(host, "(sleep 0.5; systemctl reboot) </dev/null >/dev/null 2>&1 &", timeout=LOOK)
        while True:
            self.forget(host)
            left = end - self._clock.monotonic()
            try:
                if self.run(host, read, timeout=LOOK, wait=max(left, 0)).out != before:
                    return
            except Failure as failure:
                if left <= 0:
                    raise Failure(f"{host.name}: not back {wait:.0f} s after its restart ({failure})") from None
            self._clock.sleep(PAUSES[0])

    # One conversation

    def _converge(self, talk, operations, run):
        """Change what is needed until nothing new is, and return how operations and facts compare in the end."""
        results = run.before
        for _ in range(ROUNDS):
            refused = [place for place, (state, _) in enumerate(results) if state == "refused"]
            run.bad.update((place, results[place]) for place in refused)
            needed = {place for place, (state, _) in enumerate(results) if state == "needed"} - run.done
            if run.bad or not needed:
                break
            talk.doing = f"making {operations[min(needed)]}"
            talk.send(ssh.counted(*change(operations, needed)))
            text = talk.until(END, progress=lambda text: _note(talk, operations, text))
            self._report(text, operations, needed, run)
            results = compare(operations, answer(text), run.done)
        return results

    @staticmethod
    def _report(text, operations, needed, run):
        """Read which operations were done and which one failed."""
        told = dict(parts(text)).get(APPLIED, "")
        for line in told.splitlines():
            word, _, rest = line.partition(" ")
            if word == "done":
                run.done.update({int(rest), *packages_with(operations, needed, int(rest))})
            elif word == "failed":
                place, code = map(int, rest.split())
                output = "\n".join(line[2:] for line in told.splitlines() if line.startswith("| "))
                if getattr(operations[place], "secret", False):
                    output = f"ended with code {code}; its output is not shown, for it may hold secrets"
                detail = output.strip() or f"ended with code {code} and no output"
                state = "refused" if code == REFUSED else "failed"
                run.bad.update((other, (state, detail)) for other in {place, *packages_with(operations, needed, place)})

    def _diffs(self, talk, operations, results, seen):
        """The diffs of the files that will change, by position; one turn more, only if there are any to read."""
        places = [n for n, (state, _) in enumerate(results) if wants_diff(operations[n], state, seen)]
        diffs = {
            place: difference(operations[place], b"")
            for place, (state, why) in enumerate(results)
            if (state, why) == ("needed", "not there") and hasattr(operations[place], "content")
        }
        if places:
            talk.send(ssh.counted(contents([operations[place].path for place in places])))
            found = [base64.b64decode(body) for heading, body in parts(talk.until(END, LOOK)) if heading == "content"]
            for place, before in zip(places, found, strict=True):
                diffs[place] = difference(operations[place], before)
        return diffs

    # Connections

    @staticmethod
    def _place(host):
        return (host.name, host.address, host.port, host.user)

    def _talk(self, host, command, doing, wait):
        """A running command on the machine, over its open connection, or a new one if that is gone."""
        try:
            return ssh.Talk(host, self.connect(host, wait), command, doing)
        except ssh.NotYet:
            self.forget(host)
        try:
            return ssh.Talk(host, self.connect(host, wait), command, doing)
        except ssh.NotYet as error:
            raise Failure(f"{host.name}: {error}") from None

    def connect(self, host, wait=None):
        """The open transport to a machine, tried again for `wait` seconds while the machine boots."""
        with self._lock:
            own = self._locks.setdefault(self._place(host), threading.Lock())
        with own:
            transport = self._open.get(self._place(host))
            if transport is None or not transport.is_active():
                transport = self._dial(host, self.wait if wait is None else wait)
                with self._lock:
                    self._open[self._place(host)] = transport
            return transport

    def _dial(self, host, wait):
        key, end, attempt = self._key(host.key_file), self._clock.monotonic() + wait, 0
        while True:
            try:
                return ssh.connect(host, key)
            except ssh.NotYet as error:
                end = min(end, self._clock.monotonic() + error.within)
                pause = PAUSES[min(attempt, len(PAUSES) - 1)]
                if self._clock.monotonic() + pause > end:
                    tried = f" (tried for {wait:.0f} s)" if wait else ""
                    raise Failure(f"{host.name}: {error}{tried}") from None
            self._clock.sleep(pause)
            attempt += 1

    def _key(self, path):
        """The private key in that file, read once."""
        with self._lock:
            if path not in self._keys:
                try:
                    self._keys[path] = paramiko.PKey.from_path(Path(path).expanduser())
                except (OSError, ValueError, TypeError, paramiko.SSHException) as error:
                    raise Failure(f"the SSH key {path or '(none named)'} cannot be used: {error}") from None
            return self._keys[path]


def _note(talk, operations, text):
    """Remember which operation is being made, for the case that the connection is lost on it."""
    begun = re.findall(r"^begin (\d+)$", text, re.MULTILINE)
    if begun:
        talk.doing = f"making {operations[int(begun[-1])]}"


def _outcomes(operations, run, results, diffs):
    """The Outcomes of an apply, from what was needed before, what was tried, and how it compares now."""
    first_bad = min(run.bad, default=None)
    outcomes = []
    for place, operation in enumerate(operations):
        was, (now, why) = run.before[place][0], results[place]
        if place in run.bad:
            state, detail = run.bad[place]
        elif now == "ok":
            state, detail = ("ok", "") if was == "ok" and place not in run.done else ("changed", run.before[place][1])
        elif place in run.done:
            state, detail = "failed", f"done, and still not so: {why}"
        else:
            reason = f"after {operations[first_bad]} was {run.bad[first_bad][0]}" if run.bad else "it keeps changing"
            state, detail = "failed", f"not tried: {reason}"
        diff = diffs.get(place, "") if was != "ok" else ""
        outcomes.append(Outcome(operation, state, diff, _masked(detail, operations)))
    return outcomes


def _masked(text, operations):
    """The text with every secret of these operations made unreadable: output may repeat what was put in."""
    for operation in operations:
        for secret in secrets_of(operation):
            if secret:
                text = text.replace(secret.reveal(), "••••••")
    return text


def _last(text):
    return "; ".join(line for line in text.strip().splitlines()[-5:] if line.strip()) or "no reason given"
