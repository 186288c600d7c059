"""The link by which a new e-mail address is confirmed: who asked for which address, signed, and kept nowhere."""

import hashlib

from django.conf import settings
from django.core import signing
from django.urls import reverse

from webapp.users.models import User

SALT = "webapp.users.address_links"
AGE = 24 * 3600  # seconds


def link(user: User, email: str) -> str:
    """Where the reader of a mail to this address makes it the user's; for a day."""
    token = signing.dumps([user.account_id, email, state(user)], salt=SALT)
    return settings.ENVIRONMENT.public_url + reverse("confirm-email", args=[token])


def read(token: str) -> tuple[User, str] | None:
    """Who asked for which address; None once the link's day, his password or his address is another, or he is gone.

    Raises Unavailable.
    """
    try:
        account_id, email, before = signing.loads(token, salt=SALT, max_age=AGE)
    except signing.BadSignature:
        return None
    user = User.objects.filter(account_id=account_id, is_active=True).first()
    if user is None or user.account is None or not user.account.active or state(user) != before:
        return None
    return user, email


def state(user: User) -> str:
    """What is another after each change of password or address."""
    return hashlib.sha256(f"{user.account.stamp}:{user.account.email}".encode()).hexdigest()[:32]
