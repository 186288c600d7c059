"""What a machine may do in AWS by itself, with no key lying on it."""

import json
from dataclasses import dataclass

from .engine import names
from .engine.plan import Seen
from .engine.steps import Call, Wait


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
