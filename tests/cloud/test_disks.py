"""Volumes: found by id, kept over reboots, refused while in use, grown and copied while mounted."""

import hashlib
import signal
import subprocess
import sys

import pytest

from fabfile.localcloud import attachments
from fabfile.localcloud.disks import GIB, RealDisks
from fabfile.localcloud.drivers import Busy, DriverError

pytestmark = pytest.mark.hosts

ONE, TWO = "i-one", "i-two"
BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"


@pytest.fixture(scope="module")
def pair(ground):
    ground.boot(ONE, 10)
    ground.boot(TWO, 11)
    return ground


@pytest.fixture
def volume(pair, request):
    """A volume of 1 GiB, attached to the first machine as /dev/sdf."""
    name = f"vol-{hashlib.sha256(request.node.name.encode()).hexdigest()[:8]}"
    pair.disks.create(name, 1)
    pair.disks.attach(name, ONE, "/dev/sdf")
    yield name
    for machine in (ONE, TWO):
        if pair.machines.state(machine) == "running":
            pair.disks.detach(name, machine, force=True)
    pair.disks.delete(name)


def mount(ground, id, file_system="ext4"):
    ground.said(id, f"mkfs.{file_system} -q /dev/sdf && mkdir -p /data && mount /dev/sdf /data")


def test_a_volume_is_found_under_its_name_and_by_id(pair, volume):
    paths = f"/dev/sdf /dev/xvdf {BY_ID}{volume.replace('-', '')}"
    assert pair.said(ONE, f"readlink -f {paths}") == "/dev/xvdf\n/dev/xvdf\n/dev/xvdf"
    assert pair.said(ONE, "blockdev --getsize64 /dev/sdf; stat -Lc '%a %G' /dev/sdf") == f"{GIB}\n660 disk"


def test_a_new_volume_is_blank_and_takes_no_room(pair, volume):
    pair.said(ONE, "blkid -p /dev/sdf", code=2)
    assert pair.disks.backing(volume)["bytes"] == 0


def test_a_volume_in_fstab_is_mounted_again_after_a_reboot(pair, volume):
    mount(pair, ONE, "xfs")
    pair.said(ONE, "echo kept >/data/file; sync")
    pair.said(ONE, 'echo "UUID=$(blkid -s UUID -o value /dev/sdf) /data xfs nofail 0 2" >>/etc/fstab')
    pair.machines.reboot(ONE)
    assert pair.said(ONE, "findmnt -no SOURCE /data; cat /data/file") == "/dev/xvdf\nkept"
    pair.machines.stop(ONE)
    pair.machines.start(ONE)
    assert pair.said(ONE, "cat /data/file; sed -i '/data/d' /etc/fstab; umount /data") == "kept"


def test_a_volume_in_fstab_by_its_id_is_mounted_at_boot(pair, volume):
    mount(pair, ONE)
    pair.said(ONE, f"echo '{BY_ID}{volume.replace('-', '')} /data ext4 nofail 0 2' >>/etc/fstab")
    pair.machines.reboot(ONE)
    assert pair.said(ONE, "findmnt -no SOURCE /data; sed -i '/data/d' /etc/fstab; umount /data") == "/dev/xvdf"


def test_a_mounted_volume_is_not_detached(pair, volume):
    mount(pair, ONE)
    with pytest.raises(Busy, match=f"{volume} is still mounted on {ONE}"):
        pair.disks.detach(volume, ONE)
    assert pair.said(ONE, "umount /data; test -b /dev/sdf && echo there") == "there"


def test_a_volume_moves_to_another_machine_with_all_on_it(pair, volume):
    mount(pair, ONE)
    pair.said(ONE, "echo moved >/data/file; umount /data")
    pair.disks.detach(volume, ONE)
    pair.disks.detach(volume, ONE)
    assert pair.said(ONE, "ls /dev/sd* /dev/xvd* /dev/loop* /dev/disk/by-id 2>/dev/null", code=2) == "/dev/disk/by-id:"
    pair.disks.attach(volume, TWO, "/dev/sdg")
    assert pair.said(TWO, "mkdir -p /data; mount /dev/sdg /data; cat /data/file; umount /data") == "moved"


def test_a_volume_is_taken_by_force_though_mounted(pair, volume):
    mount(pair, ONE)
    pair.disks.detach(volume, ONE, force=True)
    assert (pair.said(ONE, "ls /data"), pair.disks.backing(volume)["loop"]) == ("", None)


def test_a_volume_of_a_lost_machine_is_free_for_another(pair, volume):
    mount(pair, ONE)
    pair.said(ONE, "echo saved >/data/file; sync")
    pair.machines.stop(ONE, force=True)
    pair.disks.detach(volume, ONE)
    pair.disks.attach(volume, TWO, "/dev/sdf")
    pair.machines.start(ONE)
    assert pair.said(TWO, "mkdir -p /data; mount /dev/sdf /data; cat /data/file; umount /data") == "saved"


def test_a_volume_hangs_on_one_machine_only_and_a_name_holds_one_volume(pair, volume):
    pair.disks.attach(volume, ONE, "/dev/sdf")
    with pytest.raises(DriverError, match=f"{volume} is attached to {ONE} already"):
        pair.disks.attach(volume, TWO, "/dev/sdf")
    pair.disks.create("vol-other", 1)
    with pytest.raises(DriverError, match=f"{ONE} has another volume as /dev/sdf"):
        pair.disks.attach("vol-other", ONE, "/dev/sdf")
    with pytest.raises(Busy, match=f"{volume} is attached to {ONE}"):
        pair.disks.delete(volume)


def test_a_mounted_volume_grows(pair, volume):
    mount(pair, ONE, "xfs")
    pair.disks.grow(volume, 2)
    pair.disks.grow(volume, 1)
    pair.said(ONE, "xfs_growfs /data")
    assert pair.said(ONE, "blockdev --getsize64 /dev/sdf") == str(2 * GIB)
    assert int(pair.said(ONE, "df --output=size -B1 /data | tail -1")) > 1.9 * GIB


def test_a_snapshot_of_a_mounted_volume_holds_one_moment(pair, volume):
    mount(pair, ONE)
    pair.said(ONE, "echo before >/data/file")
    pair.disks.snapshot(volume, "snap-1")
    pair.disks.snapshot(volume, "snap-1")
    pair.said(ONE, "echo after >/data/file; umount /data")
    pair.disks.create("vol-restored", 2, "snap-1")
    pair.disks.attach("vol-restored", TWO, "/dev/sdf")
    restored = pair.said(TWO, "mkdir -p /data; mount /dev/sdf /data; cat /data/file; umount /data")
    pair.disks.detach("vol-restored", TWO)
    pair.disks.delete("vol-restored")
    pair.disks.delete_snapshot("snap-1")
    assert restored == "before"


HOLD_STILL_AND_DIE = """
import os, signal, sys
from pathlib import Path
from fabfile.localcloud.place import Place
from fabfile.localcloud.real import drivers
disks = drivers(Place(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))[2]
with disks.still(sys.argv[4]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_system_held_still_goes_on_if_who_holds_it_is_killed(pair, volume):
    mount(pair, ONE)
    place = [pair.place.name, str(pair.place.home), str(pair.place.cache)]
    killed = subprocess.run([sys.executable, "-c", HOLD_STILL_AND_DIE, *place, volume], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert pair.said(ONE, "timeout 20 sh -c 'echo written >/data/file; sync' && cat /data/file") == "written"


def test_a_snapshot_does_not_fit_in_less(pair, volume):
    pair.disks.grow(volume, 2)
    pair.disks.snapshot(volume, "snap-2")
    with pytest.raises(DriverError, match="snap-2 is 2 GiB, more than the volume asked for"):
        pair.disks.create("vol-small", 1, "snap-2")
    pair.disks.delete_snapshot("snap-2")
    assert not pair.disks.file("vol-small").exists()


def test_what_is_not_there_is_said_in_a_sentence(pair):
    with pytest.raises(DriverError, match="there is no volume vol-none"):
        pair.disks.attach("vol-none", ONE, "/dev/sdf")
    with pytest.raises(DriverError, match="there is no machine i-none"):
        pair.disks.create("vol-lonely", 1)
        pair.disks.attach("vol-lonely", "i-none", "/dev/sdf")
    with pytest.raises(DriverError, match="there is no snapshot snap-none"):
        pair.disks.create("vol-none", 1, "snap-none")
    pair.disks.delete("vol-none")


def test_a_full_disk_is_said_in_a_sentence_and_leaves_nothing_half_made(pair, volume):
    pair.said(ONE, "head -c 30M /dev/urandom >/dev/sdf")
    small = pair.disks.snapshots
    small.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", str(small)], check=True)
    try:
        with pytest.raises(DriverError, match="there is no room left for snap-3.img"):
            RealDisks(pair.place, pair.machines).snapshot(volume, "snap-3")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_destroying_a_machine_keeps_its_volumes(pair):
    pair.boot("i-three", 12)
    pair.disks.create("vol-kept", 1)
    pair.disks.attach("vol-kept", "i-three", "/dev/sdf")
    pair.machines.destroy("i-three")
    backing = pair.disks.backing("vol-kept")
    assert (backing["loop"], backing["machine"]) == (None, "")
    assert attachments.loops(pair.disks.file("vol-kept")) == []
