"""The application together with its static files as they are edited, for `script/server`."""

from django.contrib.staticfiles.handlers import StaticFilesHandler

from webapp.wsgi import application as pages

application = StaticFilesHandler(pages)
