"""The app of short links."""

from django.apps import AppConfig
from django.db.models.signals import post_save, pre_delete, pre_save


class LinksConfig(AppConfig):
    """Links, their redirects and their statistics."""

    name = "webapp.links"
    verbose_name = "Links"

    def ready(self):
        from webapp.links import deletion, lag, owners
        from webapp.metrics import ASKED

        pre_delete.connect(deletion.before_link, sender="links.Link", dispatch_uid="webapp.links")
        pre_delete.connect(deletion.before_owner, sender="users.User", dispatch_uid="webapp.links")
        pre_save.connect(owners.before_save, sender="users.User", dispatch_uid="webapp.links")
        post_save.connect(owners.after_save, sender="users.User", dispatch_uid="webapp.links")
        ASKED["links"] = lag.lag
