"""A link goes with all that was counted of it, and Redis forgets it first."""

from webapp.links import counter
from webapp.links.models import Day, Link, Minute, Source, Total


def before_delete(sender, instance, **_):
    """Receiver of pre_delete, inside its transaction. Raises SessionsUnavailable, and then nothing is deleted: Redis
    would lead on to where the link led."""
    counter.hold(instance.slug)
    # The worker locks the links whose clicks it adds, too: it adds none to this one any more.
    list(Link.objects.select_for_update().filter(pk=instance.pk).values_list("pk"))
    for model in (Minute, Source, Day, Total):
        model.objects.filter(link=instance.pk).delete()
