"""The app of sessions."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    """Sessions have no tables; they are an app for their checks."""

    name = "webapp.sessions"
    label = "redis_sessions"  # Django's own app may stand beside it

    def ready(self):
        from webapp.sessions import checks  # noqa: F401 - importing registers them
