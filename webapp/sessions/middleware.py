"""Django's session middleware, for which a Redis that cannot be reached is no reason to sign anyone out."""

from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware

from webapp.outage import try_again
from webapp.sessions.connection import SessionsUnavailable


class SessionMiddleware(DjangoSessionMiddleware):
    """Saves the session after the view, or answers 503 and leaves the visitor's cookie as it is."""

    def process_response(self, request, response):
        try:
            return super().process_response(request, response)
        except SessionsUnavailable as error:
            # What the view answered is thrown away: it may say "saved" about something that was not.
            return try_again("Redis", error)
