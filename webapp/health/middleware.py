"""The two addresses a load balancer asks, by any host name and without TLS."""

import logging

from django.http import HttpResponse, JsonResponse

from webapp.health.probes import probe_all

log = logging.getLogger(__name__)


class HealthMiddleware:
    """Answers /healthz and /readyz before any check of host, scheme or session; must come first."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path == "/healthz":
            return alive()
        if request.path == "/readyz":
            return ready()
        return self.get_response(request)


def alive() -> HttpResponse:
    """200 as long as this process answers; no store is touched, so a store's outage restarts nobody."""
    return HttpResponse("ok\n", content_type="text/plain", headers={"Cache-Control": "no-store"})


def ready() -> JsonResponse:
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
    return JsonResponse(
        {"ready": not down, "down": down, "stores": stores},
        status=503 if down else 200,
        headers={"Cache-Control": "no-store"},
    )
