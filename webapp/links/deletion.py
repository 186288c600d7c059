"""A link goes with all that was counted of it, and Redis forgets it first."""

from webapp.links import counter
from webapp.links.models import Day, Link, LinkQuerySet, Minute, Source, Total

CHUNK = 1000  # links at a time


def before_link(sender, instance, origin=None, **_):
    """Receiver of pre_delete, inside its transaction. Raises SessionsUnavailable, and then nothing is deleted: Redis
    would lead on to where the link led."""
    if getattr(origin, "model", type(origin)) in (Link, type(None)):  # not with its owner, who has many perhaps
        forget(Link.objects.filter(pk=instance.pk))


def before_owner(sender, instance, **_):
    """As before_link, for all links of a user that is to be deleted."""
    forget(Link.objects.filter(owner_id=instance.pk))


def forget(links: LinkQuerySet) -> None:
    """Have Redis ask for these links again, and delete what was counted of them."""
    # The worker locks the links whose clicks it adds, too: it adds none to these any more.
    found = list(links.select_for_update().order_by("pk").values_list("pk", "slug"))
    for begin in range(0, len(found), CHUNK):
        keys, slugs = zip(*found[begin : begin + CHUNK], strict=True)
        counter.hold(*slugs)
        for model in (Minute, Source, Day, Total):
            model.objects.filter(link__in=keys).delete()
