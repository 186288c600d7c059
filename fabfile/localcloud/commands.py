"""How the local cloud runs a program of this machine: quietly, and with its last words in the error."""

import subprocess

from .drivers import DriverError


def run(argv, input=None, check=True, environment=None, name=""):
    """Run `argv` to its end and return its CompletedProcess, output as bytes.

    Raises DriverError with the program's last lines if it fails and `check` is set, or if it is not installed; it is
    called `name` there, or as it is called in `argv`.
    """
    try:
        done = subprocess.run(argv, input=input, capture_output=True, env=environment, check=False)
    except FileNotFoundError:
        raise DriverError(f"{argv[0]} is not installed; script/setup installs what is missing") from None
    if check and done.returncode:
        raise DriverError(f"{name or argv[0]} failed: {last_words(done) or f'exit {done.returncode}'}")
    return done


def succeeds(argv):
    """Whether `argv` ends with 0, for questions to which a failure is an answer."""
    return run(argv, check=False).returncode == 0


def last_words(done, lines=4, characters=600):
    """What a program that has ended said last: a few lines in one."""
    said = (done.stderr or done.stdout).decode(errors="replace")
    kept = [line.strip() for line in said.splitlines() if line.strip()][-lines:]
    return "; ".join(kept)[-characters:]
