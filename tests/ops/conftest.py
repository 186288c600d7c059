"""Machines to log in to for the tests of host operations, and a pool of connections."""

import pytest

from fabfile.engine.hosts import Connections, Host
from tests.cloud.conftest import ground, host_keys, place  # noqa: F401 - fixtures

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
