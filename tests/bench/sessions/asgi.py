"""Three pages for uvicorn: one that counts visits as a coroutine, one that does in a thread, one with no session."""

from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path


async def count_as_coroutine(request):
    """How often this visitor was here."""
    await request.session.aset("visits", await request.session.aget("visits", 0) + 1)
    return HttpResponse(await request.session.aget("visits"))


def count_in_thread(request):
    """How often this visitor was here."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(request.session["visits"])


def nothing(request):
    """That the server is there."""
    return HttpResponse()


urlpatterns = [path("async", count_as_coroutine), path("sync", count_in_thread), path("nothing", nothing)]
application = get_asgi_application()
