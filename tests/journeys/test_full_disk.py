"""A disk that is full: one sentence, nothing acknowledged is lost, and it goes on once there is room."""

import os
import subprocess

import pytest

pytestmark = pytest.mark.hosts

MIB = 1 << 20
PASSWORD = "a long enough password\n"


@pytest.fixture(scope="module")
def small(newcomer):
    """Someone whose cloud lies on a small disk of its own, and a function that fills it up."""
    image, home = newcomer.base / "small.img", newcomer.place.home
    home.mkdir(parents=True)
    with open(image, "wb") as disk:
        disk.truncate(256 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(home)], check=True)
    yield newcomer
    newcomer.fab("local cloud.destroy --yes", code=None)
    subprocess.run(["umount", "--lazy", str(home)], check=True)


def fill(person):
    """Take all room that is left."""
    with open(person.place.home / "filler", "ab") as filler:
        for size in (MIB, 4096, 1):
            while True:
                try:
                    os.write(filler.fileno(), bytes(size))
                except OSError:
                    break


def free(person):
    (person.place.home / "filler").unlink()


def test_an_account_is_refused_while_the_disk_is_full_and_those_before_it_stay(small):
    small.fab("local sdb.create")
    small.fab("local sdb.adduser early --password-stdin", feed=PASSWORD)
    fill(small)

    said = small.refused("local sdb.adduser late --password-stdin", feed=PASSWORD)
    assert "nothing was made" in said, said
    assert "early" in small.fab("local sdb.find early").out
    assert "There is no account late" in small.refused("local sdb.find late")

    small.kill_daemon()
    said = small.refused("local sdb.find early")
    assert "is full" in said and "free some room there, and run this again" in said

    free(small)
    assert "early" in small.fab("local sdb.find early").out
    small.fab("local sdb.adduser late --password-stdin", feed=PASSWORD)
    assert "late" in small.fab("local sdb.find late").out


def test_a_launch_is_refused_while_the_disk_is_full_and_done_once_there_is_room(small):
    small.fab("local ec2.status")
    fill(small)
    told = small.fab("local ec2.launch", code=1)
    assert "No space left on device" in told.all and "Traceback" not in told.all, told.all

    free(small)
    small.fab("local ec2.launch")
    assert [machine["State"]["Name"] for machine in small.machines()] == ["running"]
