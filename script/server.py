"""What `script/server` runs: the application and its three stores, for as long as this runs."""

import argparse
import fcntl
import glob
import os
import secrets
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from children import LOOK, PATIENCE, Child, Ended, python  # noqa: E402 - found with the line above
from edits import CODE, Edits  # noqa: E402
from processes import any_free, check, is_free, manage, plain_environment  # noqa: E402
from stores import Stores  # noqa: E402

from fabfile.localcloud.certificates import write_private  # noqa: E402
from fabfile.localcloud.ports import owner  # noqa: E402

DATA = ROOT / "build" / "server"
ABOUT = f"""\
Runs the application on this machine for development: MariaDB with TLS, Redis and SimpleDB as plain processes, the
database migrated, static files as they are edited, gunicorn and the worker for clicks, which both start anew when the
application's code changes. Neither root nor an account at AWS is needed. Ctrl-C ends all of it; the next run goes on
with the same data, which is in {DATA.relative_to(ROOT)} and may be deleted to begin anew. Mails are printed here.
"""
MORE = """\
While it runs, Django's own commands know the same stores; say them in another terminal:
  script/server manage createaccount ada --superuser    an account; with --superuser also for /admin/
  script/server manage shell                            or dbshell, showmigrations, whatever manage.py has
  script/server manage makemigrations && script/server manage migrate

The tests need none of this, they start servers of their own: script/test tests/web
"""


def main():
    """Run until told to stop, or one command of Django's."""
    options = parser().parse_args()
    try:
        if options.words:
            run_command(options)
        check(who="The application", again="script/server")
        serve(options)
    except (Ended, OSError) as error:
        sys.exit(f"script/server cannot go on: {error}")


def parser():
    """What can be said on the command line."""
    it = argparse.ArgumentParser(
        "script/server", description=ABOUT, epilog=MORE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    it.add_argument("--port", type=port, default=8000, help="where browsers find it, 8000 by default; 0 for a free one")
    it.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="where everything is kept")
    it.add_argument("words", nargs=argparse.REMAINDER, metavar="manage ...", help="one of Django's commands, see below")
    return it


def port(text):
    """A number of a port."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


def run_command(options):
    """Become one of Django's commands, with the settings of the server that runs on the same data."""
    first, *words = options.words
    if first != "manage":
        sys.exit(f"script/server knows no {first!r}; `script/server --help` shows what it knows.")
    kept = options.data.resolve() / "environment"
    if not kept.exists() or is_unlocked(options.data.resolve()):
        sys.exit("The stores do not run: start script/server in another terminal, and this again.")
    environment = dict(line.split("=", 1) for line in kept.read_text().splitlines())
    shown = {name: os.environ[name] for name in ("TERM", "EDITOR", "PAGER") if name in os.environ}
    os.execve(sys.executable, python(str(ROOT / "webapp/manage.py"), *words), {**environment, **shown})


def serve(options):
    """Everything, in order, and its end in the other order."""
    # Both end us as Ctrl-C does. The second Ctrl-C does not wait for orderly ends.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    number = options.port or any_free()
    try:
        free = is_free(number)
    except PermissionError:
        sys.exit(f"Port {number} is for root alone: choose another, `script/server --port 8000` say.")
    if not free:
        by = f" by {name}" if (name := owner(number)) else ""
        sys.exit(f"Port {number} is in use{by}: end that, or choose another, `script/server --port {number + 1}` say.")
    data = options.data.resolve()
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = locked(data)
    stores, children, edits = Stores(data), [], Edits(ROOT / "webapp")
    try:
        stores.start(keep=(lock.fileno(),))
        children = start_application(data, number, stores, keep=(lock.fileno(),))
        print(f"The application is at http://127.0.0.1:{number}/ and its data in {data}. Ctrl-C ends it.")
        print("Sign up there. Who may use /admin/ is made by `script/server manage createaccount NAME --superuser`.")
        sys.stdout.flush()
        stay([*stores.children, *children[:-1]], children[-1], edits, keep=(lock.fileno(),))
    except KeyboardInterrupt:
        print("\nEnding; the data stays.", flush=True)
    finally:
        for group in (children, stores.children):
            for child in group:
                child.ask_to_end()
            for child in group:
                child.end()


def locked(data):
    """The file that stays locked for as long as any of our processes lives. Ends us if another run has it."""
    file = open(data / "lock", "a+")  # noqa: SIM115 - open until we end
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip()
            if time.monotonic() > deadline or is_ours(pid):
                sys.exit(f"script/server runs already on {data} (pid {pid}): end it, or choose another --data.")
        time.sleep(LOOK)  # it was killed, and its servers are about to end
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def is_ours(pid):
    """Whether this process is a script/server."""
    try:
        return b"script/server.py" in Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return False


def is_unlocked(data):
    """Whether no script/server runs on this data."""
    with open(data / "lock", "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def start_application(data, number, stores, keep):
    """The application's processes, once it answers; the worker for clicks is the last of them."""
    environment = settings(data, number, stores)
    write_private(data / "environment", "".join(f"{name}={value}\n" for name, value in environment.items()))
    if "No migrations to apply" not in (told := manage(environment, ("migrate", "--noinput"))):
        print(told.strip(), flush=True)
    words = python("-m", "gunicorn", "-c", str(ROOT / "webapp/gunicorn.conf.py"), "--workers", "1")
    # A file that could not be loaded is none of the modules that gunicorn looks at by itself.
    words += ("--reload",)
    for ending in sorted(CODE):
        words += ("--reload-extra-file", f"{glob.escape(str(ROOT))}/webapp/**/*{ending}")
    web = Child("the application", (*words, "freshstatic:application"), environment)
    counter = Child(
        "the worker for clicks",
        python(str(ROOT / "webapp/manage.py"), "rolluplinks", "--every", "10"),
        environment,
        data / "rolluplinks.log",
    )
    for child in (web, counter):
        child.start(keep)
    try:
        web.wait_for(lambda: is_healthy(number))
    except BaseException:
        web.end()
        counter.end()
        raise
    return [web, counter]


def settings(data, number, stores):
    """The environment of the application. Its secrets are files beside it, made once and kept."""
    credentials = data / "credentials"
    signing = credentials / "SECRET_KEY"
    if not signing.exists():
        write_private(signing, secrets.token_urlsafe(50))
    return {
        **plain_environment(),
        **stores.environment,
        "DJANGO_SETTINGS_MODULE": "development",
        "PYTHONPATH": str(ROOT / "script"),
        "PYTHONUNBUFFERED": "1",
        "CREDENTIALS_DIRECTORY": str(credentials),
        "PUBLIC_URL": f"http://127.0.0.1:{number}",
        "ALLOW_HTTP": "true",
        "ALLOWED_HOSTS": "localhost",
        "BIND": f"127.0.0.1:{number}",
    }


def is_healthy(number):
    """Whether the application answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{number}/healthz", timeout=10) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def stay(children, worker, edits, keep):
    """Come back never; raises Ended when one of the children has ended by itself.

    The worker starts anew after an edit, which gunicorn sees by itself. It may well end meanwhile: code in the making.
    """
    waiting = False
    while True:
        for child in children:
            if child.has_ended:
                raise Ended(child.last_words)
        if edited := edits.since():
            worker.start_anew(keep)
            print(f"{edited[0].relative_to(ROOT)} was saved: {worker.name} has started anew.", flush=True)
            waiting = False
        elif worker.has_ended and not waiting:
            print(f"{worker.last_words}\nIt starts anew when a file is saved.", flush=True)
            waiting = True
        time.sleep(0.5)


if __name__ == "__main__":
    main()
