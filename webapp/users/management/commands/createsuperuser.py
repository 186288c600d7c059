"""Django's createsuperuser, which here makes an account in SimpleDB too: `manage.py createsuperuser`."""

from django.contrib.auth.management.commands import createsuperuser
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from webapp.users.names import check_free, check_name
from webapp.users.shards import InvalidName
from webapp.users.store import StoreError


class Command(createsuperuser.Command):
    """As Django's. A name is refused when SimpleDB knows it in any spelling, also of users never seen here."""

    def handle(self, *args, **options):
        try:
            return super().handle(*args, **options)
        except (StoreError, InvalidName) as error:
            raise CommandError(f"{error}.") from error

    def _validate_username(self, username, verbose_field_name, database):
        wrong = super()._validate_username(username, verbose_field_name, database)
        if wrong:
            return wrong
        try:
            check_name(username)
            check_free(self.UserModel.normalize_username(username))
        except ValidationError as error:
            return f"Error: {' '.join(error.messages)}"
        return None
