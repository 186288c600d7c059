"""Making tokens, finding whose a token is, and taking tokens back."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from webapp.api.models import ApiToken
from webapp.users.account import Account
from webapp.users.models import User

# Whoever finds one in a log or a repository can tell by it whose it is and where to tell of it.
PREFIX = "hydra_"
LENGTH = len(PREFIX) + 43  # 32 random bytes in base64
DAYS, MOST_DAYS = 90, 366
MOST = 100  # tokens of one user
SWEPT = 20  # expired tokens that go when a new one is made
GRAIN = timedelta(minutes=5)  # in which a token's use is written down once


class TooManyTokens(Exception):
    """The user has as many tokens as anybody may have."""


@sensitive_variables()
def issue(user: User, device: str, days: int = DAYS, now: datetime | None = None) -> tuple[str, ApiToken]:
    """A new token of this user: its text, which nobody can read again, and its row. Raises TooManyTokens."""
    text, now = PREFIX + secrets.token_urlsafe(32), now or datetime.now(UTC)
    sweep(now)
    with transaction.atomic():
        # One at a time for each user, or parallel requests would all find room for one more.
        User.objects.select_for_update().only("pk").get(pk=user.pk)
        stamp = stamp_of(user.account)
        ApiToken.objects.filter(user=user).filter(Q(expires__lte=now) | ~Q(stamp=stamp)).delete()
        if ApiToken.objects.filter(user=user).count() >= MOST:
            raise TooManyTokens
        token = ApiToken.objects.create(
            user=user, digest=digest(text), stamp=stamp, device=device, created=now, expires=now + timedelta(days=days)
        )
    return text, token


def sweep(now: datetime) -> None:
    """Remove some tokens that have expired, whoever had them: more than are made, so that the table does not grow."""
    with transaction.atomic():
        # Two at once take different ones.
        ended = ApiToken.objects.select_for_update(skip_locked=True).filter(expires__lte=now).order_by("expires")
        ApiToken.objects.filter(pk__in=list(ended.values_list("pk", flat=True)[:SWEPT])).delete()


@sensitive_variables()
def find(text: str, now: datetime | None = None) -> ApiToken | None:
    """The token of this text if it counts, with its user and his account as it is now. Raises Unavailable.

    It does not once it has expired or was revoked, its user is locked out or gone, or his password is another.
    """
    if not text.startswith(PREFIX) or len(text) != LENGTH:
        return None
    now = now or datetime.now(UTC)
    token = ApiToken.objects.select_related("user").filter(digest=digest(text), expires__gt=now).first()
    if token is None or not token.user.is_active:
        return None
    account = token.user.account
    if account is None or not account.active or not constant_time_compare(token.stamp, stamp_of(account)):
        return None
    if token.last_used is None or now - token.last_used > GRAIN:
        ApiToken.objects.filter(pk=token.pk).update(last_used=now)
        token.last_used = now
    return token


def living(user: User, now: datetime | None = None) -> QuerySet[ApiToken]:
    """The user's tokens that count, the newest first."""
    if user.account is None:
        return ApiToken.objects.none()
    found = ApiToken.objects.filter(user=user, stamp=stamp_of(user.account), expires__gt=now or datetime.now(UTC))
    return found.order_by("-created", "id")


def keep_only(token: ApiToken) -> None:
    """After a new password: this token counts on, all others of its user are gone."""
    ApiToken.objects.filter(user=token.user).exclude(pk=token.pk).delete()
    ApiToken.objects.filter(pk=token.pk).update(stamp=stamp_of(token.user.account))


def digest(text: str) -> str:
    """What is kept of a token. Made of so much chance, it needs no slow hash."""
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


def stamp_of(account: Account) -> str:
    """What changes with the password, as a digest: the stamp itself stays in SimpleDB."""
    return hashlib.sha256(f"{account.id}:{account.stamp}".encode()).hexdigest()
