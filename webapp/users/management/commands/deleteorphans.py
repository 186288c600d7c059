"""Removes what users leave whose accounts are gone: `manage.py deleteorphans --delete`."""

from django.core.management.base import BaseCommand, CommandError

from webapp.users.orphans import NoAccounts, delete_orphan, orphans
from webapp.users.store import Unavailable


class Command(BaseCommand):
    """Only says who they are, unless it is told to delete. May be killed and run again."""

    help = (
        "List the users whose accounts in SimpleDB are gone, because another client deleted them or a deletion was cut"
        " off; with --delete their rows go too, with links, tokens and all else that is theirs."
    )

    def add_arguments(self, parser):
        parser.add_argument("--delete", action="store_true", help="delete them, for good; without it nothing changes")

    def handle(self, *, delete, **_):
        found = 0
        try:
            for user in orphans():
                found += 1
                name = user.username
                if delete:
                    delete_orphan(user)
                self.stdout.write(f"{name} {'is deleted' if delete else 'has no account any more'}.")
        except Unavailable as error:
            done = "What is deleted is deleted; run" if delete else "Run"
            raise CommandError(f"{error}. {done} it again.") from error
        except NoAccounts as error:
            raise CommandError(f"{error}. Nothing is deleted; see whether USER_DOMAINS is right.") from error
        if not found:
            self.stdout.write("Every user has an account.")
        elif not delete:
            self.stdout.write(f"{found} in all; --delete removes them with all that is theirs.")
