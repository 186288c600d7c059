"""The app of sessions."""

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_delete


class SessionsConfig(AppConfig):
    """Sessions have no tables; they are an app for their checks, and because they end with their user."""

    name = "webapp.sessions"
    label = "redis_sessions"  # Django's own app may stand beside it

    def ready(self):
        from webapp.sessions import checks  # noqa: F401 - importing registers them
        from webapp.sessions.endings import end_with_user

        post_delete.connect(end_with_user, sender=settings.AUTH_USER_MODEL, dispatch_uid="webapp.sessions.endings")
