"""What is there on a machine: one shell text that asks for many operations at once, and its answer read."""

import re
from dataclasses import dataclass, field
from shlex import quote

from .operations import (
    Absent,
    Command,
    Directory,
    File,
    Filesystem,
    Link,
    Mounted,
    Package,
    Service,
    User,
)

MARK = "== hydra "  # begins each heading of an answer
END = f"{MARK}end\n"
RESTARTS = "/run/hydra/restart"  # holds a file for each unit that must be restarted: gone, rightly, after a reboot

# What a block device holds, a line each; it prints nothing at all only for a blank one. Both the look and, directly
# before mkfs, the change ask it.
FOUND = r"""
found() {
  rc=0
  was=$(blkid -p -o export -- "$1" 2>&1) || rc=$?
  [ $rc -eq 0 ] || [ $rc -eq 2 ] || echo "UNCLEAR=blkid ended with $rc"
  if [ -n "$was" ]; then printf '%s\n' "$was"; return; fi
  wipefs --no-act --noheadings --output TYPE -- "$1" 2>&1 | sed 's/^/SIGNATURE=/'
  for part in /sys/dev/block/"$(stat -Lc %Hr:%Lr -- "$1")"/*/partition; do [ ! -e "$part" ] || echo "PART=$part"; done
  for user in /sys/dev/block/"$(stat -Lc %Hr:%Lr -- "$1")"/holders/*; do [ ! -e "$user" ] || echo "USER=$user"; done
  cmp -s -n 1048576 -- "$1" /dev/zero || echo "BYTES=first"
  end=$(blockdev --getsize64 "$1")
  dd if="$1" bs=1M iflag=skip_bytes,fullblock skip=$((end - 1048576)) count=1 2>/dev/null |
    cmp -s -n 1048576 - /dev/zero || echo "BYTES=last"
}
"""


@dataclass(frozen=True)
class Entry:
    """One path as `stat` has it; `target` is what a link points at."""

    kind: str
    mode: int
    owner: str
    group: str
    target: str = ""


@dataclass
class Seen:
    """The facts of one machine, as far as the operations asked for them."""

    paths: dict = field(default_factory=dict)  # path -> Entry
    sums: dict = field(default_factory=dict)  # path -> SHA-256
    users: dict = field(default_factory=dict)  # name -> (gid, home, shell)
    groups: dict = field(default_factory=dict)  # name -> (gid, members)
    packages: set = field(default_factory=set)  # names of installed ones
    units: list = field(default_factory=list)  # systemd's properties, in the order asked for
    restarts: set = field(default_factory=set)  # units waiting for a restart
    mounts: dict = field(default_factory=dict)  # path -> device number
    fstab: dict = field(default_factory=dict)  # path -> (source, type, options)
    devices: dict = field(default_factory=dict)  # path -> dict of what it holds; {} if it is not there
    checks: set = field(default_factory=set)  # positions of commands whose check succeeded


def _of(operations, *kinds):
    return [operation for operation in operations if isinstance(operation, kinds)]


def _words(items):
    return " ".join(quote(item) for item in dict.fromkeys(items))


def question(operations):
    """The body of a shell function `facts` that answers for all operations in a few processes and changes nothing."""
    lines = []

    def ask(heading, items, command):
        if items:
            lines.append(f"echo '{MARK}{heading}'; {command.format(_words(items))}")

    files = [item.path for item in _of(operations, File)]
    paths = [item.path for item in _of(operations, Directory, File, Link, Absent)]
    ask("paths", paths, "QUOTING_STYLE=literal stat --printf='%F|%a|%U|%G|%N\\n' -- {} 2>/dev/null")
    # A sum is asked only of regular files: reading a pipe or a device might never end.
    ask(
        "sums",
        files,
        'set --; for p in {}; do if [ -f "$p" ]; then set -- "$@" "$p"; fi; done; '
        '[ $# -eq 0 ] || sha256sum -- "$@" 2>/dev/null',
    )
    users = _of(operations, User)
    ask("users", [item.name for item in users], "getent passwd {}")
    ask("groups", [name for item in users for name in item.groups], "getent group {}")
    shown = r"dpkg-query -W -f='${{Package}} ${{db:Status-Status}}\n' {} 2>/dev/null"
    ask("packages", [item.name for item in _of(operations, Package)], shown)
    units = [item.unit for item in _of(operations, Service)]
    properties = "LoadState,ActiveState,UnitFileState,NeedDaemonReload"
    ask("units", units, f"systemctl show --no-pager -p {properties} -- {{}} 2>/dev/null")
    waiting = f'for u in {{}}; do [ ! -e {RESTARTS}/"$u" ] || echo "$u"; done'
    ask("restarts", units, waiting)
    lines += _about_devices(operations)
    for position, item in enumerate(operations):
        if isinstance(item, Command) and item.unless:
            # A subshell and eval: a check that exits, or is not even shell, spoils nothing but itself.
            lines.append(
                f"if (eval {quote(item.unless)}) </dev/null >/dev/null 2>&1; then echo '{MARK}check'; "
                f"echo {position}; fi"
            )
    return "\n".join([*lines, f"echo '{END.rstrip()}'"])


def _about_devices(operations):
    """Shell lines about the devices of file systems and mounts."""
    devices = dict.fromkeys(item.device for item in _of(operations, Filesystem, Mounted))
    if not devices:
        return []
    lines = [FOUND]
    for device in devices:
        path = quote(device)
        lines.append(
            f"echo '{MARK}device'; echo {path}; d=$(readlink -f -- {path}); "
            'if [ -b "$d" ]; then stat -Lc NUMBER=%Hr:%Lr -- "$d"; found "$d"; fi'
        )
    if _of(operations, Mounted):
        lines.append(
            f"echo '{MARK}mounts'; cat /proc/self/mountinfo; echo '{MARK}fstab'; cat /etc/fstab 2>/dev/null; echo"
        )
    return lines


def conversation(operations):
    """The shell text that prints the facts, then does what it is sent: each time a line with a script's length in
    bytes, and the script (which may read on from the same input).
    """
    return (
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; LC_ALL=C.UTF-8; export PATH LC_ALL\n"
        f"facts() {{\n{question(operations)}\n}}\n"
        'facts\nwhile IFS= read -r n; do eval "$(head -c "$n")"; done'
    )


def contents(paths):
    """The script that prints the present content of these files (the first 64 KiB of each, in base64)."""
    lines = [f"echo '{MARK}content'; head -c 65536 -- {quote(path)} | base64 -w0; echo" for path in paths]
    return "\n".join([*lines, f"echo '{END.rstrip()}'", ""])


def parts(text):
    """The parts of an answer as pairs of heading and body."""
    for part in re.split(f"^{MARK}", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        yield heading, body


def answer(text):
    """What `facts` printed, as Seen."""
    seen = Seen()
    for heading, body in parts(text):
        reader = READERS.get(heading)
        if reader:
            reader(seen, body)
    return seen


def _read_paths(seen, body):
    for line in body.splitlines():
        kind, mode, owner, group, name = line.split("|", 4)
        target = ""
        if kind == "symbolic link":
            name, _, target = name.partition(" -> ")
        seen.paths[name] = Entry(kind, int(mode, 8), owner, group, target)


def _read_sums(seen, body):
    for line in body.splitlines():
        # sha256sum marks a name it had to escape with a backslash at the line's start
        escaped = line.startswith("\\")
        digest, _, name = line.removeprefix("\\").partition("  ")
        seen.sums[name.replace("\\\\", "\\") if escaped else name] = digest


def _read_users(seen, body):
    for line in body.splitlines():
        name, _, _, gid, _, home, shell = line.split(":", 6)
        seen.users[name] = (gid, home, shell)


def _read_groups(seen, body):
    for line in body.splitlines():
        name, _, gid, members = line.split(":", 3)
        seen.groups[name] = (gid, members.split(","))


def _read_packages(seen, body):
    for line in body.splitlines():
        name, _, status = line.partition(" ")
        if status == "installed":
            seen.packages.add(name)


def _read_units(seen, body):
    for block in body.strip().split("\n\n"):
        seen.units.append(dict(line.split("=", 1) for line in block.splitlines() if "=" in line))


def _read_restarts(seen, body):
    seen.restarts.update(body.split())


def _read_device(seen, body):
    device, *lines = body.splitlines()
    held = seen.devices.setdefault(device, {})
    for line in lines:
        name, _, value = line.partition("=")
        held[name] = f"{held[name]}, {value}" if name in held else value


def _read_mounts(seen, body):
    for line in body.splitlines():
        _, _, number, _, path, *_ = line.split(" ")
        seen.mounts[path] = number


def _read_fstab(seen, body):
    for line in body.splitlines():
        words = line.split()
        if len(words) >= 4 and not words[0].startswith("#"):
            seen.fstab[words[1]] = (words[0], words[2], words[3])


def _read_check(seen, body):
    seen.checks.add(int(body))


READERS = {
    "paths": _read_paths,
    "sums": _read_sums,
    "users": _read_users,
    "groups": _read_groups,
    "packages": _read_packages,
    "units": _read_units,
    "restarts": _read_restarts,
    "device": _read_device,
    "mounts": _read_mounts,
    "fstab": _read_fstab,
    "check": _read_check,
}
