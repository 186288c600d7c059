"""The account goes with its row, and whatever else is his."""

from django.db.models import CASCADE

from webapp.users import accounts
from webapp.users.store import Changed

ATTEMPTS = 3


def delete_account(sender, instance, **_):
    """Receiver of post_delete, inside its transaction: a store out of reach raises, and the row stays too.

    Otherwise who was deleted could sign in again, and would be here for the first time.
    """
    for attempt in range(ATTEMPTS):
        account = accounts.find(instance.username)
        if account is None or account.id != instance.account_id:
            return
        try:
            return accounts.store().delete(account)
        except Changed:  # by somebody who did not know that he was to be deleted
            if attempt == ATTEMPTS - 1:
                raise


def belongings(user) -> list[tuple[int, str]]:
    """What goes with the user, beside his account: how many of what. As many queries as there are kinds."""
    owned = [each for each in user._meta.related_objects if each.on_delete is CASCADE]
    counted = [
        (each.related_model, each.related_model._base_manager.filter(**{each.field.name: user})) for each in owned
    ]
    found = [(rows.count(), model._meta) for model, rows in counted]
    return [
        (count, str(meta.verbose_name if count == 1 else meta.verbose_name_plural)) for count, meta in found if count
    ]
