"""What Django's session tests need beside our engine."""

from tests.web.django_suite.settings import *  # noqa: F403

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "sessions_tests",
]
ROOT_URLCONF = "urls"
ALLOWED_HOSTS = ["*"]
