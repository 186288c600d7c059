"""The app of probes and of the first page."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created


class HealthConfig(AppConfig):
    """Health has no tables; it is an app for its checks, its template tag, and what it measures."""

    name = "webapp.health"

    def ready(self):
        from webapp.health import checks  # noqa: F401 - importing registers them
        from webapp.store_calls import measure_mysql

        connection_created.connect(measure_mysql, dispatch_uid="webapp.store_calls")
