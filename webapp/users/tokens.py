"""The token in the link that a forgotten password is reset by."""

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from redis.exceptions import RedisError

from webapp.sessions.connection import SessionsUnavailable, connection


class ResetTokens(PasswordResetTokenGenerator):
    """Django's: a token ends with a change of password or address, with the next sign-in, and by its age.

    A sign-in shows in an account to within the hour only. So it is noted in Redis that somebody holds a token, and the
    next sign-in is written down however short the last is ago.
    """

    key_salt = "webapp.users.tokens.ResetTokens"

    def make_token(self, user):
        """A token for this user. Raises SessionsUnavailable."""
        if user.account is not None:
            try:
                connection().set(_key(user.account), "1", ex=settings.PASSWORD_RESET_TIMEOUT)
            except RedisError as error:
                raise SessionsUnavailable(str(error)) from error
        return super().make_token(user)

    def _make_hash_value(self, user, timestamp):
        # The stamp and not the hash: the same password hashed anew at a sign-in elsewhere changes nothing here. The
        # last sign-in as it is stored: Django cuts off what is below a second, and two can be within one.
        account = user.account
        if account is None:
            return super()._make_hash_value(user, timestamp)
        return f"{user.pk}{account.id}{account.stamp}{account.last_login}{timestamp}{user.email}"


def outstanding(account) -> bool:
    """Whether a token was made for this account that may still count. Raises SessionsUnavailable."""
    try:
        return bool(connection().exists(_key(account)))
    except RedisError as error:
        raise SessionsUnavailable(str(error)) from error


def _key(account) -> str:
    return f"reset-token:{account.id}"


reset_tokens = ResetTokens()
