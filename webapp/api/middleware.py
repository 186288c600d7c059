"""Whatever goes wrong below /api/v1/, and wherever, is said in the one shape that clients read."""

from webapp.api.problems import CONTENT_TYPE, plain
from webapp.middleware import Middleware

ROOT = "/api/v1/"
KEPT = ("Allow", "Retry-After")


class ProblemMiddleware(Middleware):
    """Gives pages that say an error, which Django and middleware answer with, the API's shape; nothing is cached.

    It stands outside of what may answer instead of a view: checks of the host, other middleware, the page of a bug.
    """

    def after(self, request, response):
        if not request.path.startswith(ROOT):
            return response
        if response.status_code >= 400 and response.headers.get("Content-Type") != CONTENT_TYPE:
            page, response = response, plain(response.status_code)
            for name in KEPT:
                if name in page.headers:
                    response.headers[name] = page.headers[name]
        response.headers.setdefault("Cache-Control", "no-store")
        return response
