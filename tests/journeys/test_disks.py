"""A volume that holds something, whatever it is, is refused in one sentence and not one of its bytes is changed."""

import hashlib
import json
import os
import subprocess

import pytest

from tests.ops.test_filesystems import MIB, _lvm

pytestmark = pytest.mark.hosts

SIZE = 10 * 1024 * MIB


def xfs(device):
    subprocess.run(["mkfs.xfs", "-q", "-f", device], check=True)


def other_bytes(device):
    write(device, 70_000, b"what somebody keeps without any file system")


def last_byte(device):
    write(device, SIZE - 1, b"!")


# How somebody else's disk was filled, and what the refusal says of it.
CONTENTS = {xfs: "xfs (filesystem)", _lvm: "LVM2_member (raid)", other_bytes: "in its first MiB", last_byte: "last MiB"}


def write(device, at, data):
    with open(device, "r+b") as disk:
        disk.seek(at)
        disk.write(data)


@pytest.fixture(scope="module")
def device(newcomer):
    """This machine's name for the stage's volume, attached by hand to the stage's machine."""
    newcomer.fab("local ec2.launch")
    newcomer.fab("local ebs.create")
    volume, machine = newcomer.volumes()[0]["VolumeId"], newcomer.machines()[0]["InstanceId"]
    newcomer.client("ec2").attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")
    (row,) = json.loads(newcomer.fab("local cloud.status --json").out)["volumes"]
    return row["backing"]["loop"]


def checksum(person):
    """Of all that was ever written to the volume, by where it stands; a hole is nothing."""
    digest = hashlib.sha256()
    with open(person.backing_file(person.volumes()[0]["VolumeId"]), "rb") as disk:
        os.fsync(disk)
        at = 0
        while at < SIZE:
            try:
                begin = os.lseek(disk.fileno(), at, os.SEEK_DATA)
            except OSError:  # no more data
                break
            at = os.lseek(disk.fileno(), begin, os.SEEK_HOLE)
            disk.seek(begin)
            data = disk.read(at - begin)
            if data.strip(b"\0"):
                digest.update(f"{begin} {len(data)} ".encode() + data)
    return digest.hexdigest()


@pytest.mark.parametrize(("fill", "said"), CONTENTS.items(), ids=lambda it: getattr(it, "__name__", ""))
def test_a_disk_that_holds_something_is_refused_and_untouched(newcomer, device, fill, said):
    write(device, 0, bytes(MIB))
    write(device, SIZE - MIB, bytes(MIB))
    fill(device)
    subprocess.run(["blockdev", "--flushbufs", device], check=True)
    before = checksum(newcomer)

    for line in ("ebs.mount", "mount_ebs_volume", "up"):
        told = newcomer.fab(f"local {line}", code=1)
        (refused,) = [row for row in told.out.splitlines() if row.startswith("✗")]
        assert said in refused and "left untouched" in refused, refused
        assert "Traceback" not in told.all
        assert len(told.err.strip().splitlines()) == 1, told.err

    subprocess.run(["blockdev", "--flushbufs", device], check=True)
    assert checksum(newcomer) == before
    assert newcomer.inside(newcomer.machines()[0]["InstanceId"])("findmnt /volume || echo nothing") == "nothing"
