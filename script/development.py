"""Django's settings for `script/server`: those of every stage, with what makes changes visible at once."""

from webapp.settings import *  # noqa: F403 - all of them
from webapp.settings import MIDDLEWARE, TEMPLATES

DEBUG = True  # errors are pages that show the code, and static files are served from where they are edited
_headers = MIDDLEWARE.index("webapp.headers.HeadersMiddleware")
MIDDLEWARE = [*MIDDLEWARE[: _headers + 1], "debugpages.DebugPages", *MIDDLEWARE[_headers + 1 :]]

for _engine in TEMPLATES:
    # Django keeps templates that it has read, unless it is told how to load them.
    _engine["APP_DIRS"] = False
    _engine["OPTIONS"]["loaders"] = [
        "django.template.loaders.filesystem.Loader",
        "django.template.loaders.app_directories.Loader",
    ]
