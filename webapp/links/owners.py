"""While a user is locked out of this application his links lead nowhere: so a spammer is stopped at once."""

from webapp.links import counter
from webapp.links.deletion import CHUNK
from webapp.links.models import Link


def before_save(sender, instance, raw=False, update_fields=None, **_):
    """Receiver of pre_save: whoever is locked out here or let in again has his links read anew from MySQL.

    Raises SessionsUnavailable, and then he is not saved. What changes rows without `save` is seen when Redis forgets
    the links, after five minutes.
    """
    if raw or instance._state.adding or not changed(instance, update_fields):
        return
    slugs = list(Link.objects.filter(owner_id=instance.pk).values_list("slug", flat=True))
    for begin in range(0, len(slugs), CHUNK):
        counter.hold(*slugs[begin : begin + CHUNK])


def after_save(sender, instance, update_fields=None, **_):
    """Receiver of post_save: what is stored now is what the next save is compared with."""
    if update_fields is None or "is_active" in update_fields:
        instance._stored_active = instance.__dict__.get("is_active")


def changed(user, update_fields) -> bool:
    """Whether this save locks him out or lets him in; one that was not read says so, too."""
    if update_fields is not None and "is_active" not in update_fields:
        return False
    return "is_active" in user.__dict__ and user.is_active != user._stored_active
