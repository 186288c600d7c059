"""Gives an account another password: `manage.py changeaccountpassword alice`."""

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from webapp.users import accounts
from webapp.users.models import User
from webapp.users.passwords import ask_twice
from webapp.users.store import StoreError


class Command(BaseCommand):
    """Works on SimpleDB alone: the owner need not have been seen here."""

    help = "Change an account's password and end its sessions. The password is asked for, or read from stdin."

    def add_arguments(self, parser):
        parser.add_argument("name", help="the username")

    def handle(self, *, name, **_):
        try:
            account = accounts.find(name)
            if account is None:
                raise CommandError(f"There is no account {name}.")
            password = ask_twice(User(username=account.name, email=account.email))
            accounts.store().change_password(account, make_password(password))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except StoreError as error:
            raise CommandError(f"{error}.") from error
        self.stdout.write(f"The password of {account.name} is changed; his sessions have ended.")
