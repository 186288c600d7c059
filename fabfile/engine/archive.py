"""Files on their way to a machine: packed as one compressed stream, and the shell text that receives it."""

import gzip
import io
import os
import tarfile
from pathlib import Path
from shlex import quote

FILE = "file"  # the one member's name when a single file is sent
PIECE = 1 << 18  # bytes handed on at once
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
    """Send a folder, a file or bytes as a gzipped tar; with `unpack` the source is an archive, sent as it is."""
    if unpack:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as archive:
            zipped = archive.read(2) == b"\x1f\x8b"
            archive.seek(0)
            if zipped:
                while piece := archive.read(PIECE):
                    send(piece)
                return
            pipe = _Pipe(send)
            with gzip.GzipFile(fileobj=pipe, mode="wb", compresslevel=1, mtime=0) as packer:
                while piece := archive.read(PIECE):
                    packer.write(piece)
            pipe.flush()
            return
    pipe = _Pipe(send)
    with (
        gzip.GzipFile(fileobj=pipe, mode="wb", compresslevel=4, mtime=0) as packer,
        tarfile.open(fileobj=packer, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        if isinstance(source, bytes):
            member = tarfile.TarInfo(FILE)
            member.size = len(source)
            tar.addfile(member, io.BytesIO(source))
        elif Path(source).is_dir():
            for name in sorted(os.listdir(source)):
                if name not in LEFT_OUT:
                    tar.add(Path(source, name), name, filter=_ours)
        else:
            tar.add(Path(source).resolve(), FILE, filter=_ours)
    pipe.flush()


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
