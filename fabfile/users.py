"""Tasks on accounts: make one, find, lock or delete it, give it a new password, keep the e-mail addresses true."""

import shlex
import sys

from fabric import task

from webapp.users import shards

from .domains import accounts, plainly, sentence
from .engine import show as screen
from .engine.errors import Refusal
from .engine.stage import stage_of

SHOWN = ("name", "email", "active", "created", "updated", "last_login")
ROUNDS = 5  # how often an account may change under us before we give up
KINDS = {
    "orphan": "the claim to {address} is an orphan: {account} has it no more",
    "unclaimed": "{account} has no claim to {address}",
    "shared": "{account} has the address {address}, which is {holder}'s: give one of them another",
    "invalid": "{account} has the address {address!r}, which can be no claim",
}
DONE = {"orphan": "removed", "unclaimed": "added"}


@task(
    positional=["name"],
    help={
        "name": "the username",
        "email": "the e-mail address; may be left out",
        "password_stdin": "read the password from the first line of standard input instead of asking",
    },
)
def adduser(c, name, email="", password_stdin=False):
    """Make an account, its password asked for (or read from standard input), never on the command line.

    A name is taken once whatever its capitals, and so is an e-mail address. The account can sign in at once.
    """
    from webapp.users.store import EmailTaken, NameTaken

    stage = stage_of(c)
    if email and not is_address(email):
        raise Refusal(f"{email!r} is no e-mail address: nothing was made, give one like ada@example.org")
    with plainly(stage, "nothing was made, choose another"):
        shards.canonical(name)
    store = accounts(stage)
    password = password_of(password_stdin)
    with plainly(stage, "nothing was made"):
        try:
            account = store.create(name, hashed(password), email)
        except NameTaken as error:
            raise Refusal(f"{sentence(error)}: choose another name") from None
        except EmailTaken:
            with_it = store.by_email(email)
            whose = f" by {with_it.name}" if with_it else ""
            raise Refusal(f"The e-mail address {email} is taken{whose}: nothing was made, give another") from None
    print(f"{name} can sign in; the account is in {account.home}.")


@task(
    positional=["name"],
    help={
        "name": "the username in any spelling, or an e-mail address",
        "json": "print JSON, for programs, instead of lines for people",
    },
)
def find(c, name, json=False):
    """Show one account and the domain that holds it; never its password.

    The domain is where the account is now, also while users are being moved to other shards. A locked account is shown
    as such: `sdb.enable` lets it in again.
    """
    stage = stage_of(c)
    store = accounts(stage)
    with plainly(stage, "nothing was found out"):
        account = store.get(name) or ("@" in name and store.by_email(name)) or None
        places = store.maps.now().places(shards.canonical(name), store.records.prefix)
    if not account:
        whose = ", and no account has that address" if "@" in name else ""
        raise Refusal(f"There is no account {name}{whose}: it would be in {places[-1]}")
    row = {"domain": account.home} | {key: getattr(account, key) for key in SHOWN}
    if json:
        from webapp.users.slots import plain

        return screen.as_json(row | {"id": account.id, "version": plain(account.version)})
    row["active"] = "yes" if account.active else f"no, locked: `fab {stage.name} sdb.enable {account.name}` lets it in"
    row["last_login"] = account.last_login or "never"
    screen.table(row.items())


@task(
    positional=["name"],
    help={
        "name": "the username",
        "password_stdin": "read the password from the first line of standard input instead of asking",
    },
)
def passwd(c, name, password_stdin=False):
    """Give an account a new password, asked for (or read from standard input), never on the command line.

    Every session of the account ends at once. A locked account stays locked.
    """
    from webapp.users.store import Changed

    stage, store, _ = opened(c, name)  # before anybody types a password for an account that is not there
    password = hashed(password_of(password_stdin))
    for _ in range(ROUNDS):
        account = named(stage, store, name)
        with plainly(stage, "the old password still holds"):
            try:
                store.change_password(account, password)
            except Changed:
                continue
        locked = "" if account.active else f"; it stays locked until `fab {stage.name} sdb.enable {account.name}`"
        return print(f"{account.name} has a new password, and is signed out everywhere{locked}.")
    raise Refusal(f"The account {name} changes all the time: the old password still holds, run this again")


@task(positional=["name"], help={"name": "the username"})
def disable(c, name):
    """Lock an account: it cannot sign in, and its sessions end at once. Nothing of it is lost.

    `sdb.enable` takes it back; the password stays as it was.
    """
    stage, store, before = opened(c, name)
    with plainly(stage, "the account may still sign in"):
        account = store.lock(before.name)
    if account is None:
        raise Refusal(f"The account {name} was deleted just now: nothing is left to lock")
    again = f"`fab {stage.name} sdb.enable {account.name}` lets it in again"
    told = "is locked, and signed out everywhere" if before.active else "was locked already"
    print(f"{account.name} {told}; {again}.")


@task(positional=["name"], help={"name": "the username"})
def enable(c, name):
    """Let a locked account sign in again, with the password it had."""
    stage, store, before = opened(c, name)
    with plainly(stage, "the account is still locked"):
        account = store.unlock(before.name)
    if account is None:
        raise Refusal(f"The account {name} was deleted just now: nothing is left to let in")
    print(f"{account.name} {'could sign in already' if before.active else 'can sign in again'}.")


@task(
    positional=["name"],
    help={"name": "the username", "yes": "the same name once more, as it was typed at sign-up: then it is done"},
)
def deluser(c, name, yes=""):
    """Delete an account for good; its name and its e-mail address can be taken again.

    To mean it, say the name twice: `sdb.deluser ada --yes ada`. The row in MySQL that other tables point to stays,
    until `hydra-manage deleteorphans --delete` on the machine removes it with all that is its user's.
    To keep somebody out and lose nothing, `sdb.disable` is enough.
    """
    stage, store, account = opened(c, name)
    if yes != account.name:
        made = account.created[:10]
        raise Refusal(
            f"This would delete the account {account.name}, made on {made}, for good: to mean it, add"
            f" `--yes {shlex.quote(account.name)}`"
        )
    with plainly(stage, "nothing was deleted"):
        store.delete(account)
    print(f"{account.name} is deleted; it was in {account.home}.")


@task(
    help={
        "plan": "only say what would be mended: exit code 0 nothing, 2 changes",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def repair(c, plan=False, json=False):
    """Bring the claims to e-mail addresses in line with the accounts: `--plan` shows first what is not.

    Every address is claimed by one item, so that it is taken once. A program that ended halfway may have left a claim
    without its account (it goes), and accounts from before there were claims have none (it is made). Two accounts with
    one address are only told of: who shall have it is yours to say. What is younger than two minutes is left alone, so
    this may run beside sign-ups; killed anywhere, run it again.
    """
    from webapp.users.repair import Repair

    stage = stage_of(c)
    store = accounts(stage, attempts=30, patience=120.0)
    found = []
    with screen.Board(sys.stderr if json else sys.stdout) as board, plainly(stage, "what was mended stays so"):
        run = Repair(
            store,
            tell=found.append if json else lambda finding: say(board, finding, plan),
            progress=lambda count: board.live and board.say("addresses", f"{count:,} accounts and claims looked at"),
            change=not plan,
        )
        report = run.run()
    mended = report.found["orphan"] + report.found["unclaimed"]
    if json:
        screen.as_json(vars(report) | {"changed": not plan, "findings": [vars(finding) for finding in found]})
    else:
        did = "would be removed" if plan else "removed"
        made = "would be added" if plan else "added"
        print(
            f"{report.accounts:,} accounts and {report.claims:,} claims: {report.found['orphan']:,} orphans {did},"
            f" {report.found['unclaimed']:,} claims {made}, {report.found['shared']:,} addresses shared"
        )
    if plan and mended:
        sys.exit(2)


def say(board, finding, plan):
    """One finding as a lasting line above the progress."""
    done = DONE.get(finding.kind)
    mark, colour = ("!", "yellow") if not done else ("~", "yellow") if plan else ("✓", "green")
    told = "left as it is" if not done else f"would be {done}" if plan else done
    board.end(KINDS[finding.kind].format(**vars(finding)), mark, colour, told)


# What the tasks have in common


def opened(c, name):
    """The stage, its accounts, and the account of that name. Raises Refusal as `named` does."""
    stage = stage_of(c)
    store = accounts(stage)
    return stage, store, named(stage, store, name)


def named(stage, store, name):
    """The account of that name. Raises Refusal where there is none, with whoever has it for an address."""
    with plainly(stage):
        account = store.get(name)
        if account:
            return account
        other = store.by_email(name) if "@" in name else None
    if other:
        raise Refusal(f"There is no account {name}; the address is {other.name}'s: say that name if you mean it")
    raise Refusal(f"There is no account {name}: nothing was changed, look for it with `fab {stage.name} sdb.find`")


def is_address(text):
    """Whether it has the form of an e-mail address; whether it reaches anybody only a mail can tell."""
    local, _, host = text.rpartition("@")
    return bool(local and host) and not any(it.isspace() for it in text)


def password_of(from_stdin):
    """A password of at least eight characters, typed twice or read from standard input."""
    import getpass

    if from_stdin or not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise Refusal("The two passwords differ: run this again")
    if len(password) < 8:
        raise Refusal("A password has at least 8 characters: run this again with a longer one")
    return password


def hashed(password):
    """The password as Django's Argon2PasswordHasher encodes it, with that hasher's own work factors."""
    from argon2 import PasswordHasher

    return "argon2" + PasswordHasher(time_cost=2, memory_cost=102400, parallelism=8).hash(password)
