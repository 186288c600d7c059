"""The application together with its static files, for where no nginx stands before it."""

from werkzeug.middleware.shared_data import SharedDataMiddleware

from webapp.settings import STATIC_ROOT, STATIC_URL
from webapp.wsgi import application as pages

application = SharedDataMiddleware(pages, {STATIC_URL.rstrip("/"): str(STATIC_ROOT)})
