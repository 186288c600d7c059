"""The application as a WSGI server wants it: `gunicorn -c webapp/gunicorn.conf.py webapp.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
application = get_wsgi_application()
