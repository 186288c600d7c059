"""Runs Django's own session tests over our engine and our middleware.

    pip download --no-deps --no-binary django django==VERSION && tar xf django-VERSION.tar.gz
    python -m tests.web.django_suite.sessions django-VERSION/tests

All of SessionTestsMixin with our store as its backend; all of SessionMiddlewareTests, once with Django's middleware
over our store and once with ours. Redis is started for the run.
"""

import os
import sys
import unittest
from pathlib import Path
from types import SimpleNamespace

from tests.web.servers import Servers


class Rows:
    """Stands for the table of sessions where a test of the middleware looks into it: reads through the engine."""

    DoesNotExist = LookupError

    class objects:
        @staticmethod
        def get(session_key):
            """The stored session as a row has it."""
            from webapp.sessions.store import SessionStore

            if not SessionStore().exists(session_key):
                raise Rows.DoesNotExist
            data = SessionStore(session_key).load()
            return SimpleNamespace(get_decoded=lambda: data)


def suite(theirs):
    """The tests, made of Django's module of them."""
    from django.test import SimpleTestCase, TestCase

    from webapp.sessions.middleware import SessionMiddleware
    from webapp.sessions.store import SessionStore

    theirs.Session = Rows

    class StoreTests(theirs.SessionTestsMixin, SimpleTestCase):
        """Our store."""

        backend = SessionStore

    class DjangosMiddlewareTests(theirs.SessionMiddlewareTests):
        """Our store under Django's middleware."""

    class OurMiddlewareTests(theirs.SessionMiddlewareTests):
        """Our store under our middleware."""

        def setUp(self):
            super().setUp()
            self.djangos, theirs.SessionMiddleware = theirs.SessionMiddleware, SessionMiddleware

        def tearDown(self):
            theirs.SessionMiddleware = self.djangos
            super().tearDown()

    assert issubclass(theirs.SessionMiddlewareTests, TestCase)
    load = unittest.defaultTestLoader.loadTestsFromTestCase
    return [load(each) for each in (StoreTests, DjangosMiddlewareTests, OurMiddlewareTests)]


def main(folder: str) -> int:
    """0 if all passed."""
    if not Path(folder, "sessions_tests").is_dir():
        raise SystemExit(f"{folder} has no sessions_tests: it must be the tests folder of Django's sources.")
    sys.path.insert(0, folder)
    servers = Servers()
    os.environ |= {**servers.environment, "DJANGO_SETTINGS_MODULE": "tests.web.django_suite.sessions_settings"}
    try:
        servers.start_redis()
        import django

        django.setup()
        from django.test.utils import get_runner, setup_test_environment
        from sessions_tests import tests

        setup_test_environment()
        runner = get_runner(django.conf.settings)(verbosity=0)
        databases = runner.setup_databases()
        results = [unittest.TextTestRunner().run(each) for each in suite(tests)]
        runner.teardown_databases(databases)
        return int(not all(each.wasSuccessful() for each in results))
    finally:
        servers.stop()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    sys.exit(main(sys.argv[1]))
