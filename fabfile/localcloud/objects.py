"""S3's objects: moto keeps the records, each body is a file beside the state, so that saving does not write them again.

A body is never changed: what is put anew is a new file. Files that no saved object names are removed only after the
state without them is on disk, so that a kill at any moment leaves each object whole.
"""

import hashlib
import os
import threading
import uuid

from moto.kms import kms_backends
from moto.s3 import models, utils

from .cloud import ACCOUNT, REGION
from .simpledb.sinks import Undeliverable

NO_BUCKET = "An error occurred during the export. The specified Amazon S3 bucket does not exist."
NOT_YOURS = "Export failed due to insufficient access to the Amazon S3 bucket."
_KEY_STATES = {  # of KMS: what makes an export fail
    "Disabled": ("KmsDisabledException", "The specified KMS key is disabled."),
    "PendingDeletion": ("KmsInvalidStateException", "The specified KMS key is in an invalid state."),
    "PendingImport": ("KmsInvalidStateException", "The specified KMS key is in an invalid state."),
}


def install(cloud):
    """Let moto's S3 keep its bodies in the folder "objects" of the cloud's home. Returns the Bodies."""
    Key.bodies = Bodies(cloud.place.home / "objects")
    models.FakeKey, models._VersionedKeyStore = Key, Versions
    return Key.bodies


class Versions(utils._VersionedKeyStore):
    """moto's objects of one bucket, with all their versions; pickled as it is, it would keep the last ones only."""

    def __reduce__(self):
        return _versions, (list(self.lists()),)


def _versions(lists):
    store = Versions()
    for key, versions in lists:
        store.setlist(key, versions)
    return store


class Key(models.FakeKey):
    """moto's record of one object, or of one part of an upload.

    `body` names the file, `start` is where in it the body begins, `digest` its MD5.
    """

    bodies = None

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        if self.multipart:
            self._share(self.multipart)

    @property
    def value(self):
        return self.bodies.read(self.body, self.start, self.contentsize)

    @value.setter
    def value(self, new):
        new = new.encode() if isinstance(new, str) else bytes(new)
        self.body, self.start, self.contentsize = self.bodies.add(new), 0, len(new)
        self.digest = hashlib.md5(new, usedforsecurity=False).hexdigest()

    def _share(self, upload):
        """Let the parts that this object was made of be pieces of its own file: they can still be asked for."""
        parts = [upload.parts[number] for number in upload.partlist]
        if sum(part.contentsize for part in parts) == self.contentsize:  # or some were left out
            start = 0
            for part in parts:
                part.body, part.start = self.body, start
                start += part.contentsize

    @property
    def etag(self):
        return f'"{self._etag or self.digest}"'

    def __getstate__(self):
        self.bodies.name(self.body)
        return {name: value for name, value in self.__dict__.items() if name not in ("_value_buffer", "lock")}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.lock = threading.Lock()
        self.bodies.name(self.body)

    def dispose(self, garbage=False):
        """Nothing: the file goes when no saved state names it any more."""


class Bodies:
    """The files, one for each body, whose names nobody chooses."""

    def __init__(self, folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._named, self._lock = set(), threading.Lock()

    def add(self, body):
        """Store bytes; returns their file's name. OSError when the disk is full."""
        name = uuid.uuid4().hex
        try:
            with open(self.folder / name, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            (self.folder / name).unlink(missing_ok=True)
            raise
        return name

    def read(self, name, start, size):
        """A piece of a file."""
        with open(self.folder / name, "rb") as file:
            file.seek(start)
            return file.read(size)

    def name(self, name):
        """Say that the state names this file: while it is written, or read."""
        with self._lock:
            self._named.add(name)

    def settle(self):
        """After the state was written or read: remove the files that it did not name."""
        with self._lock:
            named, self._named = self._named, set()
        for path in self.folder.iterdir():
            if path.name not in named:
                path.unlink(missing_ok=True)

    def begin(self):
        """Before the state is written: forget what the last one named."""
        with self._lock:
            self._named = set()


class Buckets:
    """Where SimpleDB's exports go in the local cloud; a sink as in simpledb/sinks.py."""

    def __init__(self, cloud):
        self.cloud = cloud

    def put(self, target, key, body):
        """Store one object, saved when this returns. Raises Undeliverable."""
        backend = models.s3_backends[ACCOUNT]["aws"]
        with self.cloud.change() as change:
            change.needed = False
            if target.bucket not in backend.buckets:
                raise Undeliverable("S3NoSuchBucket", NO_BUCKET)
            if target.owner not in (None, ACCOUNT):
                raise Undeliverable("S3InvalidBucketOwnerAWSAccountID", NOT_YOURS)
            encryption = {"AES256": "AES256", "KMS": "aws:kms"}.get(target.algorithm)
            if target.kms_key:
                _check_key(target.kms_key)
            change.needed = True
            backend.put_object(target.bucket, key, body, encryption=encryption, kms_key_id=target.kms_key)


def _check_key(name):
    backend = kms_backends[ACCOUNT][REGION]
    try:
        key = backend.describe_key(name)
    except (KeyError, AttributeError, TypeError) as error:  # moto's ways to say that it knows no such id or alias
        raise _kms("KmsNotFoundException", "The specified KMS key does not exist.") from error
    if key.key_state in _KEY_STATES:
        raise _kms(*_KEY_STATES[key.key_state])
    if key.key_usage not in ("", None, "ENCRYPT_DECRYPT"):  # moto notes only what was asked for
        raise _kms("KmsInvalidKeyUsageException", "The expected KMS key usage is ENCRYPT_DECRYPT.")


def _kms(code, sentence):
    return Undeliverable(code, f"An error occurred during the export. {sentence}")
