"""What a machine of ours shall be like, as data: packages, files, users, services, file systems, mounts, commands."""

import re
from dataclasses import dataclass

from .secret import Secret

PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:\\-]*")
FILESYSTEMS = ("ext4", "xfs")


def _absolute(path):
    """Raise ValueError unless this is an absolute path on one line (a value known only later is let through)."""
    if isinstance(path, str) and (not path.startswith("/") or "\n" in path or "\0" in path):
        raise ValueError(f"{path!r} is not an absolute path on one line")


def _name(text, pattern=NAME):
    """Raise ValueError unless this can be a name on a host (a value known only later is let through)."""
    if isinstance(text, str) and not pattern.fullmatch(text):
        raise ValueError(f"{text!r} cannot be the name of a package, user, group or unit")


@dataclass(frozen=True, init=False)
class Template:
    """A text with secrets in it: `Template("password={password}\\n", password=Secret(...))`.

    Only the names given are put in; all other braces stay as they are. A name that the text does not use is an error.
    """

    text: str
    values: tuple

    def __init__(self, text, **values):
        unused = [name for name in values if "{" + name + "}" not in text]
        if unused:
            raise ValueError(f"the text has no place for {', '.join(unused)}")
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "values", tuple(values.items()))

    def reveal(self):
        """The whole text with everything put in. Call this where it is sent off, and nowhere else."""
        values = dict(self.values)
        if not values:
            return self.text
        names = "|".join(re.escape(name) for name in values)
        plain = {name: value.reveal() if isinstance(value, Secret) else str(value) for name, value in values.items()}
        return re.sub("{(" + names + ")}", lambda match: plain[match[1]], self.text)

    def secrets(self):
        """The Secrets in it."""
        return tuple(value for _, value in self.values if isinstance(value, Secret))


@dataclass(frozen=True)
class Package:
    """A Debian package that is installed."""

    name: str

    def __post_init__(self):
        _name(self.name, PACKAGE)

    @property
    def key(self):
        return self.name

    def __str__(self):
        return f"package {self.name}"


@dataclass(frozen=True)
class Directory:
    """A directory, with its parents, its owner and its mode. What is in it is not looked at."""

    path: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o755

    def __post_init__(self):
        _absolute(self.path)
        _name(self.owner)
        _name(self.group)

    @property
    def key(self):
        return self.path

    def __str__(self):
        return f"directory {self.path}"


@dataclass(frozen=True)
class File:
    """A file with this content, replaced as a whole. One that holds a Secret never shows a difference.

    Folders above it that are missing are made, as root's and with mode 755; name a Directory for others.
    """

    path: str
    content: str | bytes | Secret | Template
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644

    def __post_init__(self):
        _absolute(self.path)
        _name(self.owner)
        _name(self.group)

    @property
    def key(self):
        return self.path

    def __str__(self):
        return f"file {self.path}"


@dataclass(frozen=True)
class Link:
    """A symbolic link, replaced in one move so that the path is never missing."""

    path: str
    target: str

    def __post_init__(self):
        _absolute(self.path)

    @property
    def key(self):
        return self.path

    def __str__(self):
        return f"link {self.path} to {self.target}"


@dataclass(frozen=True)
class Absent:
    """A file or link that must not be there. A directory with all in it goes only with `tree`."""

    path: str
    tree: bool = False

    def __post_init__(self):
        _absolute(self.path)
        if self.tree and isinstance(self.path, str):
            parts = [part for part in self.path.split("/") if part not in ("", ".")]
            if len(parts) < 2 or ".." in parts:
                raise ValueError(f"{self.path} is too near the root to be removed with all in it")

    @property
    def key(self):
        return self.path

    def __str__(self):
        return f"no {self.path}"


@dataclass(frozen=True)
class User:
    """A user, its own group, and the further groups it is in (made if they are missing).

    Without `home` a new user has none, and the home of one that is there already is left alone.
    """

    name: str
    home: str = ""
    shell: str = "/usr/sbin/nologin"
    system: bool = True
    groups: tuple = ()

    def __post_init__(self):
        _name(self.name)
        for group in self.groups:
            _name(group)
        if self.home:
            _absolute(self.home)
        _absolute(self.shell)

    @property
    def key(self):
        return self.name

    def __str__(self):
        return f"user {self.name}"


@dataclass(frozen=True)
class Service:
    """A systemd unit that is enabled and active (or not; None: never mind which).

    It is restarted when any of `restart_for` (operations, or their keys: paths, names) changed since it was last
    restarted, also when an earlier run was cut off in between.
    """

    unit: str
    enabled: bool | None = True
    active: bool | None = True
    restart_for: tuple = ()

    def __post_init__(self):
        _name(self.unit)
        keys = tuple(item if isinstance(item, str) else item.key for item in self.restart_for)
        object.__setattr__(self, "restart_for", keys)
        if "." not in self.unit:
            object.__setattr__(self, "unit", f"{self.unit}.service")

    @property
    def key(self):
        return self.unit

    def __str__(self):
        return f"service {self.unit.removesuffix('.service')}"


@dataclass(frozen=True)
class Filesystem:
    """A file system on a device, made only if the device is proven blank.

    `blank` is the caller's word that nothing was ever on it (a volume not made from a snapshot). Without it, and
    whenever a signature, a partition table or any byte in the first or last MiB is found, this is refused. A device
    that holds the wanted type already is left as it is.
    """

    device: str
    type: str = "ext4"
    blank: bool = False

    def __post_init__(self):
        _absolute(self.device)
        if self.type not in FILESYSTEMS:
            raise ValueError(f"{self.type} is not one of {', '.join(FILESYSTEMS)}")

    @property
    def key(self):
        return self.device

    def __str__(self):
        return f"{self.type} on {self.device}"


@dataclass(frozen=True)
class Mounted:
    """A device mounted at a path now, and at each start through /etc/fstab, by its UUID."""

    path: str
    device: str
    type: str = "ext4"
    options: str = "defaults,nofail"

    def __post_init__(self):
        _absolute(self.path)
        _absolute(self.device)
        if re.search(r"[\s\\#]", f"{self.path}{self.options}"):
            raise ValueError(f"/etc/fstab cannot say {self.path!r} with {self.options!r}")

    @property
    def key(self):
        return self.path

    def __str__(self):
        return f"{self.device} mounted at {self.path}"


@dataclass(frozen=True)
class Command:
    """A shell text run as root, with `set -e`, unless the check `unless` succeeds; without a check it runs each time.

    The check must change nothing. `input` is what the text reads on its standard input: the place for secrets. With
    `secret` nothing of its output is ever shown.
    """

    says: str
    run: str
    unless: str = ""
    input: str | bytes | Secret | Template | None = None
    secret: bool = False

    @property
    def key(self):
        return self.says

    def __str__(self):
        return self.says


@dataclass(frozen=True)
class Outcome:
    """What became of one operation.

    `state` is "ok" (it was so already), "needed" (it would be changed: we only looked), "changed" (and verified),
    "failed" or "refused". `diff` is a unified diff of a file without secrets, `detail` one or more lines of why.
    """

    operation: object
    state: str
    diff: str = ""
    detail: str = ""

    def __str__(self):
        return f"{self.operation}: {self.state}" + (f" ({self.detail})" if self.detail else "")


def as_bytes(content):
    """The bytes of a text, bytes, Secret or Template, ready to be sent off."""
    if isinstance(content, (Secret, Template)):
        content = content.reveal()
    return content.encode() if isinstance(content, str) else content


def secrets_of(operation):
    """The Secrets an operation carries."""
    content = getattr(operation, "content", None) or getattr(operation, "input", None)
    if isinstance(content, Secret):
        return (content,)
    return content.secrets() if isinstance(content, Template) else ()
