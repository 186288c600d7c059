"""Users whose accounts are gone: what is left here when another client deletes one, or when we are killed at it."""

from collections.abc import Iterator

from django.db import transaction

from webapp.users import accounts
from webapp.users.models import User


class NoAccounts(Exception):
    """There is no account at all, which is no deletion of accounts: the application looks in the wrong place."""


def orphans() -> Iterator[User]:
    """Every user whose account is gone, asked for once more by itself. Raises Unavailable and NoAccounts."""
    ids = {account.id for account in accounts.store()}
    rows = list(User.objects.values_list("pk", "account_id"))
    if rows and not ids:
        raise NoAccounts("There are users here, but not one account")
    for key, account_id in rows:
        if account_id in ids:
            continue
        user = User.objects.filter(pk=key).first()
        if user and user.account is None:  # else he signed up while we looked
            yield user


def delete_orphan(user: User) -> None:
    """Delete his row with all that points to it; whoever has his name by now is left alone."""
    with transaction.atomic():
        user.delete()
