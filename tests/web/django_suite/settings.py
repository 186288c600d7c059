"""Django's own settings for its tests, with our session engine and our backend put under them."""

from webapp.environment import Environment

ENVIRONMENT = Environment.read()

DATABASES = {name: {"ENGINE": "django.db.backends.sqlite3"} for name in ("default", "other")}
SECRET_KEY = "django_tests_secret_key"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False

SESSION_ENGINE = "webapp.sessions.store"
AUTHENTICATION_BACKENDS = ["tests.web.django_suite.backend.MirroringBackend"]
