"""The application as an ASGI server wants it: `uvicorn webapp.asgi:application`.

With several workers, PROMETHEUS_MULTIPROC_DIR must name an empty folder for /metrics to tell what all have counted.
"""

import asyncio
import os
from io import BytesIO

import django
from django.core.handlers.asgi import ASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
# Django runs a request's views in a thread that ends with the request. A connection kept open in it would be used by
# nobody again, and stay until the garbage collector finds it.
os.environ["MYSQL_MAX_AGE"] = "0"
django.setup(set_prefix=False)

from webapp.health.middleware import ANSWERS  # noqa: E402 - needs the apps
from webapp.links.middleware import is_short  # noqa: E402

# Requests at once. Each has a thread and a connection to MySQL.
TURNS = 16


class Handler(ASGIHandler):
    """Django's with a limit, and for what needs no view neither a turn to wait for nor a thread.

    For every request Django starts one, in which to say that the request began and ended. That is said for what
    threads leave behind, MySQL's connections above all; following a link and asking how we are leave nothing.
    """

    def __init__(self):
        super().__init__()
        self.turns = asyncio.Semaphore(TURNS)

    async def handle(self, scope, receive, send):
        if scope["path"] in ANSWERS or is_short(scope["path"]):
            request, refusal = self.create_request(scope, BytesIO())  # a body, if there is one, is not looked at
            return await self.send_response(refusal or await self.run_get_response(request), send)
        async with self.turns:
            await super().handle(scope, receive, send)


application = Handler()
