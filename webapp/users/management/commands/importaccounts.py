"""Imports many accounts: `manage.py importaccounts users.jsonl`, or `--from-table auth_user` out of a table."""

import contextlib
import sys
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.utils.connection import ConnectionDoesNotExist

from webapp.users.bulk.importing import bring_in
from webapp.users.bulk.loading import Moving
from webapp.users.bulk.progress import Busy
from webapp.users.bulk.sources import FORMATS, Malformed, Source
from webapp.users.bulk.table import Table
from webapp.users.store import AccountStore, StoreError, connect

CONNECTIONS = 64
TIMEOUT = 10.0  # seconds; SimpleDB may take five to count


class Command(BaseCommand):
    """Writes to SimpleDB alone; a user's row in MySQL is made when he signs in for the first time."""

    help = (
        "Make the accounts of a file (JSON lines, CSV, `dumpdata auth.user`) or of a table as Django's auth_user. What"
        " is there already is never changed. Killed anywhere, run it again: it goes on."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", nargs="?", default="", help="the file; - for standard input")
        parser.add_argument("--format", choices=FORMATS, default="", help="told from the content if left out")
        parser.add_argument("--from-table", default="", metavar="TABLE", help="read this table instead of a file")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="the alias in DATABASES that has the table")
        parser.add_argument("--report", default="", help="where to tell of rows that were not imported")
        parser.add_argument(
            "--drop-taken-emails", action="store_true", help="import a row without its address if somebody has that"
        )

    def handle(self, *, file, from_table, report, drop_taken_emails, **options):
        if bool(file) == bool(from_table):
            raise CommandError("Name a file, or a table with --from-table; one of the two.")
        name = from_table or ("import" if file == "-" else file)
        report = Path(report or f"{name}.rejected.jsonl")
        if not report.parent.is_dir():
            raise CommandError(f"{report.parent} is no folder: name another --report.")
        environment = settings.ENVIRONMENT
        client = connect(environment.aws_region, timeout=TIMEOUT, connections=CONNECTIONS)
        store = AccountStore(client, environment.user_domains, environment.user_shards)
        try:
            with contextlib.closing(self._source(file, from_table, **options)) as rows:
                target = environment.user_domains
                summary = bring_in(store, rows, target, report, drop_taken_emails, self._tell)
        except (Malformed, Moving, Busy, StoreError) as error:
            raise CommandError(f"{error}.") from error
        except DatabaseError as error:
            raise CommandError(f"The table {from_table} cannot be read: {error}.") from error
        except OSError as error:
            raise CommandError(f"The import cannot be noted or reported: {error}.") from error
        self.stdout.write(
            f"{summary.imported:,} accounts imported ({summary.without_email:,} without their e-mail address),"
            f" {summary.present:,} were there already, {summary.rejected:,} rejected, {summary.failed:,} failed."
        )
        if summary.failed:
            domain, why = next(iter(summary.failures.items()), ("a domain", "it did not answer"))
            raise CommandError(f"{summary.failed:,} rows are still to be imported ({domain}: {why}): run this again.")
        if summary.rejected:
            raise CommandError(f"{summary.rejected:,} rows were rejected: {report} says which and why.")

    def _source(self, file, table, format, database, **_):
        if not table:
            return Source(file, format)
        try:
            return Table(connections[database], table)
        except ConnectionDoesNotExist as error:
            raise CommandError(f"There is no database {database} in DATABASES.") from error

    def _tell(self, told):
        if self.stderr.isatty():
            line = f"{told.rows:,} rows, {told.counts['rejected']:,} rejected"
            sys.stderr.write(f"\r\033[K{line}")
            sys.stderr.flush()
