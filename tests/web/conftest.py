"""Points Django at stores that belong to this test run alone, before its settings are read."""

import os
from secrets import token_hex

import pytest

from tests.web.bulk import fresh, rows, state  # noqa: F401 - fixtures
from tests.web.servers import Servers

SERVERS = Servers()
os.environ.update(SERVERS.environment)
os.environ["DJANGO_SETTINGS_MODULE"] = "webapp.settings"

import django  # noqa: E402 - reads the environment set above

django.setup()

# Other rooms' tests start programs of their own; they shall find the environment as it was.
for _name in [*SERVERS.environment, "DJANGO_SETTINGS_MODULE"]:
    del os.environ[_name]

from django.contrib.contenttypes.models import ContentType  # noqa: E402 - needs the settings
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from tests.web.engines import ENGINES, ON_BOTH, make_test_database, moved_to  # noqa: E402
from tests.web.hashers import CountingHasher  # noqa: E402
from tests.web.linked import fresh_links, link, no_redis, owner  # noqa: E402, F401 - fixtures
from tests.web.mysql84 import Missing  # noqa: E402
from webapp.limits import rules  # noqa: E402
from webapp.links.following import MISSES  # noqa: E402
from webapp.links.making import MAKING  # noqa: E402
from webapp.sessions.connection import connection as redis_connection  # noqa: E402
from webapp.users import accounts  # noqa: E402
from webapp.users.models import User  # noqa: E402

SECRET = "correct horse battery"


class Browser(Client):
    """A browser that speaks https, as ours have to."""

    def request(self, **request):
        return super().request(**{**request, "wsgi.url_scheme": "https", "SERVER_PORT": "443"})


@pytest.fixture(scope="session")
def servers():
    """The three stores, running."""
    with pytest.MonkeyPatch.context() as environment:
        try:
            SERVERS.start()
            for name, value in SERVERS.aws.items():
                environment.setenv(name, value)
            call_command("collectstatic", verbosity=0, interactive=False)
            yield SERVERS
        finally:
            SERVERS.stop()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(servers):
    """The database server runs before pytest-django makes the test database on it."""


def pytest_generate_tests(metafunc):
    if metafunc.module.__name__.removeprefix("tests.web.") in ON_BOTH:
        metafunc.parametrize("engine", ENGINES, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def engine(request, servers):
    """The database server these tests run on: MariaDB's 10.11, or MySQL's 8.4."""
    name = getattr(request, "param", servers.engine)
    if name == servers.engine:
        yield name
        return
    request.getfixturevalue(name)
    with moved_to(name, servers):
        ContentType.objects.clear_cache()
        yield name
    ContentType.objects.clear_cache()


@pytest.fixture(scope="session")
def mysql84(servers, django_db_setup, django_db_blocker):
    """MySQL 8.4 beside MariaDB, with a test database of its own."""
    try:
        servers.start_mysql84()
    except Missing as error:
        pytest.fail(str(error), pytrace=False)
    with moved_to("mysql84", servers), django_db_blocker.unblock():
        make_test_database(servers)


@pytest.fixture(autouse=True)
def _clean(servers):
    """Each test begins with no session; accounts have names of their own instead."""
    redis_connection().flushdb()


@pytest.fixture(autouse=True)
def hasher(settings):
    """Counts the runs of the hasher, which is made cheap: what Argon2 costs is no matter of these tests."""
    settings.PASSWORD_HASHERS = ["tests.web.hashers.CountingHasher", *settings.PASSWORD_HASHERS[1:]]
    CountingHasher.runs.clear()
    return CountingHasher


@pytest.fixture
def still(monkeypatch):
    """Time stands still for all that is limited: a slow machine forgets nothing that was tried, and waits no less."""
    for rule in (rules.SIGN_IN, rules.CONFIRM, rules.SIGN_UP, rules.RESET, rules.NEW_ADDRESS, MAKING, MISSES):
        monkeypatch.setitem(vars(rule), "clock", lambda: 1_700_000_000_000)  # vars, for a rule is frozen


@pytest.fixture
def gate(servers):
    """What stands before the SimpleDB endpoint. The map of the shards is read now, so that no test counts that."""
    accounts.store().maps.newer(accounts.store().maps.now().generation)
    return servers.gate


@pytest.fixture
def browser():
    """A browser without cookies."""
    return Browser()


@pytest.fixture
def password():
    """A password that all validators take."""
    return SECRET


@pytest.fixture
def new_name():
    """Gives user names that no test has had."""
    return lambda stem="user": f"{stem}-{token_hex(4)}"


@pytest.fixture
def name(new_name):
    """The name of a user, whose password is SECRET."""
    return User.objects.create_user(new_name("Zoë"), "", SECRET).username
