"""The stage's own secrets, random and kept in AWS Secrets Manager: nobody needs to know them, nobody types them."""

from dataclasses import dataclass

from fabric import task

from .engine import names
from .engine.plan import Seen
from .engine.stage import make
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
