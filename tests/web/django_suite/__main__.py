"""Runs Django's own tests over our session engine and our backend.

    pip download --no-deps --no-binary django django==VERSION && tar xf django-VERSION.tar.gz
    python -m tests.web.django_suite django-VERSION/tests auth_tests sessions_tests admin_views test_client

What comes after the folder goes to Django's runtests.py. Redis and the SimpleDB endpoint are started for the run; the
database is SQLite in memory. With Django 5.2.19 these fail, for reasons of their own:

    seven that count the SQL of a session or read its table; they fail with Django's cache engine too
    six *_timing: they put ModelBackend after ours, and each of the two hashes for a name it does not know
    two system checks, whose level depends on ModelBackend being the only backend
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.web.servers import ROOT, Servers


def main(folder: str, *words: str) -> int:
    """The exit code of runtests.py."""
    if not Path(folder, "runtests.py").is_file():
        raise SystemExit(f"{folder} has no runtests.py: it must be the tests folder of Django's source distribution.")
    servers = Servers()
    try:
        servers.start_redis()
        servers.start_simpledb()
        environment = {**os.environ, **servers.environment, **servers.aws, "PYTHONPATH": str(ROOT)}
        settings = ["--settings", "tests.web.django_suite.settings", "--parallel", "1"]
        return subprocess.run(
            [sys.executable, "runtests.py", *settings, *words], cwd=folder, env=environment
        ).returncode
    finally:
        servers.stop()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    sys.exit(main(*sys.argv[1:]))
