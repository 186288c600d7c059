"""The two database servers the application works on, and which tests run on both."""

from collections.abc import Iterator
from contextlib import contextmanager

from asgiref.sync import SyncToAsync
from django.db import connections

from tests.web.servers import Servers

ENGINES = ("mariadb", "mysql84")
# The modules whose tests ask the database something of their own. The others run on MariaDB alone.
ON_BOTH = ("test_mysql", "test_migrations", "test_ordered_schema", "test_links_rollup", "test_users", "test_api")

_connections = {}  # this thread's, by engine: what Django has learned of one server is not true of the other


@contextmanager
def moved_to(engine: str, servers: Servers) -> Iterator[None]:
    """Within the block Django, and what the tests start, have this engine."""
    before, here = servers.engine, connections["default"]
    here.close()
    _turn(engine, servers)
    connections["default"] = _connections.setdefault(engine, connections.create_connection("default"))
    try:
        yield
    finally:
        connections["default"].close()
        _turn(before, servers)
        connections["default"] = here


def _turn(engine: str, servers: Servers) -> None:
    servers.engine = engine
    connections.settings["default"]["PORT"] = servers.database_port  # every thread's connections share these settings
    SyncToAsync.single_thread_executor.submit(_forget).result()  # where Django's async code does what is not


def _forget() -> None:
    connections["default"].close()
    del connections["default"]


def make_test_database(servers: Servers) -> None:
    """As pytest-django does for the first engine, for the one of now."""
    connection = connections["default"]
    connection.settings_dict["NAME"] = servers.environment["MYSQL_DATABASE"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
