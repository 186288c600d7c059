"""Our settings, with what the other engines need."""

from webapp.settings import *  # noqa: F403
from webapp.settings import ENVIRONMENT, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.sessions"]
_REDIS = ENVIRONMENT.redis_url.replace("://", f"://:{ENVIRONMENT.redis_password.get_secret_value()}@")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": _REDIS},
    "djangos-json": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": _REDIS,
        "OPTIONS": {"serializer": "django.core.signing.JSONSerializer"},
    },
    "django-redis": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": _REDIS},
    "django-redis-json": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": _REDIS,
        "OPTIONS": {"SERIALIZER": "django_redis.serializers.json.JSONSerializer"},
    },
}
LOGGING = {"version": 1, "disable_existing_loggers": True, "root": {"level": "CRITICAL"}}
ROOT_URLCONF = "tests.bench.sessions.asgi"
ALLOWED_HOSTS = ["*"]
SECURE_SSL_REDIRECT = False
