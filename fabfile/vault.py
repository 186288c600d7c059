"""The stage's own secrets, random and kept in AWS Secrets Manager: nobody needs to know them, nobody types them.

Save those that somebody else gives, such as the mail server's password, which `put` takes.
"""

import sys
from dataclasses import dataclass

from fabric import task

from .engine import names
from .engine.errors import Refusal
from .engine.plan import Seen
from .engine.secret import Secret
from .engine.stage import make, stage_of
from .engine.stage import status as tell
from .engine.steps import Call, Unknown


@dataclass(frozen=True)
class RandomSecret:
    """One random text of letters and digits, made once; `length` of the first making."""

    name: str
    length: int = 40
    needs = ()

    def __str__(self):
        return f"secret {self.name}"

    def look(self, world):
        gone = ("ResourceNotFoundException",)
        it = world.read("secretsmanager", "describe_secret", missing=gone, SecretId=path(self.name))
        return Seen(it["ARN"], self, {"leaving": bool(it.get("DeletedDate"))}) if it else Seen()

    def plan(self, seen):
        if seen and seen.ids["leaving"]:
            yield Call("call back its deletion", "secretsmanager", "restore_secret", {"SecretId": path(self.name)})
        if not seen:
            random = {"PasswordLength": self.length, "ExcludePunctuation": True, "RequireEachIncludedType": True}
            text = yield Call(
                "make it at random",
                "secretsmanager",
                "get_random_password",
                random,
                returns="RandomPassword",
                secret=True,
            )
            params = {"Name": path(self.name), "SecretString": text, "Tags": names.tags(self.name)}
            yield Call(
                "keep it in Secrets Manager",
                "secretsmanager",
                "create_secret",
                params,
                already=("ResourceExistsException",),
            )

    def teardown(self, seen):
        # Without a window of days in which it can be called back, a stage could not be made anew under its name.
        params = {"SecretId": path(self.name), "ForceDeleteWithoutRecovery": True}
        yield Call(f"delete {self}", "secretsmanager", "delete_secret", params, already=("ResourceNotFoundException",))


def path(name):
    """How Secrets Manager knows it: "hydra/live/live-redis"."""
    return f"hydra/{names.stage_of(name)}/{name}"


def secret(world, name):
    """The secret of that name, as far as there is one."""
    return world.secret(path(name)) or Unknown(f"secret {name}")


@task(
    help={
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def create(c, plan=False, json=False):
    """Make the stage's secrets that are missing."""
    make(c, RandomSecret, plan=plan, json=json)


@task(help={"json": "print JSON, for programs, instead of lines for people"})
def status(c, json=False):
    """Say which secrets are there; never what they are."""
    tell(c, RandomSecret, json=json)


@task(positional=["name"], help={"name": "the secret's name in stages.py, live-mail for instance"})
def put(c, name):
    """Put a secret that somebody else gave you in a random one's place: typed, or the first line of standard input.

    `fab live deploy` then brings it to the machine and restarts the application. It is not shown, and it is no argument
    of this command, which everybody on this machine could read.
    """
    stage = stage_of(c)
    wants = {it.name: it for it in stage.of(RandomSecret)}
    if name not in wants:
        raise Refusal(f"stages.py has no secret {name} in this stage: it has {', '.join(wants) or 'none'}")
    if not wants[name].look(stage.world):
        raise Refusal(
            f"The secret {name} is not there yet: `fab {stage.name} vault.create` makes it, then run this again"
        )
    params = {"SecretId": path(name), "SecretString": Secret(typed())}
    stage.world.do(Call(f"put {name} into Secrets Manager", "secretsmanager", "put_secret_value", params))
    print(f"{name} is kept. `fab {stage.name} deploy` brings it into service.")


def typed():
    """A secret typed twice at a terminal, or the first line of standard input."""
    import getpass

    if sys.stdin.isatty():
        text = getpass.getpass("Secret: ")
        if getpass.getpass("Again: ") != text:
            raise Refusal("The two differ, nothing was changed: run this again")
    else:
        text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise Refusal("No secret was given, nothing was changed: type it, or send it as a line of standard input")
    return text
