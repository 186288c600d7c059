"""The app of short links."""

from django.apps import AppConfig
from django.db.models.signals import pre_delete


class LinksConfig(AppConfig):
    """Links, their redirects and their statistics."""

    name = "webapp.links"
    verbose_name = "Links"

    def ready(self):
        pre_delete.connect(hold, sender="links.Link", dispatch_uid="webapp.links")


def hold(sender, instance, **_):
    """Redis must not lead on to where a deleted link led; if it cannot be told so, nothing is deleted."""
    from webapp.links import counter

    counter.hold(instance.slug)
