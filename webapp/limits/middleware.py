"""Answers who tries too often, where no page of ours does so with its form."""

from django.http import HttpResponse
from django.template.loader import render_to_string

from webapp.limits.errors import TooManyAttempts


def later(response: HttpResponse, error: TooManyAttempts) -> HttpResponse:
    """The same page as a 429 that says when to come back."""
    response.status_code = 429
    response.headers["Retry-After"] = str(error.wait)
    response.headers["Cache-Control"] = "no-store"
    return response


class LimitsMiddleware:
    """Turns TooManyAttempts into a page that says when; the administration's sign-in needs it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, exception):
        if isinstance(exception, TooManyAttempts):
            return later(HttpResponse(render_to_string("429.html", {"error": exception})), exception)
        return None
