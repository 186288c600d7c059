"""Files on their way to a machine: packed as one compressed stream, and the shell text that receives it."""

import gzip
import io
import os
import shutil
import tarfile
from pathlib import Path
from shlex import quote

FILE = "file"  # the one member's name when a single file is sent
PIECE = 1 << 18  # bytes handed on at once
GZIP = b"\x1f\x8b"  # how gzipped data begins
LEFT_OUT = ("__pycache__", ".git")


class _Pipe(io.RawIOBase):
    """A file that hands all that is written on to a function, in pieces of some size."""

    def __init__(self, send):
        self._send, self._kept = send, bytearray()

    def writable(self):
        return True

    def write(self, data):
        self._kept += data
        if len(self._kept) >= PIECE:
            self.flush()
        return len(data)

    def flush(self):
        if self._kept:
            data, self._kept = bytes(self._kept), bytearray()
            self._send(data)


def packed(source, send, unpack=False):
    """Hand a folder, a file (paths) or bytes to `send`, piece by piece, as a gzipped tar.

    With `unpack` the source is a tar archive already, and is only compressed, if it is not.
    """
    pipe = _Pipe(send)
    if not unpack:
        with gzip.GzipFile(fileobj=pipe, mode="wb", compresslevel=4, mtime=0) as packer:
            _pack(source, packer)
    else:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as archive:
            zipped = archive.read(2) == GZIP
            archive.seek(0)
            if zipped:
                shutil.copyfileobj(archive, pipe, PIECE)
            else:
                with gzip.GzipFile(fileobj=pipe, mode="wb", compresslevel=4, mtime=0) as packer:
                    shutil.copyfileobj(archive, packer, PIECE)
    pipe.flush()


def _pack(source, packer):
    with tarfile.open(fileobj=packer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        if isinstance(source, bytes):
            member = tarfile.TarInfo(FILE)
            member.size = len(source)
            tar.addfile(member, io.BytesIO(source))
        elif Path(source).is_dir():
            for name in sorted(os.listdir(source)):
                tar.add(Path(source, name), name, filter=_ours)
        else:
            tar.add(Path(source).resolve(), FILE, filter=_ours)


def _ours(member):
    """A member of the archive without the names of this machine's users; None for what is left out."""
    if member.name.rpartition("/")[2] in LEFT_OUT:
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def receiver(target, owner, mode, folder):
    """The shell text that unpacks such a stream from its input beside `target`, and then moves it there."""
    path, who = target.rstrip("/"), quote(owner)
    new, old = quote(f"{path}.hydra-new"), quote(f"{path}.hydra-old")
    path = quote(path)
    lines = [
        "set -e; umask 022",
        f'mkdir -p -- "$(dirname -- {path})"',
        f"rm -rf -- {new} {old}; mkdir -- {new}",
        f"tar -xzf - --no-same-owner -C {new}",
        # the group too: the owner's own
        f"chown -R -h {who}: -- {new}",
    ]
    if folder:
        lines += [f"if [ -e {path} ]; then mv -T -- {path} {old}; fi", f"mv -T -- {new} {path}", f"rm -rf -- {old}"]
    else:
        lines += [f"chmod {mode:o} -- {new}/{FILE}", f"mv -fT -- {new}/{FILE} {path}", f"rmdir -- {new}"]
    return "\n".join(lines)
