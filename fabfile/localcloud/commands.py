"""How the local cloud runs a program of this machine: quietly, and with its last words in the error."""

import subprocess

from .drivers import DriverError


def run(argv, input=None, check=True, environment=None, name="", keep_open=()):
    """Run `argv` to its end and return its CompletedProcess, output as bytes.

    Raises DriverError with the program's last lines if it fails and `check` is set, or if it is not installed; it is
    called `name` there, or as it is called in `argv`. It inherits the open files `keep_open`.
    """
    try:
        done = subprocess.run(argv, input=input, capture_output=True, env=environment, pass_fds=keep_open, check=False)
    except FileNotFoundError:
        raise DriverError(f"{argv[0]} is not installed; script/setup installs what is missing") from None
    if check and done.returncode:
        raise DriverError(f"{name or argv[0]} failed: {last_words(done) or f'exit {done.returncode}'}")
    return done


def last_words(done, lines=4, characters=600):
    """What a program that has ended said last: a few lines in one, those that are errors if it marks them so."""
    said = (done.stderr or done.stdout).decode(errors="replace")
    spoken = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in spoken if line.startswith(("E: ", "Err:"))]
    return "; ".join((errors or spoken)[-lines:])[-characters:]
