"""`sdb.export` and `sdb.import`: all accounts into a file, and many of them out of one."""

import sys
import time
from contextlib import contextmanager
from pathlib import Path

from fabric import task
from invoke.exceptions import Exit

from .domains import accounts, bulk_client, plainly, sentence
from .engine import show as screen
from .engine.bar import Bar
from .engine.errors import Failure, Refusal
from .engine.stage import alone, aside, stage_of

AT_ONCE = 8  # domains restored side by side
INTERRUPTED = 130


@task(
    positional=["file"],
    help={
        "file": "where to, - for standard output; it must not be there yet",
        "format": "jsonl or csv; told from the file's name if left out",
        "force": "replace the file if it is there",
    },
)
def export(c, file, format="", force=False):
    """Write every account to a file: `sdb.export users.jsonl`. It can be read by you alone, and holds password hashes.

    JSON lines, or CSV with a heading. All fields are in it, so that `sdb.import` on another stage gives the same
    accounts, their sessions and ids among them. People may sign in meanwhile. Killed, it leaves FILE.part behind.
    """
    from webapp.users.bulk.dumping import FORMATS, InTheWay, new_file, write

    format = format or ("csv" if file.lower().endswith(".csv") else "jsonl")
    if format not in FORMATS:
        raise Refusal(f"there is no format {format!r}: say jsonl or csv")
    stage = stage_of(c)
    store = at_full_speed(stage)
    with Bar(quiet=file == "-", out=sys.stderr) as bar, plainly(stage, "the export is not whole"):
        total = store.count()

        def tell(done):
            bar.tell("export accounts", done, max(done, total))

        try:
            if file == "-":
                return write(store, sys.stdout, format)
            with new_file(Path(file), force) as out:
                done = write(store, out, format, tell)
        except InTheWay as error:
            raise Refusal(str(error)) from None
        except OSError as error:
            raise Failure(
                f"{file} cannot be written: {error.strerror}; what there is of it is no whole export"
            ) from None
    print(f"{done:,} accounts are in {file}. It holds their password hashes: keep it as you keep passwords.")


@task(
    name="import",
    positional=["source"],
    help={
        "source": "a file, - for standard input, or s3://BUCKET/PREFIX of exports that AWS made of SimpleDB domains",
        "format": "jsonl, csv or dumpdata; told from the content if left out",
        "drop_taken_emails": "import a row without its e-mail address if somebody has that already",
        "report": "where to tell of rows that were not imported; SOURCE.rejected.jsonl if left out",
        "domain": "where an export in S3 goes if not into the domain it was made of; for the exports of all shards, "
        "what the domains are called without their numbers",
        "json": "print JSON, for programs, instead of lines for people",
    },
)
def import_(c, source, format="", drop_taken_emails=False, report="", domain="", json=False):
    """Make the accounts of a file: JSON lines, CSV with a heading, or what Django's `dumpdata auth.user` writes.

    A row has a name, and may have password (one of Django's hashes, never a plain one; without one nobody can sign in
    until he asks for a new password by mail), email, active, created, last_login and whatever else an export holds.
    Nothing that is there is changed: a name or an address that somebody has is reported, also if he takes it meanwhile.
    Killed anywhere, run it again: it goes on. Exit code 0 if every row is an account now, 1 if not.
    """
    stage = stage_of(c)
    if source.startswith("s3://"):
        return restore(stage, source, domain, json)
    if domain:
        raise Refusal("--domain is for an export in S3: accounts of a file go where their names point to")
    report = Path(report or ("import.rejected.jsonl" if source == "-" else f"{source}.rejected.jsonl"))
    if not report.parent.is_dir():
        raise Refusal(f"{report.parent} is no folder: name another --report")
    with opened(source, format) as rows, alone(f"{stage.name}-import"):
        store = at_full_speed(stage)
        with plainly(stage, "what was imported stays so"):
            summary = bring_in(stage, store, rows, report, drop_taken_emails, json)
    judge(summary, rows, report, json)


def bring_in(stage, store, rows, report, drop_taken_emails, quiet):
    """The Summary of an import, with a bar while it runs."""
    from webapp.users.bulk.importing import bring_in as run
    from webapp.users.bulk.loading import Moving
    from webapp.users.bulk.progress import Busy
    from webapp.users.bulk.sources import Malformed

    with Bar(quiet=quiet, out=sys.stderr) as bar:
        began = []  # when the first row was dealt with, and how many had been by earlier runs

        def tell(told):
            if not began:
                began.extend((time.monotonic(), told.rows))
            speed = f"  {(told.rows - began[1]) / max(0.1, time.monotonic() - began[0]):,.0f} rows/s"
            slowed = f"  ({told.slowed} domains are busy)" if told.slowed else ""
            rejected = f"  {told.counts['rejected']:,} rejected" if told.counts["rejected"] else ""
            bar.tell("import accounts", told.rows, rows.total(told.rows), speed + rejected + slowed)

        try:
            return run(store, rows, f"{stage.name}-users", report, drop_taken_emails, tell)
        except (Moving, Malformed, Busy) as error:
            raise Refusal(f"{sentence(error)}") from None
        except OSError as error:
            raise Failure(f"the import cannot be noted or reported: {error}; run it again, it goes on") from None
        except KeyboardInterrupt:
            aside("\nInterrupted. What is imported is imported; run the same command again and it goes on from here.")
            raise Exit(code=INTERRUPTED) from None


def judge(summary, rows, report, json):
    """Say how an import ended; leave with 1 unless every row is an account now."""
    if json:
        screen.as_json(vars(summary) | {"report": str(report) if summary.rejected or summary.without_email else None})
    else:
        without = f" ({summary.without_email:,} without their e-mail address)" if summary.without_email else ""
        print(
            f"{summary.imported:,} accounts imported{without}, {summary.present:,} were there already,"
            f" {summary.rejected:,} rejected, {summary.failed:,} not tried to the end"
        )
    if summary.failed:
        domain, why = next(iter(summary.failures.items()), ("", "a domain did not answer"))
        others = f" (and {len(summary.failures) - 1} more)" if len(summary.failures) > 1 else ""
        raise Failure(
            f"{summary.failed:,} rows are still to be imported, for {domain}{others}: {why}; mend that, and run this"
            " again"
        )
    if summary.rejected:
        raise Refusal(
            f"{summary.rejected:,} of the rows of {rows.name} were rejected: {report} says which and why; mend those"
            " rows, and import them again"
        )


def restore(stage, source, domain, json):
    """Write the exports below an address in S3 into their domains."""
    from botocore.exceptions import BotoCoreError, ClientError

    from webapp.users.bulk.exported import Damaged, find

    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    stage.open()
    s3 = stage.world.client("s3")
    with alone(f"{stage.name}-import"), plainly(stage, "what was written stays, and running this again goes on"):
        try:
            found = find(s3, bucket, prefix)
            names = targets(stage, found, source, domain)
            written = side_by_side(stage, s3, found, names, json)
        except Damaged as error:
            raise Refusal(f"{error}: export it again") from None
        except ClientError as error:
            code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "").rstrip(".")
            need = ": allow yourself s3:ListBucket and s3:GetObject there" if code == "AccessDenied" else ""
            raise Failure(f"{source} cannot be read: {text} ({code}){need}") from None
        except BotoCoreError as error:
            raise Failure(f"{source} cannot be read: {str(error).rstrip('.')}") from None
    rows = [
        {"domain": name, "export": it.id, "items": it.items, "written": new}
        for name, it, new in zip(names, found, written, strict=True)
    ]
    if json:
        return screen.as_json(rows)
    for row in rows:
        print(f"{row['domain']}: {row['items']:,} items as exported, {row['written']:,} of them written now")


def targets(stage, found, source, domain):
    """The domain that each export goes into. Refuses what is not clear: none, two of one domain, another stage's."""
    if not found:
        raise Refusal(f"there is no finished export below {source}: name a folder that holds manifest-summary.json")
    names = [it.domain for it in found]
    twice = [it for it in found if names.count(it.domain) > 1]
    if twice:
        ids = " and ".join(it.id for it in twice if it.domain == twice[0].domain)
        raise Refusal(f"there are several exports of {twice[0].domain} below {source}: name the folder of one, {ids}")
    if domain:
        prefixes = {name.rpartition("-")[0] for name in names}
        if len(prefixes) > 1:
            raise Refusal(f"the exports below {source} are not of one set of domains: name the folder of one")
        names = [domain] if len(names) == 1 else [f"{domain}-{name.rpartition('-')[2]}" for name in names]
    for name in names:
        if not name.startswith(f"{stage.name}-"):
            raise Refusal(f"{name} is no domain of {stage.name}: say with --domain where the items shall go")
    return names


def side_by_side(stage, s3, found, names, quiet):
    """How many items of each export were written into the domain of the same place in `names`, all at once."""
    from concurrent.futures import ThreadPoolExecutor

    from webapp.users.bulk.exported import items
    from webapp.users.bulk.restoring import Restoring
    from webapp.users.calls import Calls

    calls = Calls(bulk_client(stage))
    done, total = dict.fromkeys(found, 0), sum(it.items for it in found)
    with Bar(quiet=quiet, out=sys.stderr) as bar, ThreadPoolExecutor(AT_ONCE) as pool:

        def one(export, name):
            def tell(count):
                done[export] = count
                bar.tell("restore items", sum(done.values()), total)

            return Restoring(calls, name, tell).run(lambda: items(s3, export), export.items)

        return list(pool.map(one, found, names))


def at_full_speed(stage):
    """The stage's user store with as many connections as shards may be worked on at once."""
    stage.open()
    return accounts(stage, bulk_client(stage))


@contextmanager
def opened(source, format):
    """The rows of a file or of standard input. Raises Refusal."""
    from webapp.users.bulk.sources import FORMATS, Malformed, Source

    if format and format not in FORMATS:
        raise Refusal(f"there is no format {format!r}: say {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    try:
        rows = Source(source, format)
    except Malformed as error:
        raise Refusal(str(error)) from None
    try:
        yield rows
    finally:
        rows.close()
