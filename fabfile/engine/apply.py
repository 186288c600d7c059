"""The change of a machine: one shell script for all that is needed, and one archive with the files it puts in place."""

import io
import tarfile
import zlib
from itertools import takewhile
from shlex import quote

from .facts import FOUND, MARK, RESTARTS
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
)

RELOAD = f"{RESTARTS}.reload"  # there while systemd has yet to read a changed unit file
UNIT_FILES = ("/etc/systemd/", "/run/systemd/", "/usr/lib/systemd/", "/lib/systemd/")
REFUSED = 77  # how a step ends that will not do it
TAIL = 20  # lines of output kept of a step that failed
APPLIED = "applied"

# Shell that stands before the steps. `try` runs one step's function in a subshell, so that `set -e` ends just that
# step, and keeps its output; after the first failure the rest is not tried. A lock keeps two runs apart; its file is
# closed for the steps, or a daemon they start would hold it for ever.
BEFORE = (
    r"""
umask 022
mkdir -p /run/hydra/restart
exec 9>/run/hydra/lock
flock -w 900 9 || { echo "another run has been changing this machine for 15 minutes" >&2; exit 1; }
S=/run/hydra/stage
trap 'rm -rf /run/hydra/stage' EXIT
trap 'exit 1' HUP INT PIPE TERM
rm -rf "$S"
mkdir -m 700 "$S"
go=y
try() {
  [ -n "$go" ] || return 0
  echo "begin $1"
  in=/dev/null
  [ ! -e "$S/$1" ] || in=$S/$1
  (set -e; "step$1") <"$in" >"$S/out" 2>&1 9>&-
  rc=$?
  if [ $rc -eq 0 ]; then echo "done $1"; return; fi
  go=
  echo "failed $1 $rc"
  tail -c 8000 "$S/out" | tail -n TAIL | sed 's/^/| /'
}
fetch() {
  n=0
  until apt-get -q update >"$S/update" 2>&1; do
    n=$((n + 1))
    if [ $n -gt 60 ] || ! grep -q 'Could not get lock' "$S/update"; then cat "$S/update"; return 1; fi
    sleep 2
  done
  : >/run/hydra/updated
}
install_all() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install -- "$@" </dev/null
}
settle() {
  n=0
  while [ ! -b "$1" ]; do
    n=$((n + 1))
    if [ $n -gt 60 ]; then echo "$1 did not appear in 30 s: is the volume attached?"; exit 1; fi
    sleep 0.5
  done
}
journal() { journalctl -u "$1" -n 15 -o cat --no-pager 2>/dev/null; exit 1; }
""".replace("TAIL", str(TAIL))
    + FOUND
)


def change(operations, needed):
    """The script that makes the operations at the positions `needed` so, and the archive (bytes) it reads after that.

    For each it prints `begin N`, then `done N` or `failed N CODE` (and the output's last lines); then the facts anew.
    """
    needed = sorted(needed)
    restarts = _restarts(operations)
    steps, calls = [], []
    for position in needed:
        operation, together = operations[position], [operations[position]]
        if isinstance(operation, Package):
            if calls and isinstance(operations[calls[-1]], Package):
                continue
            together = [operations[other] for other in packages_with(operations, needed, position)]
            body = _packages([package.name for package in together])
        else:
            body = _step(operation)
        before = "".join(f": >{path}\n" for one in together for path in _remember(one, restarts))
        steps.append(f"step{position}() {{\n{before}{body}\n}}")
        calls.append(position)
    archive = _archive(operations, calls)
    unpack = f'head -c {len(archive)} | tar -xzf - -C "$S" --no-same-owner || exit 1' if archive else ""
    lines = [BEFORE, *steps, unpack, f"echo '{MARK}{APPLIED}'", *(f"try {position}" for position in calls)]
    # The lock and the staged files go before the facts are asked again.
    after = ['rm -rf "$S"', "trap - EXIT HUP INT PIPE TERM", "exec 9>&-", "facts", ""]
    return "\n".join([*lines, *after]), archive


def packages_with(operations, needed, first):
    """The positions of the needed packages installed by one apt-get with the one at `first`: up to the next other."""
    needed = [position for position in sorted(needed) if position >= first]
    return list(takewhile(lambda position: isinstance(operations[position], Package), needed))


def _restarts(operations):
    """For each operation's key the units to be restarted when it changes."""
    found = {}
    for operation in operations:
        if isinstance(operation, Service):
            for key in operation.restart_for:
                found.setdefault(key, []).append(operation.unit)
    return found


def _remember(operation, restarts):
    """The marks to leave before an operation is tried, so that a run cut off after it still restarts its services."""
    marks = [quote(f"{RESTARTS}/{unit}") for unit in restarts.get(operation.key, ())]
    if isinstance(operation, (File, Link, Absent)) and operation.path.startswith(UNIT_FILES):
        marks.append(RELOAD)
    return marks


def _archive(operations, positions):
    """A compressed archive of what the operations at these positions put in place or read, each named by position."""
    found = [(position, _payload(operations[position])) for position in positions]
    found = [(position, data) for position, data in found if data is not None]
    if not found:
        return b""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for position, data in found:
            member = tarfile.TarInfo(str(position))
            member.size, member.mode = len(data), 0o600
            tar.addfile(member, io.BytesIO(data))
    packer = zlib.compressobj(wbits=31)
    return packer.compress(archive.getvalue()) + packer.flush()


def _payload(operation):
    if isinstance(operation, File):
        return as_bytes(operation.content)
    if isinstance(operation, Command) and operation.input is not None:
        return as_bytes(operation.input)
    return None


def _step(operation):
    """The shell text that makes one operation so (packages apart: they go together)."""
    match operation:
        case Directory(path, owner, group, mode):
            return f"install -d -o {quote(owner)} -g {quote(group)} -m {mode:o} -- {quote(path)}"
        case File(path, _, owner, group, mode):
            new = quote(_beside(path))
            # The staged content is this step's standard input.
            return (
                f"{_parents(path)}\nrm -f -- {new}\n"
                f"install -T -o {quote(owner)} -g {quote(group)} -m {mode:o} /dev/stdin {new}\n"
                f"mv -fT -- {new} {quote(path)}"
            )
        case Link(path, target):
            new = quote(_beside(path))
            return f"{_parents(path)}\nln -sfnT -- {quote(target)} {new}\nmv -fT -- {new} {quote(path)}"
        case Absent(path, tree):
            return f"rm {'-rf --one-file-system' if tree else '-f'} -- {quote(path)}"
        case User():
            return _user(operation)
        case Service():
            return _service(operation)
        case Filesystem():
            return _filesystem(operation)
        case Mounted():
            return _mounted(operation)
        case Command():
            silent = " >/dev/null 2>&1" if operation.secret else ""
            return f"eval {quote(operation.run)}{silent}"
    raise TypeError(f"{operation!r} is not a host operation")


def _parents(path):
    """A shell line that makes the folders above a path if they are missing."""
    folder = quote(path.rpartition("/")[0] or "/")
    return f"[ -d {folder} ] || mkdir -p -- {folder}"


def _beside(path):
    """Where the new one is made before it takes the place of the old one in one move."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.hydra"


def _packages(names):
    words = " ".join(quote(name) for name in names)
    # A run killed inside dpkg leaves it asking for `--configure -a`.
    return rf"""
DEBIAN_FRONTEND=noninteractive dpkg --configure -a --force-confdef --force-confold </dev/null
fresh=$(find /run/hydra/updated /var/lib/apt/lists -maxdepth 1 -cmin -1440 \( -name updated -o -name '*_Packages*' \) \
  -print -quit 2>/dev/null) || :
[ -n "$fresh" ] || fetch
if install_all {words} >"$S/apt" 2>&1; then exit 0; fi
if grep -qE 'Unable to locate package|no installation candidate|Failed to fetch' "$S/apt" && [ -n "$fresh" ]; then
  fetch
  install_all {words}
else
  cat "$S/apt"
  exit 1
fi"""


def _user(user):
    name, shell = quote(user.name), quote(user.shell)
    groups = quote(",".join(user.groups))
    made = [f"getent group {quote(group)} >/dev/null || groupadd --system {quote(group)}" for group in user.groups]
    kind = "--system --no-create-home" if user.system else "--create-home" if user.home else "--no-create-home"
    home = f"--home-dir {quote(user.home or '/nonexistent')}"
    member = f"--groups {groups}" if user.groups else ""
    moved = f"--home {quote(user.home)}" if user.home else ""
    added = f"--append --groups {groups}" if user.groups else ""
    return "\n".join(
        [
            *made,
            f"if getent passwd {name} >/dev/null; then",
            f"  usermod --shell {shell} {moved} {added} {name}",
            f"elif getent group {name} >/dev/null; then",
            f"  useradd {kind} --gid {name} {home} --shell {shell} {member} {name}",
            "else",
            f"  useradd {kind} --user-group {home} --shell {shell} {member} {name}",
            "fi",
        ]
    )


def _service(service):
    unit, mark = quote(service.unit), quote(f"{RESTARTS}/{service.unit}")
    lines = [
        f'if [ -e {RELOAD} ] || [ "$(systemctl show -p NeedDaemonReload --value -- {unit})" = yes ]; then',
        f"  systemctl daemon-reload\n  rm -f {RELOAD}\nfi",
    ]
    if service.enabled is not None:
        lines.append(f"systemctl {'enable' if service.enabled else 'disable'} --quiet -- {unit}")
    if service.active:
        lines += [
            f"systemctl reset-failed -- {unit} 2>/dev/null || :",
            f"verb=start; if [ -e {mark} ]; then verb=restart; fi",
            f'systemctl "$verb" -- {unit} || journal {unit}',
            f"systemctl is-active --quiet -- {unit} || journal {unit}",
        ]
    elif service.active is False:
        lines.append(f"systemctl stop -- {unit}")
    else:
        lines.append(f"if [ -e {mark} ]; then systemctl try-restart -- {unit} || journal {unit}; fi")
    return "\n".join([*lines, f"rm -f {mark}"])


def _filesystem(filesystem):
    device = quote(filesystem.device)
    # The proof once more, now: what was seen a second ago may not be so any longer.
    return f"""
settle {device}
d=$(readlink -f -- {device})
held=$(found "$d")
case "$(printf '%s\\n' "$held" | sed -n 's/^TYPE=//p')" in {filesystem.type}) exit 0;; esac
if [ -n "$held" ]; then printf 'it holds\\n%s\\nleft untouched\\n' "$held"; exit {REFUSED}; fi
{"" if filesystem.blank else f"echo 'it looks blank, but nobody said so: left untouched'; exit {REFUSED}"}
mkfs -t {filesystem.type} {"-q -m 0" if filesystem.type == "ext4" else "-q"} "$d" </dev/null
udevadm settle --timeout=10 2>/dev/null || :"""


def _mounted(mounted):
    path, device = quote(mounted.path), quote(mounted.device)
    # Mounted by its device now: a fresh UUID may not be known to udev yet.
    return f"""
settle {device}
uuid=$(blkid -p -s UUID -o value -- "$(readlink -f -- {device})")
mkdir -p -- {path}
touch /etc/fstab
awk -v path={path} '$1 ~ /^#/ || $2 != path' /etc/fstab >/etc/.fstab.hydra
printf '%s %s %s %s 0 2\\n' "UUID=$uuid" {path} {mounted.type} {quote(mounted.options)} >>/etc/.fstab.hydra
chmod 644 /etc/.fstab.hydra
if mountpoint -q -- {path}; then
  if [ "$(mountpoint -d -- {path})" != "$(stat -Lc %Hr:%Lr -- {device})" ]; then
    echo "another device is mounted there: unmount it first"
    exit {REFUSED}
  fi
  mount -o remount,{quote(mounted.options)} -- {path}
else
  mount -t {mounted.type} -o {quote(mounted.options)} -- "$(readlink -f -- {device})" {path}
fi
mv -f /etc/.fstab.hydra /etc/fstab
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi"""
