"""The password asked for again, of somebody who is signed in, before what cannot be undone."""

from django.views.decorators.debug import sensitive_variables

from webapp.limits.rules import CONFIRM


@sensitive_variables()
def confirmed(request, user, password: str) -> bool:
    """Whether this is the user's password; counted before the hasher runs. Raises TooManyAttempts, Unavailable.

    Whoever finds a browser that somebody left signed in shall not have all day to guess.
    """
    with CONFIRM.attempt(request, user.username) as attempt:
        right = user.check_password(password)
        if right:
            attempt.succeeded()
        return right
