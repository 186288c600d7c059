"""People for the journeys: one with the whole stage built and the application in service, and new ones."""

import hashlib

import pytest

from .person import CommandLines, person


@pytest.fixture(scope="session")
def ada():
    """Someone who has built the whole local stage and put the application in service; what she saw is in `told`."""
    with person("ada") as one:
        with CommandLines() as watched:
            one.fab("local up")
            one.fab("local setup_packages")
            one.fab("local deploy")
        one.command_lines = watched.seen
        yield one


@pytest.fixture(scope="module")
def newcomer(request):
    """Someone with nothing yet, for one test module."""
    with person(hashlib.sha256(request.module.__name__.encode()).hexdigest()[:8]) as one:
        yield one
