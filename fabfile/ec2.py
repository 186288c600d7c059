"""Machines, and the keys that open them."""

from dataclasses import dataclass, field
from pathlib import Path

from fabric import task

from .engine import names
from .engine import show as screen
from .engine.errors import Refusal
from .engine.plan import Seen
from .engine.stage import destroy as take_down
from .engine.stage import make, stage_of
from .engine.stage import status as tell
from .engine.steps import Call, Keygen, Unknown, Wait
from .firewalls import Firewall, group_id
from .roles import InstanceRole

ALIVE = ("pending", "running", "stopping", "stopped")


@dataclass(frozen=True)
class KeyPair:
    """The key that opens our machines. Its private half is made on this machine and never leaves it."""

    name: str
    path: str  # of the private half; the public one lies beside it
    needs = ()

    def __str__(self):
        return f"key pair {self.name}"

    def look(self, world):
        ours = Path(self.path).expanduser().with_name(Path(self.path).name + ".pub")
        mine = key_of(ours.read_text()) if ours.exists() else ""
        answer = world.read("ec2", "describe_key_pairs", Filters=names.filters(self.name), IncludePublicKey=True)
        for it in answer["KeyPairs"]:
            return Seen(it["KeyName"], self, {"mine": mine, "theirs": key_of(it.get("PublicKey", ""))})
        return Seen(ids={"mine": mine})

    def plan(self, seen):
        if not seen:
            public = yield Keygen(
                f"make an ed25519 key at {self.path}, if there is none", self.path, f"hydra {self.name}"
            )
            params = {
                "KeyName": self.name,
                "PublicKeyMaterial": public,
                "TagSpecifications": names.tagged("key-pair", self.name),
            }
            yield Call(
                "give AWS its public half", "ec2", "import_key_pair", params, already=("InvalidKeyPair.Duplicate",)
            )
        elif not seen.ids["mine"]:
            raise Refusal(f"{self} is there, but its private half is not at {self.path}: copy it from whoever made it")
        elif seen.ids["theirs"] and seen.ids["theirs"] != seen.ids["mine"]:
            raise Refusal(f"{self} is there, but {self.path} is another key: copy the right one from whoever made it")

    def teardown(self, seen):
        yield Call(
            f"delete {self}; the private half stays at {self.path}", "ec2", "delete_key_pair", {"KeyName": seen.id}
        )


def key_of(line):
    """Kind and key of a public key's line, without its comment."""
    return " ".join(line.split()[:2])


@dataclass(frozen=True)
class Machine:
    """One EC2 machine, known again by its tags, its host key pinned from its console.

    `image` is an AMI id, or "ssm:" and the public parameter that names the newest one: a newer image is no drift,
    machines are not replaced behind anyone's back. `user_data` is a script for the first boot, beginning with "#!".
    """

    name: str
    image: str = field(compare=False)
    size: str
    zone: str
    key: str = field(compare=False)
    role: str = field(compare=False)
    firewalls: tuple = ()
    disk: int = field(default=8, compare=False)  # GiB of the root volume
    user_data: str = field(default="", compare=False, repr=False)

    @property
    def needs(self):
        return (f"key pair {self.key}", f"role {self.role}", *(f"firewall {name}" for name in self.firewalls))

    def __str__(self):
        return f"machine {self.name}"

    def look(self, world):
        ids = {"groups": [group_id(world, name) for name in self.firewalls], "before": "first", "key": "", "state": ""}
        answer = world.read("ec2", "describe_instances", Filters=names.filters(self.name))
        found = [it for group in answer["Reservations"] for it in group["Instances"]]
        alive = [it for it in found if it["State"]["Name"] in ALIVE]
        if len(alive) > 1:
            twice = ", ".join(it["InstanceId"] for it in alive)
            raise Refusal(f"{self} is there {len(alive)} times ({twice}): terminate all but one in AWS's console")
        ids["image"] = image_id(world, self.image) if not alive else self.image
        if not alive:
            # A token is remembered by AWS for a day, a machine that is gone shown for an hour: a successor needs
            # a token of its own, two runs at the same moment the same one.
            dead = max(found, key=lambda it: str(it.get("LaunchTime", "")), default={})
            ids["before"] = f"{dead.get('InstanceId', 'first')} {int(world.clock.time() // 3600)}"
            return Seen(ids=ids)
        it = alive[0]
        ids |= {"key": names.tag(it.get("Tags"), names.HOST_KEY), "state": it["State"]["Name"]}
        behind = tuple(sorted(group["GroupName"] for group in it.get("SecurityGroups", ())))
        zone = it["Placement"]["AvailabilityZone"]
        now = Machine(
            self.name,
            it["ImageId"],
            it["InstanceType"],
            zone,
            "",
            "",
            self.firewalls if behind == tuple(sorted(self.firewalls)) else behind,
        )
        return Seen(it["InstanceId"], now, ids)

    def plan(self, seen):
        machine = seen.id
        if not seen:
            machine = yield Call(
                f"launch a {self.size} in {self.zone}",
                "ec2",
                "run_instances",
                self.launch(seen.ids),
                returns="Instances[0].InstanceId",
                again=("InvalidParameterValue",),
            )
        elif self.zone != seen.now.zone:
            raise Refusal(
                f"{self} stands in {seen.now.zone}: a machine cannot move to {self.zone}; destroy it and launch anew"
            )
        elif self.size != seen.now.size:
            yield from self.resize(seen)
        elif seen.ids["state"] in ("stopping", "stopped"):
            yield Wait("wait until it has stopped", "ec2", "instance_stopped", {"InstanceIds": [machine]})
            yield Call("start it", "ec2", "start_instances", {"InstanceIds": [machine]})
        if seen and self.firewalls != seen.now.firewalls:
            params = {"InstanceId": machine, "Groups": seen.ids["groups"]}
            yield Call("put it behind " + ", ".join(self.firewalls), "ec2", "modify_instance_attribute", params)
        if not seen or seen.ids["state"] != "running":
            yield Wait("wait until it runs", "ec2", "instance_running", {"InstanceIds": [machine]})
        if not seen.ids["key"]:
            pinned = yield Wait(
                "wait until its console shows its host key", "ec2", "host_key", {"InstanceId": machine, "Latest": True}
            )
            tags = [{"Key": names.HOST_KEY, "Value": pinned}]
            yield Call("pin its host key", "ec2", "create_tags", {"Resources": [machine], "Tags": tags})

    def launch(self, ids):
        """The parameters of its launch: tags and all in one call, so that nothing is ever there unnamed."""
        root = {"VolumeSize": self.disk, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
        return {
            "ImageId": ids["image"],
            "InstanceType": self.size,
            "MinCount": 1,
            "MaxCount": 1,
            "KeyName": self.key,
            "ClientToken": names.token(self.name, self.size, self.zone, ids["before"]),
            "Placement": {"AvailabilityZone": self.zone},
            "SecurityGroupIds": ids["groups"],
            "IamInstanceProfile": {"Name": self.role},
            # Both defaults depend on the image and the account; v1 lets any request forged on a machine read its keys.
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": root}],
            "TagSpecifications": names.tagged("instance", self.name) + names.tagged("volume", f"{self.name}-root"),
            **({"UserData": self.user_data} if self.user_data else {}),
        }

    def resize(self, seen):
        it = {"InstanceIds": [seen.id]}
        if seen.ids["state"] != "stopped":
            yield Call(f"stop it, to make it a {self.size}", "ec2", "stop_instances", it)
            yield Wait("wait until it has stopped", "ec2", "instance_stopped", it)
        size = {"InstanceId": seen.id, "InstanceType": {"Value": self.size}}
        yield Call(f"make it a {self.size}", "ec2", "modify_instance_attribute", size)
        yield Call("start it", "ec2", "start_instances", it)
        yield Wait("wait until it runs", "ec2", "instance_running", it)

    def teardown(self, seen):
        yield Call(f"terminate {self.name}", "ec2", "terminate_instances", {"InstanceIds": [seen.id]})
        yield Wait("wait until it is gone", "ec2", "instance_terminated", {"InstanceIds": [seen.id]})


def image_id(world, image):
    """The AMI's id; of a public parameter, the one it names today."""
    if not image.startswith("ssm:"):
        return image
    return world.read("ssm", "get_parameter", Name=image.removeprefix("ssm:"))["Parameter"]["Value"]


def machine_id(world, name):
    """The id of the live machine of that name, as far as there is one."""
    answer = world.read("ec2", "describe_instances", Filters=names.filters(name, instance_state_name=ALIVE))
    found = [it["InstanceId"] for group in answer["Reservations"] for it in group["Instances"]]
    return found[0] if found else Unknown(f"machine {name}")


KINDS = (KeyPair, Firewall, InstanceRole, Machine)


@task(
    help={
        "name": "only this machine",
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def launch(c, name="", plan=False, json=False):
    """Launch the stage's machines that are not there yet, with their key, firewalls and role."""
    make(c, *((Machine,) if name else KINDS), name=name, plan=plan, json=json)


@task(help={"json": "print JSON, for programs, instead of lines for people"})
def status(c, json=False):
    """Say which machines, keys, firewalls and roles are there and as wanted."""
    tell(c, *KINDS, json=json)


@task(name="list", help={"json": "print JSON, for programs, instead of lines for people"})
def list_(c, json=False):
    """List the stage's machines as AWS has them: id, address, size, zone, state."""
    stage = stage_of(c)
    filters = [{"Name": f"tag:{names.STAGE}", "Values": [stage.name]}]
    answer = stage.world.read("ec2", "describe_instances", Filters=filters)
    rows = [
        {
            "name": names.tag(it.get("Tags"), names.NAME),
            "id": it["InstanceId"],
            "address": it.get("PublicIpAddress") or it.get("PrivateIpAddress", ""),
            "size": it["InstanceType"],
            "zone": it["Placement"]["AvailabilityZone"],
            "state": it["State"]["Name"],
        }
        for group in answer["Reservations"]
        for it in group["Instances"]
    ]
    if json:
        return screen.as_json(rows)
    screen.table([row.values() for row in rows], rows[0] if rows else ()) if rows else print(
        f"{stage.name} has no machines."
    )


@task(help={"name": "the machine, where there are several", "command": "run this as root instead of opening a shell"})
def ssh(c, name="", command=""):
    """Open a shell on a machine, its host key checked against the pinned one."""
    stage = stage_of(c)
    machine = stage.of(Machine, name=name)[0]
    if command:
        result = stage.world.run(machine.name, command)
        print(result.out, end="")
        if result.code:
            raise Refusal(f"{machine.name}: exit code {result.code}: {result.err.strip()[-500:]}")
        return
    stage.world.shell(machine.name)


@task(
    help={
        "name": "only this machine",
        "yes": "the stage's name, where it is a precious one",
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
    }
)
def destroy(c, name="", yes="", plan=False):
    """Terminate machines (`--name`, or all); volumes stay. A precious stage wants `--yes STAGE`."""
    take_down(c, Machine, name=name, yes=yes, plan=plan)
