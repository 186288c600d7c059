"""The application under gunicorn, with its static files and TLS, for a browser to visit."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.web.servers import ROOT, Port, Servers

PYTHON = Path(sys.executable)


@dataclass(frozen=True)
class Site:
    """A running application: its address, the folder its mail is written to, and its environment."""

    url: str
    mail: Path
    environment: dict[str, str]

    def link_in_mail(self, address: str, path: str) -> str:
        """The one link below this path that was mailed to this address."""
        mails = [text for text in (file.read_text() for file in self.mail.iterdir()) if f"To: {address}\n" in text]
        (link,) = re.findall(rf"{self.url}{path}\S+", "\n".join(mails))
        return link

    def manage(self, *words: str) -> None:
        """Run one of the application's commands; what it prints is shown only if it fails."""
        command = [PYTHON, ROOT / "webapp/manage.py", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(f"{words[0]} failed: {done.stderr[-2000:]}")


@contextmanager
def running(servers: Servers) -> Iterator[Site]:
    """The application on these stores, which run; its database is migrated and its static files are collected."""
    address = f"localhost:{Port().give()}"
    url, mail = f"https://{address}", servers.folder / "mail"
    # The tests' own settings name another host, and must stay as they are for other tests.
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        **servers.environment,
        **servers.aws,
        "PUBLIC_URL": url,
        "BIND": address.replace("localhost", "127.0.0.1"),
        "WORKERS": "1",
        "EMAIL_URL": f"file://{mail}",
    }
    site = Site(url, mail, environment)
    site.manage("migrate", "-v0")
    site.manage("collectstatic", "-v0", "--no-input")
    tls = ("--certfile", str(servers.folder / "server.pem"), "--keyfile", str(servers.folder / "server.key"))
    served = ("--pythonpath", str(ROOT / "script"), "withstatic:application")
    process = servers.run(
        "site",
        str(PYTHON.with_name("gunicorn")),
        "-c",
        str(ROOT / "webapp/gunicorn.conf.py"),
        *tls,
        *served,
        environment=environment,
    )
    try:
        servers.wait("site", lambda: answers(site, servers.folder / "ca.pem"))
        yield site
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(site: Site, authority: Path) -> bool:
    """Whether the application answers by TLS."""
    try:
        return requests.get(f"{site.url}/healthz", verify=str(authority), timeout=5).ok
    except requests.RequestException:
        return False
