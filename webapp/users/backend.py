"""Django's authentication backend on the account store."""

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import BaseBackend
from django.views.decorators.debug import sensitive_variables

from webapp.users import accounts
from webapp.users.models import COLUMN_LENGTH, User


class SimpleDBBackend(BaseBackend):
    """Signs in whoever SimpleDB knows by exactly this name and password; permissions are ModelBackend's.

    A store that is out of reach raises Unavailable: that is no wrong password, and no signal says it was one.
    """

    @sensitive_variables("password", "credentials")
    def authenticate(self, request, username=None, password=None, **credentials):
        """The user, or None. The first sign-in makes his row in MySQL; later ones write nothing there."""
        if username is None:
            username = credentials.get(User.USERNAME_FIELD)
        if username is None or password is None:
            return None
        return self._row(accounts.prove(username, password))

    @sensitive_variables("password", "credentials")
    async def aauthenticate(self, request, username=None, password=None, **credentials):
        """As authenticate. The hash is computed in a thread of its own, the row read in the one for databases."""
        if username is None:
            username = credentials.get(User.USERNAME_FIELD)
        if username is None or password is None:
            return None
        account = await sync_to_async(accounts.prove, thread_sensitive=False)(username, password)
        return await sync_to_async(self._row)(account)

    def get_user(self, user_id):
        """The user of a session with his account as it is now; None once he was deleted or locked out."""
        user = User.objects.filter(pk=user_id).first()
        if user is None or not user.is_active or user.account is None or not user.account.active:
            return None
        return user

    async def aget_user(self, user_id):
        """As get_user."""
        return await sync_to_async(self.get_user)(user_id)

    def _row(self, account):
        if account is None or len(account.name) > COLUMN_LENGTH:
            return None
        user = User.objects.for_account(account)
        return user if user.is_active else None
