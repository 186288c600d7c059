"""System checks for what no setting can promise: `manage.py check --database default`."""

from django.core.checks import Error, Tags, register
from django.db import connections


@register(Tags.database)
def check_encryption(databases=None, **_):
    """The connection to MySQL is encrypted, whatever the client library made of the options."""
    errors = []
    for alias in databases or []:
        with connections[alias].cursor() as cursor:
            cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
            row = cursor.fetchone()
        if not row or not row[1]:
            errors.append(
                Error(
                    f"The connection to the database {alias!r} is not encrypted.",
                    hint="Let the server require TLS, and check MYSQL_CA.",
                    id="hydra.E001",
                )
            )
    return errors
