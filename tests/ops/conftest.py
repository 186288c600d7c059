"""A machine to log in to for the tests of host operations, and a pool of connections."""

import pytest

from fabfile.engine.hosts import Connections

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
