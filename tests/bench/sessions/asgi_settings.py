"""As settings.py, with the engine and the middleware that the environment names, and no other middleware."""

import os

from tests.bench.sessions.settings import *  # noqa: F403

SESSION_ENGINE = os.environ["BENCH_ENGINE"]
SESSION_CACHE_ALIAS = os.environ["BENCH_ALIAS"]
MIDDLEWARE = [os.environ["BENCH_MIDDLEWARE"]]
SESSION_COOKIE_NAME = "sessionid"
SESSION_COOKIE_SECURE = False
