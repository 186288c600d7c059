"""`test`: Django's own would find nothing it can run."""

import sys

from django.core.management.base import BaseCommand

WHY = """\
The tests are pytest's and start servers of their own. In the checkout run
  script/test tests/web               the application's, from nothing
  script/test tests/web -k redis      arguments go to pytest"""


class Command(BaseCommand):
    help = "Says how the tests are run: by pytest, with servers of their own."

    def run_from_argv(self, argv):
        """Whatever words and options follow."""
        if {"-h", "--help"} & set(argv):
            super().run_from_argv(argv)
        sys.exit(WHY)
