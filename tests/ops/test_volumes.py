"""A volume on a real machine, found by its id: formatted and mounted as admin, and there again after a restart."""

import pytest

from fabfile.engine.hosts import Host
from fabfile.engine.operations import Directory, File, Filesystem, Mounted
from tests.cloud.conftest import host_keys

pytestmark = pytest.mark.hosts

VOLUME = "vol-0123456789abcdef0"
DEVICE = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0"
WANTED = (
    Filesystem(DEVICE, blank=True),
    Mounted("/volume", DEVICE),
    Directory("/volume/redis", mode=0o700),
    File("/volume/redis/kept", "kept"),
)


@pytest.fixture(scope="module")
def machine(ground):
    """A machine of the local cloud's kind with a new volume attached."""
    ground.boot("i-volumes", 10)
    ground.open(ground.address(10))
    ground.disks.create(VOLUME, 1)
    ground.disks.attach(VOLUME, "i-volumes", "/dev/sdf")
    keys = tuple(host_keys(ground.machines.console("i-volumes")))
    yield Host("volumes", ground.address(10), "admin", key_file=str(ground.key), host_keys=keys)
    ground.machines.destroy("i-volumes")
    ground.disks.delete(VOLUME)


def test_a_new_volume_is_put_to_use_and_survives_a_restart(machine, pool):
    looked = pool.facts(machine, WANTED)
    made = pool.apply(machine, WANTED)

    pool.reboot(machine)

    assert [outcome.state for outcome in looked] == ["needed"] * 4
    assert [outcome.state for outcome in made] == ["changed"] * 4
    assert [outcome.state for outcome in pool.facts(machine, WANTED)] == ["ok"] * 4
