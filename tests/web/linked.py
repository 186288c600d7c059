"""What the tests of links share: a link and its owner, the end of a minute, a Redis that is away."""

import pytest

from webapp.links import connection, counter
from webapp.links.models import Link
from webapp.users.models import User

TARGET = "https://example.org/a/page?with=a&query#there"


@pytest.fixture
def fresh_links(servers):
    """The test begins with a Redis nobody has found silent."""
    connection.forget()
    yield
    connection.forget()


@pytest.fixture
def owner(new_name):
    """A user."""
    return User.objects.create_user(new_name("owner"), "", None)


@pytest.fixture
def link(owner):
    """A link of the owner's."""
    return Link.objects.make(owner, TARGET)


@pytest.fixture
def no_redis(settings):
    """A function; from then on nothing listens where Redis should be."""

    def away():
        moved = settings.ENVIRONMENT.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
        settings.ENVIRONMENT = moved
        connection.forget()

    return away


def end_the_minute():
    """What the clock does to the open batch: nothing is counted into it any more."""
    connection.redis().delete(counter.OPEN)


def unrolled(link):
    """The clicks of a link that wait in Redis: by family."""
    clicks = {}
    for _, family, number in counter.unrolled(link.pk)[2]:
        clicks[family] = clicks.get(family, 0) + number
    return clicks
