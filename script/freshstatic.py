"""The application together with its static files as they are edited, for `script/server`."""

import traceback

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.urls import get_resolver


def loaded():
    """The application; if it cannot be loaded, one that shows why, until a file is saved that mends it."""
    try:
        from webapp.wsgi import application

        get_resolver().url_patterns  # noqa: B018 - reads every view now, so that what is wrong in one is said now
        return StaticFilesHandler(application)
    except SystemExit as error:
        if not isinstance(error.code, str):  # we are told to end
            raise
        return failing(f"{error.code}\n")
    except Exception:  # noqa: BLE001 - whatever is wrong with code in the making
        return failing(traceback.format_exc())


def failing(why):
    """A WSGI application that answers every request with this text, which is printed too."""
    print(why, end="", flush=True)

    def application(environment, start_response):
        start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
        return [why.encode(errors="replace")]

    return application


application = loaded()
