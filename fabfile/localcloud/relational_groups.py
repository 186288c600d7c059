"""Parameter groups and subnet groups: checked as AWS does, and really in force on the servers that use them."""

from moto.rds.exceptions import (
    DBInstanceNotFoundError,
    DBParameterGroupNotFoundError,
    DBSubnetGroupNotFoundError,
)

from .parameters import KNOWN, defaults
from .relational_rules import VERSIONS, family, refuse

AT_ONCE = 20  # parameters that one ModifyDBParameterGroup may name


class Groups:
    """The part of the RDS backend that keeps groups."""

    # -- parameter groups ------------------------------------------------------------------------------------------

    def create_db_parameter_group(self, db_parameter_group_kwargs):
        wanted = db_parameter_group_kwargs.get("db_parameter_group_family")
        if wanted and wanted not in {family(f"{one}.0") for one in VERSIONS}:
            refuse("InvalidParameterValue", f"ParameterGroupFamily {wanted} is not a valid parameter group family")
        return super().create_db_parameter_group(db_parameter_group_kwargs)

    def copy_db_parameter_group(
        self,
        source_db_parameter_group_identifier,
        target_db_parameter_group_identifier,
        target_db_parameter_group_description,
        tags=None,
    ):
        name = source_db_parameter_group_identifier.split(":")[-1]
        if name not in self.db_parameter_groups:
            raise DBParameterGroupNotFoundError(name)
        source = self.db_parameter_groups[name]
        wanted = {
            "db_parameter_group_name": target_db_parameter_group_identifier,
            "db_parameter_group_family": source.family,
            "description": target_db_parameter_group_description,
            "tags": tags,
        }
        group = self.create_db_parameter_group(wanted)
        group.parameters.update({one: dict(row) for one, row in source.parameters.items()})
        return group

    def modify_db_parameter_group(self, db_parameter_group_name, db_parameter_group_parameters):
        changes = [dict(change) for change in db_parameter_group_parameters]
        if db_parameter_group_name.startswith("default."):
            refuse("InvalidDBParameterGroupState", f"The parameter group {db_parameter_group_name} cannot be modified.")
        if not 1 <= len(changes) <= AT_ONCE:
            refuse("InvalidParameterValue", f"From 1 to {AT_ONCE} parameters can be modified in one request.")
        for change in changes:
            _check(change)
        group = super().modify_db_parameter_group(db_parameter_group_name, changes)
        self._spread(
            group.name, {change["ParameterName"] for change in changes if change["ApplyMethod"] == "immediate"}
        )
        return group

    def reset_db_parameter_group(self, name, names):
        """Put these parameters, or all if there are none named, back to the engine's defaults."""
        if name not in self.db_parameter_groups:
            raise DBParameterGroupNotFoundError(name)
        group = self.db_parameter_groups[name]
        gone = set(names) if names else set(group.parameters)
        for parameter in gone:
            group.parameters.pop(parameter, None)
        self._spread(group.name, {one for one in gone if one in KNOWN and KNOWN[one].apply_type == "dynamic"})
        return group

    def describe_parameters(self, name, source=None):
        """The parameters of a group as DescribeDBParameters shows them: the engine's, and the user's over them."""
        if name.startswith("default.mysql") and name not in self.db_parameter_groups:
            set_by_user, base = {}, defaults(name.removeprefix("default."))
        elif name in self.db_parameter_groups:
            group = self.db_parameter_groups[name]
            set_by_user, base = group.parameters, defaults(group.family)
        else:
            raise DBParameterGroupNotFoundError(name)
        rows = []
        for one in KNOWN.values():
            mine = set_by_user.get(one.name, {})
            rows.append(
                {
                    "ParameterName": one.name,
                    "ParameterValue": mine.get("ParameterValue", base.get(one.name)),
                    "Source": "user" if mine else ("system" if one.name in base else "engine-default"),
                    "ApplyType": one.apply_type,
                    "DataType": one.data_type,
                    "AllowedValues": one.allowed or None,
                    "IsModifiable": True,
                    "ApplyMethod": mine.get("ApplyMethod", "pending-reboot"),
                }
            )
        return [row for row in rows if not source or row["Source"] == source]

    def delete_db_parameter_group(self, db_parameter_group_name):
        name = db_parameter_group_name
        if name.startswith("default."):
            refuse("InvalidDBParameterGroupState", f"Default DBParameterGroup cannot be deleted: {name}")
        users = [one.db_instance_identifier for one in self.databases.values() if one.db_parameter_group_name == name]
        if users:
            refuse(
                "InvalidDBParameterGroupState",
                f"One or more database instances are still members of this parameter group {name}, so the group cannot"
                " be deleted",
            )
        return super().delete_db_parameter_group(name)

    def wanted_parameters(self, database) -> dict:
        """{name: value} of all that a database's server shall run with: its family's defaults and its group's."""
        group = self.db_parameter_groups.get(database.db_parameter_group_name or "")
        values = {one: row["ParameterValue"] for one, row in (group.parameters if group else {}).items()}
        return {**defaults(family(database.engine_version)), **values}

    def check_parameter_group(self, name, version):
        """Refuse a group that is not there, or that is made for another engine version."""
        if not name or name == f"default.{family(version)}":
            return
        if name not in self.db_parameter_groups:
            raise DBParameterGroupNotFoundError(name)
        found = self.db_parameter_groups[name].family
        if found != family(version):
            refuse(
                "InvalidParameterCombination",
                f"The Parameter Group {name} with DBParameterGroupFamily {found} cannot be used for this instance. "
                f"Please use a Parameter Group with DBParameterGroupFamily {family(version)}",
            )

    def _spread(self, name, immediate):
        """Bring a group's change to its servers: `immediate` ones now, the rest at their next reboot."""
        for database in self.databases.values():
            if database.db_parameter_group_name != name:
                continue
            wanted, now = self.wanted_parameters(database), dict(database.applied or {})
            for parameter in immediate:
                now.pop(parameter, None)
                if parameter in wanted:
                    now[parameter] = wanted[parameter]
            if now != database.applied and database.status == "available":
                database.applying = True
                self.cloud.background(self._configure, database.db_instance_identifier, now)

    # -- subnet groups ---------------------------------------------------------------------------------------------

    def create_subnet_group(self, subnet_name, description, subnets, tags):
        if subnet_name in self.subnet_groups:
            refuse("DBSubnetGroupAlreadyExists", f"The DB subnet group '{subnet_name}' already exists.")
        _check_zones(subnets)
        return super().create_subnet_group(subnet_name, description, subnets, tags)

    def modify_db_subnet_group(self, subnet_name, description, subnets):
        if subnet_name not in self.subnet_groups:
            raise DBSubnetGroupNotFoundError(subnet_name)
        _check_zones(subnets)
        group = super().modify_db_subnet_group(subnet_name, description, subnets)
        self.subnet_groups[subnet_name] = group  # moto takes it out and forgets to put it back
        return group

    def delete_subnet_group(self, subnet_name):
        for database in self.databases.values():
            group = getattr(database, "db_subnet_group", None)
            if group is not None and group.name == subnet_name.lower():
                refuse(
                    "InvalidDBSubnetGroupStateFault",
                    f"Cannot delete the subnet group '{subnet_name}' because at least one database instance: "
                    f"{database.db_instance_identifier} is still using it.",
                )
        return super().delete_subnet_group(subnet_name)

    def find(self, id):
        """The database of that identifier, or AWS's error."""
        if id not in self.databases:
            raise DBInstanceNotFoundError(id)
        return self.databases[id]


def _check(change):
    name = change["ParameterName"]
    parameter = KNOWN.get(name)
    if not parameter:
        refuse("InvalidParameterValue", f"Could not find parameter with name: {name}")
    value = change.get("ParameterValue")
    if value is None or not parameter.admits(value):
        refuse(
            "InvalidParameterValue",
            f"Invalid parameter value: {value} for: {name} allowed values are: {parameter.allowed}",
        )
    change.setdefault("ApplyMethod", "pending-reboot")
    if change["ApplyMethod"] not in ("immediate", "pending-reboot"):
        refuse("InvalidParameterValue", f"Invalid apply method: {change['ApplyMethod']}")
    if change["ApplyMethod"] == "immediate" and parameter.apply_type == "static":
        refuse("InvalidParameterCombination", f"cannot use immediate apply method for static parameter: {name}")


def _check_zones(subnets):
    if len({subnet.availability_zone for subnet in subnets}) < 2:
        refuse(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Please add subnets to "
            "cover at least 2 AZs.",
        )
