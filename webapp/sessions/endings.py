"""Sessions that something else has made worthless leave Redis, and the list of who has them."""

import logging

from django.db import transaction

from webapp.sessions.connection import SessionsUnavailable
from webapp.sessions.overview import end_all

log = logging.getLogger(__name__)


def end_worthless(user, except_session=None) -> None:
    """End all sessions of a user but one, if Redis can be asked.

    If not they stay, and open nothing: Django compares each with the password's hash, and asks for its user.
    """
    try:
        end_all(user, except_session)
    except SessionsUnavailable as error:
        log.warning("could not end the sessions of a user, which are worth nothing any more: %s", error)


def end_with_user(sender, instance, **_) -> None:
    """Receiver of post_delete of the user model: once the deletion is certain."""
    gone = sender(pk=instance.pk)
    transaction.on_commit(lambda: end_worthless(gone))
