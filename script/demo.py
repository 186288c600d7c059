"""The story that `script/demo` tells once all is set up: each part is a command you could type yourself."""

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FAB = str(ROOT / ".venv/bin/fab")
ACCOUNT = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "hydra" / "demo-account.json"


def main():
    began = time.monotonic()
    fab("cloud.start", *without_machines())
    status = json.loads(fab("cloud.status", "--json", show=False))
    if status["drivers"] != "real":
        from plain import story

        story(fab, say, demo_account)
    else:
        on_machines()
    say(f"Done in {time.monotonic() - began:.0f} s.")


def without_machines():
    """The words for `cloud.start` where no hosts can be had, which is said unless `--said` tells that it was."""
    from fabfile.localcloud import daemon, probe
    from fabfile.localcloud.place import Place

    place = Place.current()
    missing = [] if daemon.running(place) else probe.missing(place)
    if not missing:
        return ()
    from processes import check

    if "--said" not in sys.argv:
        say(f"{probe.sentence(missing).rstrip('.')}; for now it goes on without machines.")
    check()
    return "--drivers", "processes"


def on_machines():
    """The whole stage, on real hosts."""
    from visit import Visit

    fab("up")
    fab("setup_packages")
    fab("deploy")
    name, password = demo_account()
    say("Signing in through the login page")
    from fabfile import stages

    visit = Visit(stages.LOCAL)
    visit.sign_in(name, password)
    visit.show()
    fab("get_cpu_stats")
    tell_next(visit.url, name, password)


def fab(*words, show=True, feed=None, fine=(0,)):
    """Run one `fab local` command, shown as it would be typed, and return what it printed.

    Ends the story unless its exit code is one of `fine`.
    """
    if show:
        line = f"$ fab local {' '.join(words)}"
        say(f"\033[1m{line}\033[0m" if sys.stdout.isatty() else line)
    done = run(*words, input=feed, stdout=None if show else subprocess.PIPE)
    if done.returncode not in fine:
        sys.exit(
            f"`fab local {' '.join(words)}` did not succeed (exit code {done.returncode}). "
            "Mend what it says and run script/demo again: it goes on from here."
        )
    return done.stdout


def run(*words, **options):
    """One `fab local` command as a CompletedProcess. It ends with us, or what a killed demo left would build on."""
    argv = ["setpriv", "--pdeathsig", "TERM", FAB, "local", *words]
    return subprocess.run(argv, cwd=ROOT, text=True, check=False, **options)


def demo_account():
    """(name, password) of the demo account, made if it is not there; kept in a file only you can read."""
    new = {"name": "demo", "password": secrets.token_urlsafe(12)}
    kept = json.loads(ACCOUNT.read_text()) if ACCOUNT.exists() else new
    if run("sdb.find", kept["name"], capture_output=True).returncode:
        from fabfile.localcloud.certificates import write_private

        ACCOUNT.parent.mkdir(parents=True, exist_ok=True)
        write_private(ACCOUNT, json.dumps(kept))
        fab("sdb.adduser", kept["name"], "--password-stdin", feed=kept["password"] + "\n")
    return kept["name"], kept["password"]


def tell_next(url, name, password):
    say(f"""The application is at  {url}
Sign in as             {name}
with the password      {password}

Try next:
  . .venv/bin/activate
  fab local status                    what is in place, what has drifted
  fab local plan                      what `up` and `deploy` would change now: nothing
  fab local ec2.ssh                   a shell on the machine
  fab local rds.shell                 an SQL shell on the database
  fab local cloud.status              what stands behind each machine, disk and database
  eval "$(fab local cloud.env)"       and the aws command line talks to this cloud
  script/demo --down                  takes everything away""")


def say(text):
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    main()
