"""Everything the endpoint acknowledged, in one file that is replaced in one move.

moto's backends go into one joint pickle, because they hold each other's objects (a volume its key, an instance its
profile): separate files would split what is one. The file's first line names the versions that wrote it; another
version refuses it, since moto's classes are the format.
"""

import collections
import copyreg
import importlib
import io
import json
import marshal
import os
import pickle
import platform
import threading
import types
from importlib import metadata

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

FORMAT = 1
AWAY = "take this cloud away with `fab local cloud.destroy`"
SERVICES = ("ec2", "rds", "cloudwatch", "secretsmanager", "ssm", "iam", "sts", "kms", "s3", "resourcegroupstaggingapi")

_LOCKS = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}


class Unreadable(Exception):
    """The saved state cannot be used; the message says why, and what to do."""


def stamp():
    """What a state file must have been written by to be read here."""
    return {"format": FORMAT, "moto": metadata.version("moto"), "python": platform.python_version_tuple()[:2]}


def write(path, keep):
    """Put moto's backends and the dict `keep` into `path`, readable by its owner only. OSError when it cannot be."""
    from moto.backends import get_backend

    buffer = io.BytesIO()
    buffer.write(json.dumps(stamp()).encode() + b"\n")
    rows = {name: [tuple(row) for row in get_backend(name).iter_backends()] for name in SERVICES}
    _Pickler(buffer, protocol=5).dump((rows, keep))
    beside = path.with_suffix(".new")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)  # a full disk is not helped by half a file
        raise


def read(path):
    """Put what `write` wrote back into moto, and return its `keep`; {} when nothing was saved. Raises Unreadable."""
    from moto.backends import get_backend

    if not path.exists():
        return {}
    with open(path, "rb") as file:
        _check(path, file.readline())
        try:
            rows, keep = pickle.load(file)
        except (pickle.UnpicklingError, EOFError, AttributeError, ImportError) as error:
            raise Unreadable(f"{path} is damaged ({error}): {AWAY}") from error
    for name, backends in rows.items():
        store = get_backend(name)
        for account, region, backend in backends:
            dict.__setitem__(store[account], region, backend)
    return keep


def _check(path, line):
    try:
        found = json.loads(line)
    except ValueError as error:
        raise Unreadable(f"{path} is damaged: {AWAY}") from error
    wanted = json.loads(json.dumps(stamp()))
    if found != wanted:
        raise Unreadable(
            f"{path} was written by {_say(found)}, and this is {_say(wanted)}: run the version that wrote it, or {AWAY}"
        )


def _say(found):
    python = ".".join(found.get("python", ["?"]))
    return f"format {found.get('format')} with moto {found.get('moto')} on Python {python}"


class _Pickler(pickle.Pickler):
    """What moto's objects hold that pickle does not know: private keys, locks, dicts with their own constructor."""

    def reducer_override(self, value):
        if isinstance(value, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            pem = value.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            return _private_key, (pem,)
        if type(value) in _LOCKS:
            return _LOCKS[type(value)], ()
        if isinstance(value, collections.defaultdict) and type(value) is not collections.defaultdict:
            return copyreg.__newobj__, (type(value),), value.__dict__, None, iter(value.items())
        if isinstance(value, types.FunctionType) and "<locals>" in value.__qualname__ and not value.__closure__:
            return _function, (marshal.dumps(value.__code__), value.__module__)
        return NotImplemented


def _private_key(pem):
    return serialization.load_pem_private_key(pem, None)


def _function(code, module):
    """A function without a closure that was made inside another (moto keeps some as defaults)."""
    return types.FunctionType(marshal.loads(code), importlib.import_module(module).__dict__)
