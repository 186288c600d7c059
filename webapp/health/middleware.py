"""The addresses that machines ask, by any host name and without TLS."""

import logging
import platform
from pathlib import Path

import django
from asgiref.sync import sync_to_async
from django.http import HttpResponse, HttpResponseNotFound, JsonResponse

from webapp import exposition
from webapp.health.probes import probe_all
from webapp.middleware import Middleware
from webapp.neighbours import is_neighbour

ROOT = Path(__file__).resolve().parent.parent.parent
FRESH = {"Cache-Control": "no-store"}

log = logging.getLogger(__name__)


class HealthMiddleware(Middleware):
    """Answers them before any check of host, scheme or session; only the request's id may come before it."""

    def before(self, request):
        answer = ANSWERS.get(request.path)
        return answer(request) if answer else None

    async def abefore(self, request):
        # Not in the loop what waits for stores or files; that a loop is alive, itself alone can tell.
        if request.path in SLOW:
            return await sync_to_async(self.before, thread_sensitive=False)(request)
        return self.before(request)


def alive(request) -> HttpResponse:
    """200 as long as this process answers; no store is touched, so a store's outage restarts nobody."""
    return HttpResponse("ok\n", content_type="text/plain", headers=FRESH)


def ready(request) -> JsonResponse:
    """Each store with its latency; 503 when one of them is down, 200 when none is."""
    probes = probe_all()
    for each in probes:
        if each.error:
            log.warning("not ready: %s answered %s after %s ms", each.store, each.error, each.milliseconds)
    stores = {
        each.store: {"ok": not each.error, "milliseconds": each.milliseconds}
        | ({"error": each.error} if each.error else {})
        for each in probes
    }
    down = [each.store for each in probes if each.error]
    return JsonResponse({"ready": not down, "down": down, "stores": stores}, status=503 if down else 200, headers=FRESH)


def version(request) -> JsonResponse:
    """Which release this is. Of what it is made only neighbours are told: others would look for its known holes."""
    made_of = {"django": django.get_version(), "python": platform.python_version()} if is_neighbour(request) else {}
    return JsonResponse({"release": release(), **made_of}, headers=FRESH)


def metrics(request) -> HttpResponse:
    """The metrics, for neighbours; to everybody else there is nothing here."""
    if not is_neighbour(request):
        return HttpResponseNotFound("There is nothing here.\n", content_type="text/plain")
    text, kind = exposition.text()
    return HttpResponse(text, content_type=kind, headers=FRESH)


def release() -> str:
    """The id of the release these files belong to, which its folder is named after; `checkout` anywhere else."""
    return ROOT.name if ROOT.parent.name == "releases" else "checkout"


ANSWERS = {"/healthz": alive, "/readyz": ready, "/version": version, "/metrics": metrics}
SLOW = {"/readyz", "/metrics"}
