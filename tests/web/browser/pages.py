"""Every page that can be asked for by an address alone, and those that only a failure brings."""

from django.template.loader import render_to_string
from django.urls import NoReverseMatch, URLResolver, get_resolver, reverse

NOT_OURS = "admin"  # looks as Django made it
FAILURES = {
    "400.html": {},
    "403.html": {},
    "403_csrf.html": {},
    "405.html": {"allowed": "POST"},
    "429.html": {"error": "Please wait."},
    "500.html": {},
    "503.html": {"store": "MySQL"},
}


def addresses() -> list[str]:
    """The addresses of all named patterns that need no argument; a new page is among them by itself."""
    found = set()

    def walk(patterns, space=""):
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                if pattern.namespace != NOT_OURS:
                    walk(pattern.url_patterns, f"{space}{pattern.namespace}:" if pattern.namespace else space)
            elif pattern.name:
                try:
                    found.add(reverse(space + pattern.name))
                except NoReverseMatch:
                    continue

    walk(get_resolver().url_patterns)
    return sorted(found)


def visit_all(visitor):
    """Open each page this visitor is given, and give its address."""
    for address in [*addresses(), "/no-such-page/"]:
        answer = visitor.context.request.get(address, max_redirects=0)
        if answer.status in (200, 404) and answer.headers["content-type"].startswith("text/html"):
            visitor.page.goto(address)
            yield address


def show_failures(visitor):
    """Open each page that only a failure brings, in a browser that is handed what the application would have sent."""
    for name, context in FAILURES.items():
        address = f"{visitor.url}/failure/{name}"
        visitor.page.route(address, answering(render_to_string(name, context)))
        visitor.page.goto(address)
        yield name


def answering(page: str):
    """Answers whatever is asked with this page."""

    def answer(route):
        route.fulfill(body=page, content_type="text/html")

    return answer
