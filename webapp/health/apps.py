"""The app of probes and of the first page."""

from django.apps import AppConfig


class HealthConfig(AppConfig):
    """Health has no tables; it is an app for its checks."""

    name = "webapp.health"

    def ready(self):
        from webapp.health import checks  # noqa: F401 - importing registers them
