"""Makes an account: `manage.py createaccount alice --email alice@example.org`."""

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from webapp.users.models import User
from webapp.users.names import check_name
from webapp.users.passwords import ask_twice
from webapp.users.store import StoreError


class Command(BaseCommand):
    """Asks for the password, or takes it as the first line of standard input; never from the command line."""

    help = "Make an account in SimpleDB and its user's row in MySQL. The password is asked for, or read from stdin."

    def add_arguments(self, parser):
        parser.add_argument("name", help="the username")
        parser.add_argument("--email", default="", help="the e-mail address; may be left out")
        parser.add_argument("--superuser", action="store_true", help="may do everything here, under /admin/ too")

    def handle(self, *, name, email, superuser, **_):
        try:
            check_name(name)
            password = ask_twice(User(username=name, email=email))
            create = User.objects.create_superuser if superuser else User.objects.create_user
            user = create(name, email, password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except StoreError as error:
            raise CommandError(f"{error}.") from error
        self.stdout.write(f"The account {user.username} is made.")
