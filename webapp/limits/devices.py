"""The cookie by which a browser shows that its owner has signed in to an account there before, wherever he is now.

It opens nothing. Tries with it are counted by it instead of by address, so that whoever else tries the name holds up
nobody who has it, and whoever stole it has no more tries than from one address. So it need not end with a password.
"""

import secrets

from django.conf import settings
from django.core.signing import b62_decode

AGE = 365 * 24 * 3600  # seconds
MOST = 10  # names that one browser is known for: all its cookies come with each request, and servers take 8 KB of them
SALT = "webapp.limits.devices"


def remember(request, response, digest: str) -> None:
    """Let this answer's browser keep a cookie for the name that `digest` stands for: a new one at each sign-in.

    It forgets the name for which that is longest ago where it has more than MOST.
    """
    name = cookie(digest)
    others = [each for each in request.COOKIES if each.startswith(cookie("")) and each != name]
    others.sort(key=lambda each: signed_at(request.COOKIES[each]), reverse=True)
    for each in others[MOST - 1 :]:
        response.delete_cookie(each, samesite="Lax")
    response.set_signed_cookie(
        name,
        secrets.token_hex(16),
        salt=SALT,
        max_age=AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def device(request, digest: str) -> str:
    """What the cookie for this name says; empty if there is none of ours. That of another name counts as none."""
    return request.get_signed_cookie(cookie(digest), default="", salt=SALT, max_age=AGE)


def cookie(digest: str) -> str:
    """One for each name, which cannot be read from it. Django signs a cookie together with what it is called."""
    return f"{'__Host-' if settings.SESSION_COOKIE_SECURE else ''}known-{digest[:16]}"


def signed_at(value: str) -> int:
    """When Django signed it, in seconds since 1970; 0 for what it did not."""
    try:
        return b62_decode(value.rsplit(":", 2)[1])
    except (IndexError, ValueError):
        return 0
