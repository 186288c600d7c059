"""What is wanted against what is there: for each operation "ok", "needed" or "refused", and why in a few words."""

import difflib
from hashlib import sha256

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
    as_bytes,
    secrets_of,
)

OK = ("ok", "")
NOT_OURS_TO_ENABLE = ("static", "alias", "generated", "indirect", "transient")
LONGEST_DIFF = 200  # lines


def compare(operations, seen, done=frozenset()):
    """A list of pairs (state, why), one for each operation, in their order.

    `done` holds the positions of what this run has made already: a command without a check is then as it should be.
    """
    asked = dict.fromkeys(item.unit for item in operations if isinstance(item, Service))
    units = dict(zip(asked, seen.units, strict=False))  # a machine without systemd says nothing of any
    changing, results = set(), []
    for position, operation in enumerate(operations):
        match operation:
            case Directory() | File() | Link() | Absent():
                result = _path(operation, seen)
            case Package():
                result = OK if operation.name in seen.packages else ("needed", "not installed")
            case User():
                result = _user(operation, seen)
            case Service():
                result = _service(operation, units.get(operation.unit, {}), seen.restarts, changing)
            case Filesystem():
                result = _filesystem(operation, seen.devices.get(operation.device))
            case Mounted():
                result = _mounted(operation, seen)
            case Command():
                sure = position in seen.checks or (position in done and not operation.unless)
                result = OK if sure else ("needed", "")
            case _:
                raise TypeError(f"{operation!r} is not a host operation")
        if result != OK:
            changing.add(operation.key)
        results.append(result)
    return results


def _path(operation, seen):
    entry = seen.paths.get(operation.path)
    if isinstance(operation, Absent):
        if entry is None:
            return OK
        if entry.kind == "directory" and not operation.tree:
            return "refused", "a directory is there: name it with tree=True if all in it shall go"
        return "needed", f"a {entry.kind} is there"
    if entry is None:
        return "needed", "not there"
    if isinstance(operation, Directory):
        return _directory(operation, entry)
    if entry.kind == "directory":
        return "refused", "a directory is there"
    if isinstance(operation, Link):
        if entry.kind != "symbolic link":
            return "needed", f"a {entry.kind} is there"
        return OK if entry.target == operation.target else ("needed", f"points at {entry.target}")
    if not entry.kind.startswith("regular"):
        return "needed", f"a {entry.kind} is there"
    differs = _owner_and_mode(operation, entry)
    if seen.sums.get(operation.path) != sha256(as_bytes(operation.content)).hexdigest():
        differs.insert(0, "content differs")
    return ("needed", ", ".join(differs)) if differs else OK


def _directory(operation, entry):
    if entry.kind != "directory":
        return "refused", f"a {entry.kind} is there, not a directory"
    differs = _owner_and_mode(operation, entry)
    return ("needed", ", ".join(differs)) if differs else OK


def _owner_and_mode(operation, entry):
    differs = []
    if entry.mode != operation.mode:
        differs.append(f"mode {entry.mode:o}, not {operation.mode:o}")
    if (entry.owner, entry.group) != (operation.owner, operation.group):
        differs.append(f"owner {entry.owner}:{entry.group}, not {operation.owner}:{operation.group}")
    return differs


def _user(operation, seen):
    if operation.name not in seen.users:
        return "needed", "not there"
    gid, home, shell = seen.users[operation.name]
    differs = []
    if operation.home and home != operation.home:
        differs.append(f"home {home}, not {operation.home}")
    if shell != operation.shell:
        differs.append(f"shell {shell}, not {operation.shell}")
    for group in operation.groups:
        group_gid, members = seen.groups.get(group, ("", ()))
        if operation.name not in members and group_gid != gid:
            differs.append(f"not in group {group}")
    return ("needed", ", ".join(differs)) if differs else OK


def _service(operation, unit, restarts, changing):
    differs = []
    state, enabled = unit.get("ActiveState", ""), unit.get("UnitFileState", "")
    if unit.get("LoadState", "not-found") == "not-found":
        differs.append("no such unit yet")
    else:
        if operation.enabled and enabled not in ("enabled", *NOT_OURS_TO_ENABLE):
            differs.append(enabled or "not enabled")
        if operation.enabled is False and enabled in ("enabled", "enabled-runtime"):
            differs.append("enabled")
        if operation.active and state not in ("active", "reloading"):
            differs.append(state or "not active")
        if operation.active is False and state not in ("inactive", "failed"):
            differs.append(state)
    if unit.get("NeedDaemonReload") == "yes":
        differs.append("its unit file changed")
    causes = [key for key in operation.restart_for if key in changing]
    if causes or operation.unit in restarts:
        differs.append(f"to be restarted{' for ' + ', '.join(causes) if causes else ''}")
    return ("needed", ", ".join(differs)) if differs else OK


def holds(device):
    """What a block device holds, in words; empty for a blank one. `device`: the lines of `found`, by name."""
    words = []
    if "TYPE" in device:
        words.append(f"{device['TYPE']} ({device.get('USAGE', 'unknown use')})")
    if "PTTYPE" in device:
        words.append(f"a {device['PTTYPE']} partition table")
    for name, text in (
        ("SIGNATURE", "a signature of {}"),
        ("PART", "partitions ({})"),
        ("USER", "a layer in use ({})"),
        ("BYTES", "unknown bytes in its {} MiB"),
        ("UNCLEAR", "something unclear: {}"),
    ):
        if name in device:
            words.append(text.format(device[name]))
    others = {"NUMBER", "TYPE", "USAGE", "PTTYPE"}
    if not words and set(device) - others:
        words.append("something unclear: " + ", ".join(sorted(set(device) - others)))
    return " and ".join(words)


def _filesystem(operation, device):
    if not device:
        return "needed", "the device is not there yet"
    held = holds(device)
    if device.get("TYPE") == operation.type and device.get("USAGE") == "filesystem" and "PTTYPE" not in device:
        return OK
    if held:
        return "refused", f"it holds {held}: left untouched. Look at it, and empty it yourself if nothing on it counts"
    if not operation.blank:
        return "refused", "it looks blank, but nobody said so (a volume made from a snapshot?): left untouched"
    return "needed", "blank"


def _mounted(operation, seen):
    device = seen.devices.get(operation.device)
    if not device:
        return "needed", "the device is not there yet"
    if "TYPE" in device and device["TYPE"] != operation.type:
        return "refused", f"the device holds {holds(device)}, not {operation.type}"
    number = seen.mounts.get(operation.path)
    if number and number != device["NUMBER"]:
        return "refused", f"another device ({number}) is mounted there: unmount it first"
    differs = [] if number else ["not mounted"]
    if seen.fstab.get(operation.path) != (f"UUID={device.get('UUID')}", operation.type, operation.options):
        differs.append("not so in /etc/fstab")
    return ("needed", ", ".join(differs)) if differs else OK


def wants_diff(operation, state, seen):
    """True if the file's present content is worth asking for: it is there, regular, differs and hides no secret."""
    return (
        isinstance(operation, File)
        and state == "needed"
        and not secrets_of(operation)
        and operation.path in seen.sums
        and seen.sums[operation.path] != sha256(as_bytes(operation.content)).hexdigest()
    )


def difference(operation, before):
    """A unified diff of a File from its content `before` (bytes); "" for one that is no text or holds a secret."""
    if secrets_of(operation):
        return ""
    try:
        old, new = before.decode(), as_bytes(operation.content).decode()
    except UnicodeDecodeError:
        return ""
    if "\0" in old or "\0" in new:
        return ""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), operation.path, operation.path, lineterm=""))
    if len(lines) > LONGEST_DIFF:
        lines[LONGEST_DIFF:] = [f"... {len(lines) - LONGEST_DIFF} more lines"]
    return "\n".join(lines)
