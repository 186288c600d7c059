"""Security groups as packet filters: every address that a group guards, and what may pass to and from it."""

from contextlib import suppress

from moto.ec2.exceptions import EC2ClientError

from .drivers import Guard, Rule, Unsupported

PORTS = (0, 65535)


class Firewalls:
    """The part of the EC2 backend that keeps security groups. `cloud` is set on the class that takes this in."""

    def delete_security_group(self, name=None, group_id=None):
        group = self.get_security_group_by_name_or_id(group_id or name)
        if group:
            if group.is_default:
                raise EC2ClientError(
                    "CannotDelete", f'the specified group: "{group.id}" name: "default" cannot be deleted by a user'
                )
            if group.id in self._used_groups() | self._referenced_groups(group.id):
                raise EC2ClientError("DependencyViolation", f"resource {group.id} has a dependent object")
        return super().delete_security_group(name=name, group_id=group_id)

    def _used_groups(self):
        return {group for _, groups in self.guarded() for group in groups}

    def _referenced_groups(self, but):
        """The groups that rules of other groups than `but` speak of."""
        others = [group for group in self._groups() if group.id != but]
        rules = [rule for group in others for rule in group.ingress_rules + group.egress_rules]
        return {rule.source_group["GroupId"] for rule in rules if rule.source_group.get("GroupId")}

    def _groups(self):
        return [group for groups in self.groups.values() for group in groups.values()]

    def guarded(self):
        """[(address, ids of the groups that guard it)]: instances that are not terminated, and what was protected."""
        guarded = list(self.cloud.addresses.protected())
        for instance in self.instances():
            if instance.nics:
                nic = instance.nics[0]
                guarded.append((nic.private_ip_address, tuple(sorted(group.id for group in nic.group_set))))
        return guarded

    def guards(self):
        """Every Guard, in the order of addresses: the same state gives the same list."""
        members = {}
        for address, groups in self.guarded():
            for group in groups:
                members.setdefault(group, []).append(f"{address}/32")
        known = {group.id: group for group in self._groups()}
        guards = []
        for address, groups in sorted(self.guarded()):
            found = [known[group] for group in groups if group in known]
            inbound = {rule for group in found for one in group.ingress_rules if (rule := _resolved(one, members))}
            outbound = {rule for group in found for one in group.egress_rules if (rule := _resolved(one, members))}
            guards.append(Guard(address, _ordered(inbound), _ordered(outbound)))
        return guards


def _ordered(rules):
    return tuple(sorted(rules, key=lambda rule: (rule.protocol, rule.first, rule.last, rule.blocks)))


def _resolved(rule, members):
    """A Rule of drivers with addresses in place of groups; None if it admits nobody over IPv4."""
    if rule.source_group.get("GroupId"):
        blocks = tuple(sorted(members.get(rule.source_group["GroupId"], ())))
    else:
        blocks = (rule.cidr_ipv4,) if rule.cidr_ipv4 else ()
    if not blocks:
        return None
    protocol = {"-1": "all"}.get(rule.ip_protocol, rule.ip_protocol)
    first, last = (rule.from_port, rule.to_port) if protocol in ("tcp", "udp") else PORTS
    return Rule(protocol, first, last, blocks)


class Enforcer:
    """Puts the guards in force after a change, if it changed any of them."""

    def __init__(self, backend):
        self.backend, self.now = backend, None

    def __call__(self, cloud):
        wanted = self.backend().guards()
        if wanted != self.now:
            with suppress(Unsupported):  # no machines, so nothing to guard
                cloud.drivers.network.guard(wanted)
            self.now = wanted
