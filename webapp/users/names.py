"""What a name must be like to be given here."""

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.utils.text import capfirst

from webapp.users import accounts
from webapp.users.shards import InvalidName, canonical

NAME_LENGTH = 150  # characters, for a name given here

TAKEN = "This name is taken."
EMAIL_TAKEN = "Another account has this e-mail address."


def check_name(name: str) -> None:
    """Raises ValidationError when nobody can have this name here."""
    if len(name) > NAME_LENGTH:
        raise ValidationError(f"A username has at most {NAME_LENGTH} characters.")
    UnicodeUsernameValidator()(name)
    try:
        canonical(name)
    except InvalidName as error:
        raise ValidationError(capfirst(f"{error}.")) from error


def check_free(name: str) -> None:
    """Raises ValidationError when somebody has this name already, in whatever spelling. Raises Unavailable.

    Only `create` can promise a name; this is so that all that is wrong with a form can be said at once.
    """
    if accounts.find(name) is not None:
        raise ValidationError(TAKEN, code="unique")


def check_address_free(email: str, account_id: str = "") -> None:
    """Raises ValidationError when another account than this has the address. Raises Unavailable."""
    owner = accounts.by_email(email) if email else None
    if owner is not None and owner.id != account_id:
        raise ValidationError(EMAIL_TAKEN, code="unique")
