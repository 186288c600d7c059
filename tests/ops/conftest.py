"""Machines to log in to for the tests of host operations, a pool of connections, and stages of user domains."""

import pytest

from fabfile.engine.hosts import Connections, Host
from tests.cloud.conftest import ground, host_keys, place  # noqa: F401 - fixtures
from tests.cloud.endpoint import endpoint

from .rehearsal import Rehearsal
from .sshd import running


@pytest.fixture(scope="module")
def stone():
    """This machine, through an sshd of the tests' own."""
    with running(kinds=("ed25519", "ecdsa")) as sshd:
        yield sshd


@pytest.fixture
def pool():
    """Connections, closed after the test."""
    with Connections() as connections:
        yield connections


@pytest.fixture(scope="module")
def machine(ground):  # noqa: F811
    """A real machine with systemd and apt, logged in to as admin, alone on a network of its own."""
    ground.boot("i-machine", 10)
    ground.open(ground.address(10))
    keys = tuple(host_keys(ground.machines.console("i-machine")))
    return Host("machine", ground.address(10), "admin", key_file=str(ground.key), host_keys=keys)


@pytest.fixture(scope="session")
def cloud():
    """An AWS endpoint on this machine, without hosts."""
    with endpoint() as running:
        yield running


@pytest.fixture
def rehearse(cloud, tmp_path, monkeypatch):
    """rehearse(4) is a Rehearsal: a stage of its own with so many user domains, gone after the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made = []

    def rehearse(shards=4):
        made.append(Rehearsal(cloud, shards))
        return made[-1]

    yield rehearse
    for stage in made:
        stage.clear()  # an account has 250 domains at most
