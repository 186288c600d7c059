"""Answers who tries too often, where no page of ours does so with its form."""

from django.http import HttpResponse

from webapp.limits.errors import TooManyAttempts
from webapp.middleware import Middleware, page


def later(response: HttpResponse, error: TooManyAttempts) -> HttpResponse:
    """The same page as a 429 that says when to come back."""
    response.status_code = 429
    response.headers["Retry-After"] = str(error.wait)
    response.headers["Cache-Control"] = "no-store"
    return response


class LimitsMiddleware(Middleware):
    """Turns TooManyAttempts into a page that says when; the administration's sign-in needs it."""

    def process_exception(self, request, exception):
        if isinstance(exception, TooManyAttempts):
            return later(page("429.html", str(exception), error=exception), exception)
        return None
