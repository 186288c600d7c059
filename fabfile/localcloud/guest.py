"""What makes one machine out of an image: its name, keys, environment and user data, written over the image's files."""

import os
import shutil
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from .drivers import DriverError

INSTANCE = "var/lib/cloud/instance"


def furnish(upper, lower, spec):
    """Write the files of the machine `spec` into `upper`, the writable layer over the folders `lower`.

    Raises DriverError if the image has no such login.
    """
    disk = _Disk(upper, lower)
    disk.write("etc/hostname", f"{spec.hostname}\n")
    disk.write("etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {spec.hostname}\n::1 localhost\n")
    for kind, key in (("ed25519", ed25519.Ed25519PrivateKey.generate()), ("ecdsa", ec.generate_private_key(_P256))):
        private, public = _key_pair(key)
        disk.write(f"etc/ssh/ssh_host_{kind}_key", private, 0o600)
        disk.write(f"etc/ssh/ssh_host_{kind}_key.pub", f"{public} root@{spec.hostname}\n")
    _environment(disk, spec.environment)
    if spec.authorized_keys:
        _admit(disk, spec.login, spec.authorized_keys)
    if spec.user_data:
        disk.write(f"{INSTANCE}/user-data.txt", spec.user_data, 0o600)


_P256 = ec.SECP256R1()


def _key_pair(key):
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private, public.decode()


def _environment(disk, environment):
    """For every unit by its manager, for every login by PAM."""
    units = " ".join(f'"{name}={_escaped(value)}"' for name, value in environment.items())
    disk.write("etc/systemd/system.conf.d/environment.conf", f"[Manager]\nDefaultEnvironment={units}\n")
    disk.write("etc/environment", "".join(f'{name}="{value}"\n' for name, value in environment.items()))


def _escaped(value):
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def _admit(disk, login, keys):
    user, group, home = disk.account(login)
    for folder in (home, f"{home}/.ssh"):
        disk.folder(folder)
        os.chown(disk.upper / folder, user, group)
        (disk.upper / folder).chmod(0o700)
    disk.write(f"{home}/.ssh/authorized_keys", "".join(f"{key.strip()}\n" for key in keys), 0o600, (user, group))


class _Disk:
    """The writable layer; a folder made in it looks as it does below, since it hides the mode and owner there."""

    def __init__(self, upper, lower):
        self.upper = upper
        self.lower = lower

    def folder(self, path):
        """Make the folder and those above it."""
        for part in [*reversed(Path(path).parents), Path(path)]:
            if (self.upper / part).is_dir():
                continue
            (self.upper / part).mkdir()
            if below := next((layer / part for layer in self.lower if (layer / part).is_dir()), None):
                shutil.copystat(below, self.upper / part)
                os.chown(self.upper / part, below.stat().st_uid, below.stat().st_gid)

    def write(self, path, content, mode=0o644, owner=(0, 0)):
        """Write a whole file; it never stands there with more rights than it shall have."""
        self.folder(Path(path).parent)
        file = self.upper / path
        file.unlink(missing_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
            handle.write(content.encode() if isinstance(content, str) else content)
        os.chown(file, *owner)
        file.chmod(mode)

    def account(self, login):
        """(user id, group id, home folder from the root) of a login of the image."""
        passwd = next(layer / "etc/passwd" for layer in self.lower if (layer / "etc/passwd").exists())
        for line in passwd.read_text().splitlines():
            name, _, user, group, _, home, _ = line.split(":")
            if name == login:
                return int(user), int(group), home.lstrip("/")
        raise DriverError(f"the image has no login {login}")
