"""The app of accounts."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_delete


class UsersConfig(AppConfig):
    """Users, their sign-in, and what is noted of it."""

    name = "webapp.users"
    verbose_name = "Users"

    def ready(self):
        from webapp.users.deletion import delete_account
        from webapp.users.last_login import note

        user_logged_in.connect(note, dispatch_uid="webapp.users.last_login")
        post_delete.connect(delete_account, sender="users.User", dispatch_uid="webapp.users.deletion")
