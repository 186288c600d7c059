"""Firewalls: which ports of a machine or database are open, and to whom."""

from dataclasses import dataclass

from .engine import names
from .engine.plan import Seen
from .engine.steps import Call, Unknown


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
