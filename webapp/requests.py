"""What is noted of every request: its id, one line in the log, and its place in the metrics."""

import logging
import time
from asyncio import CancelledError

from django.conf import settings
from django.core.signals import request_finished
from django.urls import Resolver404, resolve

from webapp import metrics, request_ids
from webapp.middleware import Middleware

SECRET_PARTS = {"token", "key"}  # parts of an address that open something
PROBES = {"/healthz", "/readyz", "/version", "/metrics"}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
HUNG_UP = 499  # nginx's number for a client that did not wait for its answer

log = logging.getLogger(__name__)
# Not when our middleware ends: Django says after it that something was not found or failed.
request_finished.connect(request_ids.end, dispatch_uid="webapp.request_ids")


class RequestMiddleware(Middleware):
    """Must come first. The id is in X-Request-ID of the answer; one that came in is kept if it is sane.

    What is measured ends where the answer begins: a stream may go on for hours.
    """

    def __init__(self, get_response):
        super().__init__(get_response)
        if self.in_loop:
            self.process_view = self.aprocess_view

    def before(self, request):
        begin(request)

    async def acall(self, request):
        """As a call, within an event loop. There a request ends early when its client hangs up."""
        try:
            return await super().acall(request)
        except CancelledError:
            note(request, HUNG_UP)
            raise

    def after(self, request, response):
        response.headers[request_ids.HEADER] = request.id
        note(request, response.status_code)
        return without_body(response) if request.method == "HEAD" else response

    def process_view(self, request, view, arguments, named):
        """The address is known now, and which parts of it are secret."""
        hide_parts(request.path, named)

    async def aprocess_view(self, request, view, arguments, named):
        """As process_view; Django would take a thread for that."""
        hide_parts(request.path, named)


def begin(request) -> None:
    """Give the request its id, and note when it began."""
    request.began = time.perf_counter()
    # Not `request.headers`, which reads every header there is, for every request.
    traced = request_ids.begin(request.META.get("HTTP_X_REQUEST_ID"))
    request.id = traced.id
    for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME):
        traced.hide(request.COOKIES.get(name))
    traced.hide(request.META.get("HTTP_AUTHORIZATION", "").rpartition(" ")[2])


def without_body(response):
    """The response to HEAD. Django leaves its body to the server, and gunicorn warns of each that it has to drop."""
    if response.streaming:
        response.streaming_content = nothing() if response.is_async else ()
    else:
        response.content = b""
    return response


async def nothing():
    """A stream for an event loop, with nothing in it."""
    for part in ():
        yield part


def note(request, status: int) -> None:
    """Note what became of a request."""
    seconds = time.perf_counter() - request.began
    match, view = request.resolver_match, view_name(request)
    if match is None and request.path not in PROBES:  # it was answered before Django looked for its view
        hide_parts(request.path, captured(request.path_info))
    path = request_ids.traced().shown.get(request.path, request.path)
    request.META["hydra.path"] = path  # for the server's access log
    method = request.method if request.method in METHODS else "OTHER"
    metrics.note_request(view, method, status, seconds)
    quiet = request.path in PROBES and status < 400
    milliseconds = round(seconds * 1000, 1)
    log.log(
        logging.DEBUG if quiet else logging.INFO,
        "%s %s %s in %s ms",
        method,
        path,
        status,
        milliseconds,
        extra={
            "method": method,
            "path": path,
            "view": view,
            "status": status,
            "milliseconds": milliseconds,
            "account": account_id(request),
        },
    )


def view_name(request) -> str:
    """What the metrics call the page: as many names as there are addresses in urls.py, whatever visitors type."""
    if request.resolver_match is not None:
        return request.resolver_match.view_name or request.resolver_match._func_path
    return request.path.strip("/") if request.path in PROBES else "none"


def captured(path: str) -> dict:
    """The named parts of a path; none if nothing is there."""
    try:
        return resolve(path).kwargs
    except Resolver404:
        return {}


def hide_parts(path: str, named: dict) -> None:
    """No line shows the parts of the address that open something."""
    secrets = {str(named[name]) for name in SECRET_PARTS & named.keys()}
    if secrets:
        traced = request_ids.traced()
        safe = "/".join(request_ids.HIDDEN if part in secrets else part for part in path.split("/"))
        # The path comes first: what is replaced after it finds nothing of it any more.
        traced.shown = {path: safe, **traced.shown}
        for secret in secrets:
            traced.hide(secret)


def account_id(request) -> str | None:
    """The id of the account of whoever asks, if a view wanted to know who that is; nothing is asked for it here."""
    user = known_user(request)
    if user is None or not user.is_authenticated:
        return None
    return str(getattr(user, "account_id", user.pk))


def known_user(request):
    """The user that was read for this request, by its session or by a client's token; None if none was."""
    for name in ("_cached_user", "_acached_user"):
        if user := getattr(request, name, None):
            return user
    state = getattr(getattr(request, "auth", None), "_state", None)
    return state.fields_cache.get("user") if state else None
