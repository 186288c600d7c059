"""System checks for settings with which sessions would not be what we promise."""

from django.conf import settings
from django.core.checks import Error, register
from django.core.exceptions import ImproperlyConfigured

from webapp.sessions.form import HINT, serializer_in_use


@register
def check_serializer(app_configs=None, **_):
    """Sessions are JSON: what is read from Redis must never be able to run code."""
    try:
        serializer_in_use()
    except ImproperlyConfigured as error:
        problem, _, hint = str(error).partition(". ")
    except ImportError:
        problem = f"SESSION_SERIALIZER is {settings.SESSION_SERIALIZER}, which cannot be imported"
        hint = HINT
    else:
        return []
    return [Error(f"{problem}.", hint=hint, id="hydra.E002")]
