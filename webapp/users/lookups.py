"""Queries for users that ask for an address, which only SimpleDB can tell."""

from django.db.models import QuerySet

from webapp.users import accounts

# Whole addresses; capitals never count, as nowhere with addresses.
LOOKUPS = ("email", "email__exact", "email__iexact")


class UserQuerySet(QuerySet):
    """Rows; `filter`, `exclude` and `get` take a whole e-mail address too, as Django's own reset of passwords asks.

    SimpleDB is asked for the address at once and not when the rows are read. Raises Unavailable.
    """

    def filter(self, *args, **lookups):
        return super().filter(*args, **by_account(lookups))

    def exclude(self, *args, **lookups):
        return super().exclude(*args, **by_account(lookups))


def by_account(lookups: dict) -> dict:
    """The same lookups, with that of an address as one of whose it is."""
    for name in LOOKUPS:
        if name in lookups:
            owner = accounts.by_email(lookups.pop(name) or "")
            lookups["account_id__in"] = [owner.id] if owner else []
    return lookups
