"""A short cut for short links: past sessions, tokens, users and messages, none of which they need."""

from webapp.links.following import follow
from webapp.links.slugs import SLUG

PREFIX = "/l/"


class LinksMiddleware:
    """Answers /l/SLUG; stands behind what looks after the scheme, and before what looks after the visitor.

    The same address is in the URLconf, for `reverse`. What can be nobody's slug goes the long way to the 404 page.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        path = request.path_info
        if path.startswith(PREFIX) and SLUG.fullmatch(path, len(PREFIX)):
            return follow(request, path[len(PREFIX) :])
        return self.get_response(request)
