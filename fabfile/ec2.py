"""Machines, and what they cannot be without: keys, firewalls, roles."""

import json
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
class Admit:
    """One port that a firewall opens, to address blocks or to the members of other firewalls."""

    port: int
    blocks: tuple = ()
    firewalls: tuple = ()
    protocol: str = "tcp"

    def permission(self, ids):
        """The same as AWS's IpPermission; `ids` maps firewall names to group ids."""
        own = {"IpProtocol": self.protocol, "FromPort": self.port, "ToPort": self.port}
        if self.blocks:
            own["IpRanges"] = [{"CidrIp": block} for block in self.blocks]
        if self.firewalls:
            own["UserIdGroupPairs"] = [{"GroupId": ids[name]} for name in self.firewalls]
        return own


@dataclass(frozen=True)
class Firewall:
    """One security group of the default network: what it does not admit is closed. The way out is open."""

    name: str
    admits: tuple = ()

    @property
    def needs(self):
        others = {name for admit in self.admits for name in admit.firewalls} - {self.name}
        return tuple(f"firewall {name}" for name in sorted(others))

    def __str__(self):
        return f"firewall {self.name}"

    def look(self, world):
        ids = {self.name: Unknown(str(self))} | {
            name: group_id(world, name) for admit in self.admits for name in admit.firewalls if name != self.name
        }
        answer = world.read("ec2", "describe_security_groups", Filters=names.filters(self.name))
        for it in answer["SecurityGroups"]:
            ids[self.name] = it["GroupId"]
            return Seen(
                it["GroupId"], self, {"groups": ids, "open": {flat for p in it["IpPermissions"] for flat in flatten(p)}}
            )
        return Seen(ids={"groups": ids, "open": set()})

    def plan(self, seen):
        group, ids = seen.id, dict(seen.ids["groups"])
        if not seen:
            params = {"GroupName": self.name, "Description": f"Hydra: {self.name}"}
            params["TagSpecifications"] = names.tagged("security-group", self.name)
            group = yield Call("create it", "ec2", "create_security_group", params, returns="GroupId")
            ids[self.name] = group
        wanted = {flat for admit in self.admits for flat in flatten(admit.permission(ids))}
        for flat in sorted(wanted - seen.ids["open"], key=str):
            params = {"GroupId": group, "IpPermissions": [permission(flat)]}
            done = ("InvalidPermission.Duplicate",)
            yield Call(f"open {told(flat)}", "ec2", "authorize_security_group_ingress", params, already=done)
        for flat in sorted(seen.ids["open"] - wanted, key=str):
            params = {"GroupId": group, "IpPermissions": [permission(flat)]}
            done = ("InvalidPermission.NotFound",)
            yield Call(f"close {told(flat)}", "ec2", "revoke_security_group_ingress", params, already=done)

    def teardown(self, seen):
        params = {"GroupId": seen.id}
        yield Call(
            f"delete {self}",
            "ec2",
            "delete_security_group",
            params,
            already=("InvalidGroup.NotFound",),
            again=("DependencyViolation",),
        )


def flatten(permission):
    """Each (protocol, from, to, kind, source) that one IpPermission admits, so that rules compare one by one."""
    own = (permission["IpProtocol"], permission.get("FromPort", -1), permission.get("ToPort", -1))
    yield from ((*own, "block", it["CidrIp"]) for it in permission.get("IpRanges", ()))
    yield from ((*own, "block6", it["CidrIpv6"]) for it in permission.get("Ipv6Ranges", ()))
    yield from ((*own, "group", it["GroupId"]) for it in permission.get("UserIdGroupPairs", ()))


def permission(flat):
    """One flat rule as an IpPermission again."""
    protocol, first, last, kind, source = flat
    sources = {
        "block": {"IpRanges": [{"CidrIp": source}]},
        "block6": {"Ipv6Ranges": [{"CidrIpv6": source}]},
        "group": {"UserIdGroupPairs": [{"GroupId": source}]},
    }
    ports = {} if protocol == "-1" else {"FromPort": first, "ToPort": last}
    return {"IpProtocol": protocol, **ports, **sources[kind]}


def told(flat):
    protocol, first, last, _, source = flat
    ports = "everything" if protocol == "-1" else f"{protocol} {first}" + (f" to {last}" if last != first else "")
    return f"{ports} for {source}"


def group_id(world, name):
    """The id of the firewall of that name, as far as there is one."""
    answer = world.read("ec2", "describe_security_groups", Filters=names.filters(name))
    return answer["SecurityGroups"][0]["GroupId"] if answer["SecurityGroups"] else Unknown(f"firewall {name}")


@dataclass(frozen=True)
class InstanceRole:
    """What a machine may do in AWS: a role, its one policy, and the profile by which machines get it."""

    name: str
    statements: tuple = ()  # of the policy, as JSON-able dicts
    needs = ()

    def __str__(self):
        return f"role {self.name}"

    @property
    def policy(self):
        return {"Version": "2012-10-17", "Statement": list(self.statements)}

    def look(self, world):
        gone = ("NoSuchEntity",)
        role = world.read("iam", "get_role", missing=gone, RoleName=self.name)
        policy = role and world.read("iam", "get_role_policy", missing=gone, RoleName=self.name, PolicyName="hydra")
        profile = world.read("iam", "get_instance_profile", missing=gone, InstanceProfileName=self.name)
        document = (policy or {}).get("PolicyDocument")
        found = {
            "role": bool(role),
            "policy": json.loads(document) if isinstance(document, str) else document,
            "profile": bool(profile),
            "member": bool(profile and profile["InstanceProfile"]["Roles"]),
        }
        return Seen(self.name if role or profile else None, self, found)

    def plan(self, seen):
        there = {"already": ("EntityAlreadyExists",)}
        if not seen.ids["role"]:
            trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
            document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
            params = {"RoleName": self.name, "AssumeRolePolicyDocument": document, "Tags": names.tags(self.name)}
            yield Call("create it", "iam", "create_role", params, **there)
        if seen.ids["policy"] != self.policy:
            params = {"RoleName": self.name, "PolicyName": "hydra", "PolicyDocument": json.dumps(self.policy)}
            yield Call("say what it may do", "iam", "put_role_policy", params)
        if not seen.ids["profile"]:
            params = {"InstanceProfileName": self.name, "Tags": names.tags(self.name)}
            yield Call("create its profile", "iam", "create_instance_profile", params, **there)
        if not seen.ids["member"]:
            params = {"InstanceProfileName": self.name, "RoleName": self.name}
            yield Call(
                "put it in its profile", "iam", "add_role_to_instance_profile", params, already=("LimitExceeded",)
            )
            yield Wait("wait until AWS knows it", "iam", "instance_profile_exists", {"InstanceProfileName": self.name})

    def teardown(self, seen):
        gone = {"already": ("NoSuchEntity",)}
        role, profile = {"RoleName": self.name}, {"InstanceProfileName": self.name}
        yield Call("take it out of its profile", "iam", "remove_role_from_instance_profile", role | profile, **gone)
        yield Call("delete its profile", "iam", "delete_instance_profile", profile, **gone)
        yield Call("delete its policy", "iam", "delete_role_policy", role | {"PolicyName": "hydra"}, **gone)
        yield Call(f"delete {self}", "iam", "delete_role", role, **gone)


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
        ours = {group["GroupId"]: group["GroupName"] for group in it.get("SecurityGroups", ())}
        zone = it["Placement"]["AvailabilityZone"]
        now = Machine(self.name, it["ImageId"], it["InstanceType"], zone, "", "", tuple(sorted(ours.values())))
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
        if seen and tuple(sorted(self.firewalls)) != seen.now.firewalls:
            params = {"InstanceId": machine, "Groups": seen.ids["groups"]}
            yield Call("put it behind " + ", ".join(self.firewalls), "ec2", "modify_instance_attribute", params)
        if not seen or seen.ids["state"] != "running":
            yield Wait("wait until it runs", "ec2", "instance_running", {"InstanceIds": [machine]})
        if not seen.ids["key"]:
            pinned = yield Wait("wait until its console shows its host key", "ec2", "host_key", {"InstanceId": machine})
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


@task(help={"name": "only this machine", "plan": "only say what it would take", "json": "for programs"})
def launch(c, name="", plan=False, json=False):
    """Launch the stage's machines that are not there yet, with their key, firewalls and role."""
    make(c, *((Machine,) if name else KINDS), name=name, plan=plan, json=json)


@task(help={"json": "for programs"})
def status(c, json=False):
    """Say which machines, keys, firewalls and roles are there and as wanted."""
    tell(c, *KINDS, json=json)


@task(name="list", help={"json": "for programs"})
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


@task(help={"name": "the machine to stop; it keeps its disk", "plan": "only say what it would take"})
def destroy(c, name="", yes="", plan=False):
    """Terminate machines (`--name`, or all); volumes stay. A precious stage wants `--yes STAGE`."""
    take_down(c, Machine, name=name, yes=yes, plan=plan)
