"""MySQL 8.4, unpacked once on this machine into a folder of its own: Debian has none.

Nothing is installed: the server runs with the libraries, and by the dynamic linker, of the Ubuntu release it is from.
mysql84.txt names each package with its hash; what that release came with stays in the archive as long as it is
supported. `python -m tests.web.mysql84 > tests/web/mysql84.txt` writes the list anew from the archive's index.
"""

import fcntl
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

from fabfile.localcloud import packages
from fabfile.localcloud.place import Place

RELEASE, PACKAGE = "resolute", "mysql-server-core"  # Ubuntu 26.04
ARCHIVE = os.environ.get("UBUNTU_ARCHIVE") or "http://archive.ubuntu.com/ubuntu"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
LIST = Path(__file__).with_suffix(".txt")


class Missing(Exception):
    """MySQL 8.4 cannot be had here; says why, and what to do."""


def unpacked() -> Path:
    """The folder with all that MySQL 8.4 consists of, fetched now if it is not there: 40 MB, and 190 MB unpacked.

    Raises Missing; nothing half made is ever taken for whole.
    """
    architecture = ARCHITECTURES.get(os.uname().machine)
    lines = [line.split() for line in LIST.read_text().splitlines() if not line.startswith("#")]
    wanted = [(digest, path) for digest, path in lines if path.endswith((f"_{architecture}.deb", "_all.deb"))]
    if not architecture:
        raise Missing(f"There is no MySQL 8.4 for {os.uname().machine}: run its tests on {' or '.join(ARCHITECTURES)}.")
    folder = Place.current().cache / "mysql" / hashlib.sha256(repr(wanted).encode()).hexdigest()[:12]
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given up when its holder dies
        if not folder.is_dir():
            building = folder.with_suffix(".building")
            shutil.rmtree(building, ignore_errors=True)  # of one that was killed
            building.mkdir()
            with _session() as session:
                for digest, path in wanted:
                    subprocess.run(["dpkg-deb", "-x", "-", building], input=_fetch(session, path, digest), check=True)
            building.rename(folder)
    return folder


def command(folder: Path) -> list[str]:
    """What starts its mysqld, but for the options that say where its data is and whom it answers."""
    (libraries,) = folder.glob("usr/lib/*-linux-gnu")
    (linker,) = libraries.glob("ld-linux-*.so.*")
    server = [linker, "--library-path", libraries, folder / "usr/sbin/mysqld", "--no-defaults"]
    places = {"basedir": "usr", "lc-messages-dir": "usr/share/mysql", "plugin-dir": "usr/lib/mysql/plugin"}
    found = [f"--{option}={folder / path}" for option, path in places.items()]
    return [*map(str, server), *found, "--secure-file-priv=NULL"]  # else it looks for a folder of Ubuntu's


def _session() -> requests.Session:
    """As apt would go: through its proxy, and trying again what was cut off."""
    session = requests.Session()
    session.proxies.update(packages.of_this_machine().proxies)
    session.mount("http://", HTTPAdapter(max_retries=2))
    return session


def _fetch(session: requests.Session, path: str, digest: str = "") -> bytes:
    """A file of the archive, which must have this hash if one is given."""
    url = f"{ARCHIVE}/{path}"
    try:
        answer = session.get(url, timeout=(10, 60))
        answer.raise_for_status()
    except requests.RequestException as error:
        why = f"status {error.response.status_code}" if error.response is not None else type(error).__name__
        raise Missing(
            f"MySQL 8.4 could not be fetched from {url} ({why}). The tests on it need that once: let this machine"
            " reach Ubuntu's archive, through apt's proxy if it has one, or name a mirror in UBUNTU_ARCHIVE."
        ) from None
    if digest and hashlib.sha256(answer.content).hexdigest() != digest:
        raise Missing(f"{url} is not the file that {LIST.name} names: nothing of it is used. Try again, or elsewhere.")
    return answer.content


def _listed(session: requests.Session, architecture: str) -> set[tuple[str, str]]:
    """Hash and path of the package and of all that it depends on, of the release as it came out."""
    index = lzma.decompress(_fetch(session, f"dists/{RELEASE}/main/binary-{architecture}/Packages.xz")).decode()
    stanzas = [dict(re.findall(r"(?m)^([\w-]+): (.*)$", stanza)) for stanza in index.split("\n\n")]
    known = {stanza["Package"]: stanza for stanza in stanzas if stanza}
    waiting, found = [PACKAGE], {}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = known[name]
            needs = ",".join(found[name].get(field, "") for field in ("Depends", "Pre-Depends"))
            waiting += re.findall(r"(?:^|,)\s*([a-z0-9.+-]+)", needs)  # the first of each choice
    return {(stanza["SHA256"], stanza["Filename"]) for stanza in found.values()}


def main() -> None:
    """Print the list."""
    with _session() as session:
        every = set.union(*(_listed(session, architecture) for architecture in ARCHITECTURES.values()))
    print(f"# {PACKAGE} of Ubuntu's {RELEASE} and all it depends on: SHA-256, path in the archive.")
    print("# Written by `python -m tests.web.mysql84`; check the signature of the archive's index before you keep it.")
    for digest, path in sorted(every, key=lambda one: one[1]):
        print(digest, path)


if __name__ == "__main__":
    sys.exit(main())
