"""A store that cannot be reached is an answer of its own: 503, try again in a moment, nobody is signed out."""

import logging

from django.db import InterfaceError, OperationalError
from django.http import HttpResponse

from webapp.metrics import OUTAGES
from webapp.middleware import Middleware, page
from webapp.sessions.connection import SessionsUnavailable
from webapp.users.errors import MailAway, Unavailable

RETRY_AFTER = 5  # seconds

# MySQL's client codes for "cannot connect, gone, lost"; the server's for "too many connections" and "shutting down";
# for a password that was changed before ours was, and a host that it refuses; and for a server that only reads, in a
# failover.
MYSQL_AWAY = {2002, 2003, 2005, 2006, 2013, 2026, 2055, 1040, 1053, 1203, 4031, 1045, 1129, 1130, 1290, 1836}

log = logging.getLogger(__name__)


def store_away(error: BaseException) -> str | None:
    """The name of the store that `error` says is out of reach, or None when it says something else.

    Where a mail is asked for, the mail server is such a store too.
    """
    if isinstance(error, Unavailable):
        return "SimpleDB"
    if isinstance(error, SessionsUnavailable):
        return "Redis"
    if isinstance(error, MailAway):
        return "Mail"
    if isinstance(error, OperationalError | InterfaceError) and error.args and error.args[0] in MYSQL_AWAY:
        return "MySQL"
    return None


def try_again(store: str, error: BaseException) -> HttpResponse:
    """The 503 page. It is rendered without the request, whose user and session may be what cannot be had."""
    note_outage(store, error)
    words = f"{store} cannot be reached just now. Nothing is lost; please try again in a moment."
    return answer_later(page("503.html", words, store=store))


def note_outage(store: str, error: BaseException) -> None:
    """One line in the log, without a traceback: the store is at fault and not the code."""
    OUTAGES.labels(store.lower()).inc()
    log.error("%s is out of reach: %s: %s", store, type(error).__name__, error, extra={"store": store.lower()})


def answer_later(response: HttpResponse) -> HttpResponse:
    """The same page as a 503 that says when to come back."""
    response.status_code = 503
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


class OutageMiddleware(Middleware):
    """Answers for a view that failed because a store is away."""

    def process_exception(self, request, exception):
        store = store_away(exception)
        return try_again(store, exception) if store else None
