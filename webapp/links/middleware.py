"""A short cut for short links: past sessions, tokens, users and messages, none of which they need."""

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpResponse
from django.urls import ResolverMatch

from webapp.links.following import follow
from webapp.links.slugs import SLUG

PREFIX = "/l/"


class LinksMiddleware:
    """Answers /l/SLUG; stands behind what looks after the scheme, and before what looks after the visitor.

    The same address is in the URLconf, for `reverse`. What can be nobody's slug goes the long way to the 404 page.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request):
        if iscoroutinefunction(self):
            return self.acall(request)
        slug = slug_of(request)
        return answer(request, slug) if slug else self.get_response(request)

    async def acall(self, request):
        """As a call, within an event loop; a link is followed in a thread."""
        slug = slug_of(request)
        return await (sync_to_async(answer)(request, slug) if slug else self.get_response(request))


def answer(request, slug: str) -> HttpResponse:
    """The answer with its length, as CommonMiddleware gives it to all others; without, it would be sent in chunks."""
    response = follow(request, slug)
    response.headers["Content-Length"] = str(len(response.content))
    return response


def slug_of(request) -> str | None:
    """The slug that is asked for. The request is told where it arrived, for the log and the metrics."""
    path = request.path_info
    if not path.startswith(PREFIX) or not SLUG.fullmatch(path, len(PREFIX)):
        return None
    slug = path[len(PREFIX) :]
    request.resolver_match = ResolverMatch(follow, (), {"slug": slug}, "follow", route="l/<slug>")
    return slug
