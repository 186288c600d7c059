"""Real block devices: only a proven blank one is ever formatted, whatever else one holds is named and left as it is."""

import hashlib
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from fabfile.engine.operations import Command, File, Filesystem, Mounted

pytestmark = pytest.mark.hosts

MIB = 1 << 20
NAME = "hydra-test-filesystems"  # in each image's path, so that what a killed run left is found again


@pytest.fixture(scope="module", autouse=True)
def clean():
    """Take away what a run that was killed half way left behind."""
    _clean()
    yield
    _clean()


@pytest.fixture
def fstab():
    """This machine's own /etc/fstab, put back as it was."""
    path = Path("/etc/fstab")
    before = path.read_bytes() if path.exists() else b""
    yield path
    path.write_bytes(before)


@pytest.fixture
def device(tmp_path):
    """A function that makes a loop device of a sparse file, filled by another function that is given its path."""
    made = []

    def make(fill=None, size=64 * MIB):
        path = tmp_path / f"{NAME}-{len(made)}.img"
        with open(path, "wb") as image:
            image.truncate(size)
        if fill:
            fill(path)
        made.append(_run("losetup", "--find", "--show", str(path)).strip())
        return made[-1]

    yield make
    for name in made:
        _unmount(name)
        _run("losetup", "--detach", name)


def _run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout


def _unmount(name):
    while subprocess.run(["findmnt", "--source", name], capture_output=True).returncode == 0:
        _run("umount", name)


def _clean():
    for line in _run("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE").splitlines():
        name, _, path = line.partition(" ")
        if NAME in path:
            _unmount(name)
            _run("losetup", "--detach", name)


def _write(at, data):
    def fill(path):
        with open(path, "r+b") as image:
            image.seek(at, 2 if at < 0 else 0)
            image.write(data)

    return fill


def _lvm(path):
    """A physical volume's label as LVM writes it: its sum is LVM's own kind of CRC-32."""
    body = struct.pack("<I8s", 32, b"LVM2 001").ljust(512 - 20, b"\0")
    total = zlib.crc32(body, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
    _write(512, b"LABELONE" + struct.pack("<QI", 1, total) + body)(path)


def _partitions(path):
    """A DOS partition table with one partition."""
    entry = bytes([0, 0, 2, 0, 0x83, 0, 0, 0]) + struct.pack("<II", 2048, 100000)
    _write(446, entry.ljust(64, b"\0") + b"\x55\xaa")(path)


def _xfs(path):
    with open(path, "r+b") as image:
        image.truncate(320 * MIB)
    _run("mkfs.xfs", "-q", str(path))


def _sum(name):
    with open(name, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (_xfs, "xfs (filesystem)"),
        (_lvm, "LVM2_member (raid)"),
        (lambda path: _run("mkswap", str(path)), "swap (other)"),
        (_write(0, b"LUKS\xba\xbe\x00\x01".ljust(592, b"\1")), "crypto_LUKS (crypto)"),
        (_partitions, "a dos partition table"),
        (_write(70_000, b"somebody's data"), "unknown bytes in its first MiB"),
        (_write(-5, b"data!"), "unknown bytes in its last MiB"),
    ],
    ids=["xfs", "lvm", "swap", "luks", "partitions", "first", "last"],
)
def test_a_device_that_holds_something_is_refused_named_and_untouched(stone, pool, device, tmp_path, fill, said):
    name = device(fill)
    before = _sum(name)
    operations = [Filesystem(name, blank=True), File(f"{tmp_path}/after", "x")]

    looked, made = pool.facts(stone.host, operations), pool.apply(stone.host, operations)

    assert looked[0].state == made[0].state == "refused"
    assert f"it holds {said}: left untouched" in made[0].detail
    assert not (tmp_path / "after").exists()
    assert _sum(name) == before


def test_a_blank_device_nobody_vouches_for_is_left_blank(stone, pool, device):
    name = device()

    assert pool.apply(stone.host, [Filesystem(name)])[0].state == "refused"
    assert _run("wipefs", "--no-act", name) == ""


def test_a_blank_device_is_formatted_and_mounted_once(stone, pool, device, fstab, tmp_path):
    name = device()
    operations = [Filesystem(name, blank=True), Mounted(f"{tmp_path}/volume", name)]

    first = pool.apply(stone.host, operations)
    (tmp_path / "volume/kept").write_text("kept")
    second = pool.apply(stone.host, operations)

    assert [outcome.state for outcome in first] == ["changed", "changed"]
    assert [outcome.state for outcome in second] == ["ok", "ok"]
    uuid = _run("blkid", "-p", "-s", "UUID", "-o", "value", name).strip()
    assert f"UUID={uuid} {tmp_path}/volume ext4 defaults,nofail 0 2\n" in fstab.read_text()
    assert _run("findmnt", "-no", "SOURCE", f"{tmp_path}/volume").strip() == name
    assert (tmp_path / "volume/kept").read_text() == "kept"


def test_a_device_that_has_the_wanted_file_system_is_kept_without_anybodys_word(stone, pool, device):
    name = device(lambda path: _run("mkfs.ext4", "-q", str(path)))
    before = _sum(name)

    assert pool.apply(stone.host, [Filesystem(name)])[0].state == "ok"
    assert _sum(name) == before


def test_what_appeared_since_the_look_is_seen_by_the_second_proof(stone, pool, device, tmp_path):
    name = device()
    operations = [
        Command("somebody else is faster", f"printf other-data >{name}; touch {tmp_path}/x", f"test -e {tmp_path}/x"),
        Filesystem(name, blank=True),
    ]

    outcomes = pool.apply(stone.host, operations)

    assert [outcome.state for outcome in outcomes] == ["changed", "refused"]
    with open(name, "rb") as opened:
        assert opened.read(10) == b"other-data"


def test_another_mount_in_the_way_is_refused(stone, pool, device, fstab, tmp_path):
    first, second = (device(lambda path: _run("mkfs.ext4", "-q", str(path))) for _ in range(2))
    pool.apply(stone.host, [Mounted(f"{tmp_path}/volume", first)])

    outcome = pool.apply(stone.host, [Mounted(f"{tmp_path}/volume", second)])[0]

    assert outcome.state == "refused"
    assert "another device" in outcome.detail


def test_other_options_change_fstab_and_the_mount_in_place(stone, pool, device, fstab, tmp_path):
    name = device(lambda path: _run("mkfs.ext4", "-q", str(path)))
    pool.apply(stone.host, [Mounted(f"{tmp_path}/volume", name)])

    outcome = pool.apply(stone.host, [Mounted(f"{tmp_path}/volume", name, options="defaults,nofail,noatime")])[0]

    assert outcome.state == "changed"
    assert fstab.read_text().count(f"{tmp_path}/volume") == 1
    assert "noatime" in _run("findmnt", "-no", "OPTIONS", f"{tmp_path}/volume")
