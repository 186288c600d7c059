"""The app of accounts."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class UsersConfig(AppConfig):
    """Users, their sign-in, and what is noted of it."""

    name = "webapp.users"

    def ready(self):
        from webapp.users.last_login import note

        user_logged_in.connect(note, dispatch_uid="webapp.users.last_login")
