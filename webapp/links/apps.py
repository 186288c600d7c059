"""The app of short links."""

from django.apps import AppConfig
from django.db.models.signals import pre_delete


class LinksConfig(AppConfig):
    """Links, their redirects and their statistics."""

    name = "webapp.links"
    verbose_name = "Links"

    def ready(self):
        from webapp.links.deletion import before_delete

        pre_delete.connect(before_delete, sender="links.Link", dispatch_uid="webapp.links")
