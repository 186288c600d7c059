"""Making a link: by a form or by the API, under the same limit."""

from datetime import datetime

from webapp.limits.rules import Meter, Rule
from webapp.links.models import Link

# Counted by account: a hundred at once for who brings his old ones, then six a minute. What spams is stopped early.
MAKING = Rule("link", Meter(free=100, first=10, factor=1, longest=10, leak=10))


def make(owner, target: str, ends: datetime | None) -> Link:
    """A new link of this user to a target that was checked. Raises TooManyAttempts and SessionsUnavailable."""
    MAKING.take(f"account {owner.account_id}")
    return Link.objects.make(owner, target, ends)
