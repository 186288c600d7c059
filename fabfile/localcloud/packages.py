"""How this machine reaches its package indexes (apt's mirrors, pip's index, proxies, CAs of its own), for the hosts.

A host must fetch its packages from where this machine does: a company's mirror, through its proxy, with its CA.
"""

import configparser
import os
import re
from dataclasses import dataclass
from pathlib import Path

MAIN = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
AUTHORITIES = Path("/usr/local/share/ca-certificates")


@dataclass(frozen=True)
class Sources:
    """Where packages come from."""

    main: str = MAIN
    security: str = SECURITY
    proxies: tuple = ()  # of ("http", "http://proxy:3128")
    authorities: tuple = ()  # of (file name, PEM)
    pip: tuple = ()  # of (option, value)

    def lines(self, suite):
        """apt's one-line sources for a Debian release ("bookworm")."""
        signed = f"[signed-by={KEYRING}]"
        return (
            f"deb {signed} {self.main} {suite} main\n"
            f"deb {signed} {self.main} {suite}-updates main\n"
            f"deb {signed} {self.security} {suite}-security main\n"
        )


def of_this_machine(etc=Path("/etc"), environ=os.environ, authorities=AUTHORITIES, home=None):
    """The Sources as this machine's own apt and pip have them, with Debian's own where it has none."""
    found = list(_apt_uris(etc / "apt"))
    security = [uri for uri, suite in found if "debian-security" in uri or suite.endswith("-security")]
    main = [uri for uri, suite in found if uri.rstrip("/").endswith("/debian") and uri not in security]
    return Sources(
        main=main[0].rstrip("/") if main else MAIN,
        security=security[0].rstrip("/") if security else SECURITY,
        proxies=tuple(_proxies(etc / "apt", environ)),
        authorities=tuple((file.name, file.read_text()) for file in sorted(authorities.glob("*.crt"))),
        pip=tuple(_pip(etc, environ, home or Path.home())),
    )


def _apt_uris(apt):
    """Pairs of address and suite of every http source for binary packages, in both of apt's formats."""
    lists = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    for file in lists:
        for line in _text(file).splitlines():
            if match := re.match(r"deb\s+(?:\[[^\]]*\]\s+)?(https?://\S+)\s+(\S+)", line.strip()):
                yield match.groups()
    for file in sorted((apt / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", _text(file)):
            fields = {key.lower(): value.split() for key, value in re.findall(r"(?m)^([\w-]+):\s*(.*)$", stanza)}
            if "deb" not in fields.get("types", ()) or fields.get("enabled") == ["no"]:
                continue
            for uri in fields.get("uris", ()):
                if uri.startswith("http"):
                    yield from ((uri, suite) for suite in fields.get("suites", ()))


def _proxies(apt, environ):
    """Proxies of apt's configuration, else of the environment; one on this machine's loopback serves no host."""
    text = "\n".join(_text(file) for file in [apt / "apt.conf", *sorted((apt / "apt.conf.d").glob("*"))])
    for scheme in ("http", "https"):
        found = re.search(rf'(?mi)^\s*Acquire::{scheme}::Proxy\s+"(http[^"]+)"', text)
        proxy = found[1] if found else environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY")
        if proxy and not re.search(r"//([^@/]*@)?(127\.|localhost|\[::1\])", proxy):
            yield scheme, proxy


def _pip(etc, environ, home):
    """pip's options that name an index over the network; folders of this machine mean nothing to a host."""
    settings = {}
    for file in (etc / "pip.conf", home / ".pip/pip.conf", home / ".config/pip/pip.conf"):
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(_text(file))
        except configparser.Error:  # pip would not read it either
            continue
        settings.update(parser["global"] if parser.has_section("global") else {})
    for option in ("index-url", "extra-index-url", "find-links", "trusted-host"):
        value = environ.get("PIP_" + option.upper().replace("-", "_"), settings.get(option, ""))
        kept = [word for word in value.split() if option == "trusted-host" or word.startswith("http")]
        if kept:
            yield option, " ".join(kept)


def _text(file):
    try:
        return file.read_text()
    except OSError:
        return ""
