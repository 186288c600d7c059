"""Where exports are written: a sink takes objects by bucket and key, as S3 does.

A sink is any object with `put(target, key, body)`: `target` is the export's Target, `body` bytes; an object of the same
key is replaced. It raises Undeliverable when the object cannot be stored. The local cloud's sink is its S3; alone,
SimpleDB has a folder.
"""

import os
from pathlib import Path


class Undeliverable(Exception):
    """An object cannot be stored; `code` and `message` become the export's failureCode and failureMessage."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Folder:
    """Writes below `folder`/BUCKET/KEY. There is no S3 to ask, so every bucket is taken to be there."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def put(self, target, key, body):
        """Store one object; it is there whole or not at all."""
        path = self.folder.joinpath(target.bucket, *key.split("/"))
        if not path.resolve().is_relative_to(self.folder.resolve() / target.bucket):
            raise Undeliverable("S3AccessDenied", "Export failed due to insufficient access to the Amazon S3 bucket.")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        try:
            with open(beside, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
