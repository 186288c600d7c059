"""Following a short link: one question to Redis, or MySQL's answer when Redis has none."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from asgiref.sync import sync_to_async
from django.db import Error as DatabaseError
from django.db import close_old_connections
from django.http import HttpResponse, HttpResponseNotAllowed
from django.template.loader import render_to_string

from webapp.limits.errors import TooManyAttempts
from webapp.limits.middleware import later
from webapp.limits.rules import Meter, Rule
from webapp.links import counter
from webapp.links.models import LateClick, Link
from webapp.links.visits import Visit, visit_of
from webapp.outage import store_away, try_again
from webapp.sessions.connection import SessionsUnavailable

# Each click is to be counted, so no browser or proxy may remember where the last one led.
HEADERS = {"Cache-Control": "no-store"}
# A redirect's own policy counts for what comes after it. That of our pages would hide from the target where the visitor
# was before; this one is what browsers do by themselves.
ONWARD = {**HEADERS, "Referrer-Policy": "strict-origin-when-cross-origin"}
# For whoever follows a link within an event loop. As many ask MySQL at once and no more, however many come while Redis
# is away.
ASKERS = ThreadPoolExecutor(8, thread_name_prefix="links")
# By address: who asks for slugs that nobody has guesses, and each guess asks MySQL. A hundred at once for who brings
# old addresses, then one a second. An office behind one address waits no longer for one who guesses there, and only for
# links that nobody has followed in the last minutes.
MISSES = Rule("link-miss", Meter(free=100, first=1, factor=1, longest=1, leak=1))

log = logging.getLogger(__name__)


def follow(request, slug: str) -> HttpResponse:
    """302 to the target, 404 for a slug nobody has, 410 for a link that has ended; 503 when both stores are away, 429
    for who asks for slugs that nobody has, too often.

    A GET is counted, a HEAD is not. Neither session nor user is looked at.
    """
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    visit = visit_of(request) if request.method == "GET" else None
    try:
        answer = counter.click(slug, visit)
        if answer is None:
            answer = counter.click(slug, visit, looked_up(request, slug))
    except TooManyAttempts as error:
        return come_later(error)
    except counter.Away as away:
        return without_redis(slug, visit, away)
    except DatabaseError as error:
        return without_both(error)
    return respond(answer)


async def afollow(request, slug: str) -> HttpResponse:
    """As follow, within an event loop. A thread is taken only where MySQL has to be asked."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    visit = visit_of(request) if request.method == "GET" else None
    try:
        answer = await counter.aclick(slug, visit)
        if answer is None:
            answer = await counter.aclick(slug, visit, await in_thread(looked_up, request, slug))
    except TooManyAttempts as error:
        return come_later(error)
    except counter.Away as away:
        return await in_thread(without_redis, slug, visit, away)
    except DatabaseError as error:
        return without_both(error)
    return respond(answer)


async def in_thread(act, *arguments):
    """What `act` returns, which asks MySQL; it leaves no connection behind that Django would not keep."""

    def acted():
        close_old_connections()
        try:
            return act(*arguments)
        finally:
            close_old_connections()

    return await sync_to_async(acted, thread_sensitive=False, executor=ASKERS)()


def looked_up(request, slug: str) -> str:
    """As entry_of; a slug that nobody has counts as a miss. Raises TooManyAttempts, Away and DatabaseError."""
    try:
        with MISSES.attempt(request) as attempt:
            entry = entry_of(slug)
            if entry != counter.NOBODY:
                attempt.undo()
            return entry
    except SessionsUnavailable as error:
        raise counter.Away(False, error) from error


def entry_of(slug: str) -> str:
    """The link as Redis remembers it, read from MySQL."""
    read = ("id", "target", "ends", "disabled", "stopped", "owner__is_active")
    link = Link.objects.filter(slug=slug).select_related("owner").only(*read).first()
    return link.entry if link else counter.NOBODY


def without_redis(slug: str, visit: Visit | None, away: counter.Away) -> HttpResponse:
    """As MySQL knows it. The click waits there for the worker, unless Redis may have counted it before it fell silent:
    one click too few is better than one too many."""
    if away.__cause__:
        log.warning("links are followed without Redis: %s: %s", type(away.__cause__).__name__, away)
    try:
        entry = entry_of(slug)
    except DatabaseError as error:
        return without_both(error)
    link, ends, target = entry.split(" ", 2)
    now = time.time()
    if link == "0":
        return respond(counter.UNKNOWN)
    if 0 < int(ends) <= now:
        return respond(counter.ENDED)
    if visit and away.counted is False:
        keep(int(link), now, visit)
    return respond(target.encode())


def keep(link: int, now: float, visit: Visit) -> None:
    """Write the click down. A database that cannot be written to is no reason not to lead the visitor on."""
    at = datetime.fromtimestamp(now // 60 * 60, UTC)
    try:
        LateClick.objects.create(link_id=link, at=at, family=visit.family, visitor=visit.visitor)
    except DatabaseError as error:
        log.error("a click is lost: %s: %s", type(error).__name__, error)


def without_both(error: DatabaseError) -> HttpResponse:
    """503, if it is an outage."""
    store = store_away(error)
    if store is None:
        raise error
    return try_again(store, error)


def come_later(error: TooManyAttempts) -> HttpResponse:
    """429, which says when."""
    return later(HttpResponse(render_to_string("links/misses.html", {"error": error})), error)


def respond(answer: bytes) -> HttpResponse:
    """The page or the redirect that belongs to an answer of the counter."""
    if answer == counter.UNKNOWN:
        return HttpResponse(render_to_string("404.html"), status=404, headers=HEADERS)
    if answer == counter.ENDED:
        return HttpResponse(render_to_string("links/ended.html"), status=410, headers=HEADERS)
    # The target was checked and encoded when the link was made: Django's own redirect would take it apart again.
    return HttpResponse(status=302, headers={**ONWARD, "Location": answer.decode()})
