"""Who has which private address of the network, and which security groups guard it."""

from ipaddress import ip_address, ip_network

from .cloud import ZONES

RESERVED = 4  # AWS keeps the first four addresses of each subnet, and the last; .1 is the gateway


def subnet(block, zone):
    """The /20 of `block` that is the default subnet of `zone`."""
    return list(ip_network(block).subnets(new_prefix=20))[ZONES.index(zone)]


class Addresses:
    """Addresses by owner. An owner is an instance id, or any other lasting name (`db-<DBInstanceIdentifier>`).

    Kept in the cloud's saved state: an owner has its address until `release`, over any restart.
    """

    def __init__(self, cloud):
        self.cloud = cloud

    @property
    def _taken(self):
        return self.cloud.keep.setdefault("addresses", {})

    @property
    def _groups(self):
        return self.cloud.keep.setdefault("address groups", {})

    def take(self, owner, zone=ZONES[0], wanted=""):
        """The owner's address: the one it has, else `wanted`, else the next free one of the zone's subnet.

        Raises ValueError if `wanted` is taken or outside the subnet, or if nothing is free.
        """
        if owner in self._taken:
            return self._taken[owner]
        block, used = subnet(self.cloud.block, zone), set(self._taken.values())
        if wanted:
            if wanted in used:
                raise ValueError(f"Address {wanted} is in use.")
            if ip_address(wanted) not in block or wanted in self._kept_back(block):
                raise ValueError(f"Address {wanted} does not fall within the subnet's address range")
            self._taken[owner] = wanted
            return wanted
        # Going round, not filling up: a connection or a pinned host key never meets another machine at once.
        last = self.cloud.keep.setdefault("last address", {})
        hosts = block.num_addresses - RESERVED - 1
        begin = last.get(zone, -1) + 1
        for step in range(hosts):
            index = (begin + step) % hosts
            address = str(block[RESERVED + index])
            if address not in used:
                last[zone] = index
                self._taken[owner] = address
                return address
        raise ValueError(f"No address is free in {zone}")

    @staticmethod
    def _kept_back(block):
        return {str(block[index]) for index in range(RESERVED)} | {str(block[-1])}

    def release(self, owner):
        self._taken.pop(owner, None)
        self._groups.pop(owner, None)

    def protect(self, owner, groups):
        """The security groups (ids) that guard the owner's address, for what is not an EC2 instance (a database)."""
        self._groups[owner] = tuple(groups)

    def of(self, owner):
        return self._taken.get(owner)

    def owner(self, address):
        """Who has the address, or None."""
        return next((owner for owner, taken in self._taken.items() if taken == address), None)

    def protected(self):
        """[(address, group ids)] of everything that was given groups here."""
        return [(self._taken[owner], groups) for owner, groups in self._groups.items() if owner in self._taken]
