"""What sessions and sign-in must be told, be it by our settings or by those of another Django project."""

from typing import TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from pydantic import ValidationError

from webapp.environment import Part, explain

Kind = TypeVar("Kind", bound=Part)


def part(kind: type[Kind]) -> Kind:
    """The fields of this kind. Our settings have read them, ENVIRONMENT; those of another project may hold them by
    their names in capitals, and what they do not hold is taken from the environment.

    Raises ImproperlyConfigured, which names all that is missing or wrong.
    """
    environment = getattr(settings, "ENVIRONMENT", None)
    if isinstance(environment, kind):
        return environment
    names = {name: name.upper() for name in kind.model_fields}
    given = {name: getattr(settings, capitals) for name, capitals in names.items() if hasattr(settings, capitals)}
    try:
        return kind.found(**given)
    except ValidationError as error:
        raise ImproperlyConfigured(explain(error, "Django's settings or the environment must say:")) from None
