"""A short cut for short links: past sessions, tokens, users and messages, none of which they need."""

from django.http import HttpResponse
from django.middleware.security import SecurityMiddleware
from django.urls import ResolverMatch

from webapp.links.following import afollow, follow
from webapp.links.slugs import SLUG
from webapp.middleware import Middleware

PREFIX = "/l/"


class LinksMiddleware(Middleware):
    """Answers /l/SLUG; stands before what looks after the scheme, which it asks itself, and after the visitor.

    The same address is in the URLconf, for `reverse`. What can be nobody's slug goes the long way to the 404 page.
    """

    def __init__(self, get_response):
        super().__init__(get_response)
        # In an event loop Django would take a thread for each of its two questions, which wait for nothing.
        self.security = SecurityMiddleware(get_response)

    def before(self, request):
        slug = slug_of(request)
        if slug is None:
            return None
        return self.finish(request, self.security.process_request(request) or follow(request, slug))

    async def abefore(self, request):
        slug = slug_of(request)
        if slug is None:
            return None
        return self.finish(request, self.security.process_request(request) or await afollow(request, slug))

    def finish(self, request, response) -> HttpResponse:
        """With its length, as CommonMiddleware gives it to all others; without, it would be sent in chunks."""
        response.headers["Content-Length"] = str(len(response.content))
        return self.security.process_response(request, response)


def slug_of(request) -> str | None:
    """The slug that is asked for. The request is told where it arrived, for the log and the metrics."""
    if not is_short(request.path_info):
        return None
    slug = request.path_info[len(PREFIX) :]
    request.resolver_match = ResolverMatch(follow, (), {"slug": slug}, "follow", route="l/<slug>")
    return slug


def is_short(path: str) -> bool:
    """Whether this could be a short link's."""
    return path.startswith(PREFIX) and SLUG.fullmatch(path, len(PREFIX)) is not None
