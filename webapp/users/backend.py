"""Django's authentication backend on the account store."""

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend
from django.views.decorators.debug import sensitive_variables

from webapp.limits.rules import SIGN_IN
from webapp.users import accounts
from webapp.users.account import Account


class SimpleDBBackend(BaseBackend):
    """Signs in whoever SimpleDB knows by exactly this name and password; permissions are ModelBackend's.

    Who tries too often gets TooManyAttempts, and a store that is out of reach raises Unavailable: neither is a wrong
    password, and no signal says it was one.
    The user model may be any whose USERNAME_FIELD is the account's name. Only ours gives a session its end when the
    password changes in SimpleDB, and tells a name registered anew from the one before; it has `for_account` for that.
    """

    @sensitive_variables()
    def authenticate(self, request, username=None, password=None, **credentials):
        """The user, or None. The first sign-in makes his row in MySQL; later ones write nothing there."""
        if username is None:
            username = credentials.get(get_user_model().USERNAME_FIELD)
        if username is None or password is None:
            return None
        return self.user_of(prove(request, username, password))

    @sensitive_variables()
    async def aauthenticate(self, request, username=None, password=None, **credentials):
        """As authenticate. The hash is computed in a thread of its own, the row read in the one for databases."""
        if username is None:
            username = credentials.get(get_user_model().USERNAME_FIELD)
        if username is None or password is None:
            return None

        # Not as arguments: asgiref's frames, which an error report shows, would have them.
        @sensitive_variables()
        def proven():
            return prove(request, username, password)

        account = await sync_to_async(proven, thread_sensitive=False)()
        return await sync_to_async(self.user_of)(account)

    def get_user(self, user_id):
        """The user of a session with his account as it is now; None once he was deleted or locked out."""
        try:
            user = get_user_model()._default_manager.filter(pk=user_id).first()
        except (TypeError, ValueError, OverflowError):  # no key this model could have given
            return None
        if user is None or not may_enter(user):
            return None
        account = user.account if is_ours(type(user)) else accounts.find(user.get_username())
        return user if account is not None and account.active else None

    async def aget_user(self, user_id):
        """As get_user."""
        return await sync_to_async(self.get_user)(user_id)

    def user_of(self, account: Account | None):
        """The user whose account this is, made now if he is here for the first time; None if he may not enter."""
        if account is None:
            return None
        model = get_user_model()
        if is_ours(model):
            user = model._default_manager.for_account(account)
        else:
            user, _ = model._default_manager.get_or_create(**{model.USERNAME_FIELD: account.name})
        return user if user and may_enter(user) else None


@sensitive_variables()
def prove(request, username, password) -> Account | None:
    """As accounts.prove; a try that comes with a request is counted before the hasher runs.

    Raises TooManyAttempts, and SessionsUnavailable when it cannot be counted.
    """
    if not hasattr(request, "META"):  # a command, say, that nobody reaches from outside
        return accounts.prove(username, password)
    with SIGN_IN.attempt(request, username) as attempt:
        account = accounts.prove(username, password)
        if account:
            attempt.succeeded()
        return account


def is_ours(model) -> bool:
    """Whether a user model knows accounts, as ours does."""
    return hasattr(model._default_manager, "for_account")


def may_enter(user) -> bool:
    """Whether the row lets him in; a model without the flag keeps nobody out."""
    return getattr(user, "is_active", True)
