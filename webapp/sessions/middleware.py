"""Django's session middleware for threads and coroutines, for which an unreachable Redis signs nobody out."""

import logging
import time

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.utils.cache import patch_vary_headers
from django.utils.http import http_date

from webapp.outage import try_again
from webapp.sessions.connection import SessionsUnavailable

# Django's words, for which its users may look.
ENDED = (
    "The request's session was deleted before the request completed. "
    "The user may have logged out in a concurrent request, for example."
)

log = logging.getLogger(__name__)


class SessionMiddleware(DjangoSessionMiddleware):
    """Saves the session after the view, or answers 503 and leaves the visitor's cookie as it is.

    Under ASGI it takes no thread. A request that brings no cookie and writes nothing asks Redis nothing.
    """

    def process_request(self, request):
        super().process_request(request)
        request.session.user_agent = request.META.get("HTTP_USER_AGENT", "")

    def process_response(self, request, response):
        if not isinstance(getattr(request, "session", None), SessionBase):
            return response
        saving = must_save(request, response)
        try:
            if saving:
                request.session.save()
            elif getattr(request.session, "seen_long_ago", False):  # another engine has none
                request.session.note_seen()
        except (UpdateError, SessionsUnavailable) as error:
            if (failure := answer_to(error, saving)) is not None:
                return failure
        return finish(request, response, saving)

    async def aprocess_response(self, request, response):
        """As process_response."""
        if not isinstance(getattr(request, "session", None), SessionBase):
            return response
        saving = must_save(request, response)
        try:
            if saving:
                await request.session.asave()
            elif getattr(request.session, "seen_long_ago", False):
                await request.session.anote_seen()
        except (UpdateError, SessionsUnavailable) as error:
            if (failure := answer_to(error, saving)) is not None:
                return failure
        return finish(request, response, saving)

    async def __acall__(self, request):
        self.process_request(request)
        return await self.aprocess_response(request, await self.get_response(request))


def must_save(request, response) -> bool:
    """Whether there is something to save; a view that failed leaves the session as it was."""
    session = request.session
    changed = session.modified or settings.SESSION_SAVE_EVERY_REQUEST
    return changed and not session.is_empty() and response.status_code < 500


def answer_to(error: Exception, saving: bool):
    """What the visitor gets instead, when Redis did not do what it should; None if the page may go out as it is."""
    if isinstance(error, UpdateError):
        raise SessionInterrupted(ENDED) from error
    if saving:
        # What the view answered is thrown away: it may say "saved" about something that was not.
        return try_again("Redis", error)
    log.warning("could not note that a session was seen: %s", error)
    return None


def finish(request, response, saved: bool):
    """The response with the cookie it needs, as Django's middleware gives it."""
    session = request.session
    varies = session.accessed or saved
    if settings.SESSION_COOKIE_NAME in request.COOKIES and session.is_empty():
        response.delete_cookie(
            settings.SESSION_COOKIE_NAME,
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )
        varies = True
    elif saved:
        seconds = None if session.get_expire_at_browser_close() else session.get_expiry_age()
        response.set_cookie(
            settings.SESSION_COOKIE_NAME,
            session.session_key,
            max_age=seconds,
            expires=None if seconds is None else http_date(time.time() + seconds),
            domain=settings.SESSION_COOKIE_DOMAIN,
            path=settings.SESSION_COOKIE_PATH,
            secure=settings.SESSION_COOKIE_SECURE or None,
            httponly=settings.SESSION_COOKIE_HTTPONLY or None,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )
    if varies:
        patch_vary_headers(response, ("Cookie",))
    return response
