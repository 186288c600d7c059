"""Django's changepassword for accounts in SimpleDB: `manage.py changepassword alice`, at a terminal."""

import getpass

from django.contrib.auth.management.commands import changepassword
from django.core.management.base import CommandError

from webapp.users import accounts
from webapp.users.models import User
from webapp.users.store import StoreError


class Command(changepassword.Command):
    """As Django's, also for an account whose owner was never seen here. All of his sessions end."""

    def handle(self, *args, **options):
        name = options["username"] or getpass.getuser()
        try:
            account = accounts.find(name)
            if account is not None and account.name == name:
                User.objects.db_manager(options["database"]).for_account(account)
            return super().handle(*args, **options)
        except StoreError as error:
            raise CommandError(f"{error}.") from error
