"""The application together with its static files as they are edited, for `script/server`."""

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.urls import get_resolver

from webapp.wsgi import application as pages

application = StaticFilesHandler(pages)
get_resolver().url_patterns  # noqa: B018 - reads every view now, so that what is wrong in one is said now, and is watched
