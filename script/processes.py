"""The servers of a stage as plain processes of this machine: what `script/demo` and `script/server` both need."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from fabfile import redis
from fabfile.engine.operations import Template

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "mariadbd": "mariadb-server-core",
    "mariadb-install-db": "mariadb-server-core",
    "mariadb": "mariadb-client-core",
    "redis-server": "redis-server",
}
PATH = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"


def check(path=PATH, who="Without machines the demo", again="script/demo"):
    """End with one sentence if a server's program is not installed; nothing has been changed by then."""
    lacks = [name for name in PACKAGES if not shutil.which(name, path=path)]
    if lacks:
        packages = " ".join(sorted({PACKAGES[name] for name in lacks}))
        sys.exit(
            f"{who} needs {', '.join(lacks)} on this one: run `apt-get install {packages}` as root, and {again} again."
        )


def program(name):
    """The path of an installed program."""
    return shutil.which(name, path=PATH)


def plain_environment():
    """What any program needs; nothing of the user's AWS settings gets into the application."""
    kept = {key: os.environ[key] for key in ("HOME", "TMPDIR") if key in os.environ}
    return {"PATH": PATH, "LC_ALL": "C.UTF-8", **kept}


def redis_configuration(folder, memory, port, password):
    """Redis's file as on a machine, but with the data in a folder of ours. `password` is a Secret; returns the text."""
    text = redis.CONFIGURATION.replace("{folder}", quoted(folder)).replace("{memory}", str(memory))
    # The last of two lines that say the same counts. A title would hide who started it.
    text += f"bind 127.0.0.1\nport {port}\nsupervised no\nset-proc-title no\n"
    return Template(text, password=password).reveal()


def quoted(path):
    """A path as Redis's and MariaDB's files want it, whatever letters it has."""
    return '"' + str(path).replace("\\", r"\\").replace('"', r"\"") + '"'


def manage(environment, words):
    """One of Django's own commands, with the application's settings; it ends with us. Returns what it printed."""
    argv = ["setpriv", "--pdeathsig", "TERM", sys.executable, str(ROOT / "webapp/manage.py"), *words]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"manage.py {words[0]} did not succeed: {(done.stderr or done.stdout).strip()[-800:]}")
    return done.stdout


def is_free(port, address="127.0.0.1"):
    """Whether no other server listens there. Raises PermissionError for a port that is for root alone."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((address, port))
        except PermissionError:
            raise
        except OSError:
            return False
    return True


def any_free():
    """A port of this machine that nobody has just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
