"""EC2 instances with a machine behind each: what the API asks of them, and moto's record of one."""

import base64

from moto.ec2.exceptions import EC2ClientError, InvalidInstanceIdError
from moto.ec2.models.instances import Instance

from . import images
from .cloud import REGION, ZONES
from .drivers import DriverError
from .lifecycle import CODES, Lifecycle, enter, hostname, refuse_without_machines


class LocalInstance(Instance):
    """moto's instance, with the address its machine really has."""

    ended = None  # when it was terminated

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        enter(self, "pending")

    def prep_nics(self, nic_spec, private_ip=None, **options):
        first = next((nic for nic in nic_spec if int(nic.get("DeviceIndex", 0)) == 0), {})
        wanted = private_ip or first.get("PrivateIpAddress") or ""
        try:
            address = self.ec2_backend.cloud.addresses.take(self.id, self.placement.zone, wanted)
        except ValueError as error:
            code = "InvalidIPAddress.InUse" if "in use" in str(error) else "InvalidParameterValue"
            raise EC2ClientError(code, str(error)) from error
        super().prep_nics(nic_spec, private_ip=address, **options)

    def add_block_device(
        self, size, device_path, snapshot_id, encrypted, delete_on_termination, kms_key_id, volume_type
    ):
        backend = self.ec2_backend
        volume = backend.create_volume(
            size=size,
            zone_name=self.placement.zone,
            snapshot_id=snapshot_id,
            encrypted=encrypted,
            kms_key_id=kms_key_id,
            volume_type=volume_type,
            backed=device_path != self.root_device_name,
        )
        backend.record_attachment(volume, self, device_path, delete_on_termination)

    # A terminated instance has no interface any more, as on AWS.

    @property
    def private_ip(self):
        return self.nics[0].private_ip_address if self.nics else None

    private_ip_address = private_ip

    @property
    def public_ip(self):
        return self.nics[0].public_ip if self.nics else None

    public_ip_address = public_ip

    @property
    def private_dns_name(self):
        return f"{hostname(self.private_ip)}.{REGION}.compute.internal" if self.nics else ""

    @property
    def public_dns_name(self):
        return ""  # no name of AWS's leads here


class Instances(Lifecycle):
    """The part of the EC2 backend that takes calls about instances: checks as AWS does, then changes states."""

    def run_instances(self, image_id, count, user_data, security_group_names, **options):
        refuse_without_machines(self.cloud)
        self._check_launch(image_id, options)
        options["subnet_id"] = self._subnet(options)
        if not security_group_names and not options.get("security_group_ids") and not options.get("nics"):
            options["security_group_ids"] = [self.get_default_security_group().id]
        mappings = options.get("block_device_mappings") or []
        root = self.describe_images(ami_ids=[image_id])[0].root_device_name
        options["block_device_mappings"] = images.with_root(mappings, root)
        before = set(self.reservations)
        try:
            reservation = super().run_instances(image_id, count, user_data, security_group_names, **options)
        except EC2ClientError:
            self._undo(before)
            raise
        for instance in reservation.instances:
            self.cloud.background(self.boot, instance.id)
        return reservation

    def _undo(self, before):
        """Take back what a launch had made when a later part of it was refused: AWS launches all or nothing."""
        for key in set(self.reservations) - before:
            for instance in self.reservations.pop(key).instances:
                self.release(instance)

    def _check_launch(self, image_id, options):
        self.describe_images(ami_ids=[image_id] if image_id else ["ami-"])
        if image_id not in images.BY_ID:
            raise EC2ClientError("Unsupported", f"This local cloud has no disk for the image {image_id}.")
        kind = options.get("instance_type")
        if images.memory(kind) is None:
            raise EC2ClientError("InvalidParameterValue", f"Invalid value '{kind}' for InstanceType.")
        key = options.get("key_name")
        if key and key not in self.key_pairs:
            raise EC2ClientError("InvalidKeyPair.NotFound", f"The key pair '{key}' does not exist")
        zone = options.get("placement")
        if zone and zone not in ZONES:
            raise EC2ClientError("InvalidParameterValue", f"Invalid availability zone: [{zone}]")

    def _subnet(self, options):
        if any("SubnetId" in nic or "NetworkInterfaceId" in nic for nic in options.get("nics") or []):
            return None
        wanted = options.get("subnet_id")
        if wanted:
            return self.get_subnet(wanted).id
        return self.get_default_subnets()[options.get("placement") or ZONES[0]].id

    def start_instances(self, instance_ids):
        found = self._in_state(instance_ids, {"stopped", "running", "pending"}, "started")
        for instance, before in found:
            if before.name == "stopped":
                enter(instance, "pending")
                for nic in instance.nics.values():
                    nic.start()
                self.cloud.background(self.boot, instance.id)
        return found

    def stop_instances(self, instance_ids, force=False):
        found = self._in_state(instance_ids, {"running", "stopped", "stopping"}, "stopped")
        for instance, _ in found:
            if instance.disable_api_stop:
                raise EC2ClientError(
                    "OperationNotPermitted",
                    f"The instance '{instance.id}' may not be stopped. Modify its 'disableApiStop' instance attribute.",
                )
        for instance, before in found:
            if before.name == "running":
                self.enter_by_user(instance, "stopping")
                self.cloud.background(self.halt, instance.id, force)
        return found

    def reboot_instances(self, instance_ids):
        found = self._in_state(instance_ids, {"running"}, "rebooted")
        for instance, _ in found:
            self.cloud.background(self.reboot, instance.id)
        return [instance for instance, _ in found]

    def terminate_instances(self, instance_ids):
        found = self._in_state(instance_ids, set(CODES), "terminated")
        for instance, _ in found:
            if instance.disable_api_termination:
                raise EC2ClientError(
                    "OperationNotPermitted",
                    f"The instance '{instance.id}' may not be terminated. Modify its 'disableApiTermination' instance "
                    "attribute and try again.",
                )
        for instance, before in found:
            if before.name not in ("shutting-down", "terminated"):
                self.enter_by_user(instance, "shutting-down")
                self.cloud.background(self.end, instance.id)
        return found

    def modify_instance_attribute(self, instance_id, key, value):
        instance = self.get_instance(instance_id)
        if key in ("instance_type", "user_data") and instance.state != "stopped":
            raise EC2ClientError(
                "IncorrectInstanceState", f"The instance '{instance_id}' is not in the 'stopped' state."
            )
        if key == "instance_type" and images.memory(value) is None:
            raise EC2ClientError("InvalidParameterValue", f"Invalid value '{value}' for InstanceType.")
        return super().modify_instance_attribute(instance_id, key, value)

    def modify_instance_security_groups(self, instance_id, new_group_id_list):
        for group in new_group_id_list:
            if self.get_security_group_from_id(group) is None:
                raise EC2ClientError("InvalidGroup.NotFound", f"The security group '{group}' does not exist")
        instance = super().modify_instance_security_groups(instance_id, new_group_id_list)
        instance.nics[0]._group_set = list(instance.security_groups)
        return instance

    def console(self, instance_id):
        """What the machine's console printed, base64."""
        self.get_instance(instance_id)
        try:
            text = self.cloud.drivers.machines.console(instance_id)
        except DriverError:
            text = ""  # nothing was printed yet: AWS answers with an empty output, too
        return base64.b64encode(text[-65536:].encode()).decode()

    def all_reservations(self, filters=None):
        self.reconcile()
        return super().all_reservations(filters)

    def get_reservations_by_instance_ids(self, instance_ids, filters=None):
        return super().get_reservations_by_instance_ids(list(dict.fromkeys(instance_ids)), filters)

    def get_instance_by_id(self, instance_id):
        return next((instance for instance in self.instances() if instance.id == instance_id), None)

    def _in_state(self, ids, allowed, act):
        """[(instance, its state)] of all of them, or IncorrectInstanceState for the first that is in another state."""
        self.reconcile()
        known = {instance.id: instance for instance in self.instances()}
        missing = [id for id in ids if id not in known]
        if missing:
            raise InvalidInstanceIdError(missing)
        for id in ids:
            if known[id].state not in allowed:
                raise EC2ClientError(
                    "IncorrectInstanceState",
                    f"The instance '{id}' is not in a state from which it can be {act}.",
                )
        return [(known[id], known[id]._state) for id in ids]
