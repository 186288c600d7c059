#!/usr/bin/python3
"""Makes Redis's files whole after a power cut, before Redis reads them: `hydra-redis-mend /volume/redis`.

What was appended within the last second may be there in part, or as zeros: ext4 can write a file's new length before
its last page. Redis takes a last write that is unfinished, but no zeros, and neither in a file that another follows: it
would not start until somebody mends its files by hand. So this cuts off what is no whole command at the end of a file,
and all that came after it, so that Redis is as it was at one moment. What is cut off is kept in the folder `cut`.

It changes nothing unless a power cut explains all that it finds.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

LARGEST = 16 << 20  # bytes of one command, at most, that may be unfinished
SECONDS = 10  # within which the files after a damaged one must have been written


def mend(folder, stamp):
    """Mend the files in `folder`, which is Redis's; returns a sentence for each thing that was done or found."""
    files = [file for file in appended(folder / "appendonlydir") if file.exists()]
    for position, file in enumerate(files):
        whole, size = whole_bytes(file), file.stat().st_size
        if whole == size:
            continue
        later = [each for each in files[position + 1 :] if each.stat().st_size]
        written = [each.stat().st_mtime for each in (file, *later)]
        if size - whole > LARGEST or max(written) - min(written) > SECONDS:
            return [f"{file} is damaged from byte {whole} of {size} on, and not by a power cut alone: left as it is"]
        # The last first: killed in between, this begins with the same damage again.
        return [cut(each, 0, folder, stamp) for each in reversed(later)] + [cut(file, whole, folder, stamp)]
    return []


def appended(folder):
    """The files that Redis appends to, in the order in which it reads them."""
    manifest = folder / "appendonly.aof.manifest"
    if not manifest.exists():
        return []
    rows = re.findall(r"^file (\S+) seq (\d+) type i$", manifest.read_text(), re.M)
    return [folder / name for name, _ in sorted(rows, key=lambda row: int(row[1]))]


def whole_bytes(file):
    """Up to where the file has whole commands, by Redis's own word."""
    if not file.stat().st_size:
        return 0
    told = subprocess.run(["redis-check-aof", str(file)], capture_output=True, text=True, check=False).stdout
    found = re.search(r"ok_up_to=(\d+)", told)
    return int(found[1]) if found else file.stat().st_size


def cut(file, whole, folder, stamp):
    """Cut the file off after so many bytes, and keep the rest; both are on the disk when this returns."""
    kept = folder / "cut" / f"{file.name}.{stamp}"
    kept.parent.mkdir(exist_ok=True)
    with open(file, "r+b") as damaged, open(kept, "wb") as rest:
        damaged.seek(whole)
        size = rest.write(damaged.read())
        rest.flush()
        os.fsync(rest.fileno())
        damaged.truncate(whole)
        os.fsync(damaged.fileno())
    return f"cut {size} bytes, which a power cut left unfinished, off {file}; they are in {kept}"


if __name__ == "__main__":
    for sentence in mend(Path(sys.argv[1]), int(time.time())):
        print(sentence)
