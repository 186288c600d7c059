"""EC2 instances with a machine behind each: moto keeps the record, the drivers keep the machine, this keeps them true."""

import base64
import threading
from datetime import timedelta

from moto.ec2.exceptions import EC2ClientError, InvalidInstanceIdError
from moto.ec2.models.instances import Instance, InstanceState, StateReason

from . import images
from .cloud import REGION, ZONES
from .drivers import DriverError, MachineSpec

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
LISTED = timedelta(hours=1)  # how long a terminated instance is still described
HOSTLESS = "This local cloud runs without machines: {reason}"


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


def hostname(address):
    """The host name EC2 gives a machine: ip-10-213-0-5."""
    return "ip-" + address.replace(".", "-")


def enter(instance, state, code="", message=""):
    """Put an instance into a state, with the reason AWS would show."""
    instance._state = InstanceState(state, CODES[state])
    instance._reason = message
    instance.state_reason = StateReason(message, code)


class Machines:
    """The part of the EC2 backend that runs instances. `cloud` is set on the class, since moto makes the backends."""

    cloud = None
    _locks, _guard = {}, threading.Lock()
    _rebooting = set()  # ids that may look lost for a moment

    # -- what the API asks -----------------------------------------------------------------------------------------

    def run_instances(self, image_id, count, user_data, security_group_names, **options):
        if self.cloud.drivers.name == "processes":
            raise EC2ClientError(
                "Unsupported", HOSTLESS.format(reason="it has no root on a machine that can hold hosts.")
            )
        self._check_launch(image_id, options)
        options["subnet_id"] = self._subnet(options)
        if not security_group_names and not options.get("security_group_ids") and not options.get("nics"):
            options["security_group_ids"] = [self.get_default_security_group().id]
        mappings = options.get("block_device_mappings") or []
        root = self.describe_images(ami_ids=[image_id])[0].root_device_name
        options["block_device_mappings"] = images.with_root(mappings, root)
        reservation = super().run_instances(image_id, count, user_data, security_group_names, **options)
        for instance in reservation.instances:
            self.cloud.background(self._boot, instance.id)
        return reservation

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
                self.cloud.background(self._boot, instance.id)
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
                self._enter_by_user(instance, "stopping")
                self.cloud.background(self._halt, instance.id, force)
        return found

    def reboot_instances(self, instance_ids):
        found = self._in_state(instance_ids, {"running"}, "rebooted")
        for instance, _ in found:
            self.cloud.background(self._reboot, instance.id)
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
                self._enter_by_user(instance, "shutting-down")
                self.cloud.background(self._end, instance.id)
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

    def get_instance_by_id(self, instance_id):
        return next((instance for instance in self.instances() if instance.id == instance_id), None)

    # -- what is true ----------------------------------------------------------------------------------------------

    def instances(self):
        return [instance for reservation in self.reservations.values() for instance in reservation.instances]

    def machine_at(self, address):
        """The instance that has an address, or None."""
        return self.get_instance_by_id(self.cloud.addresses.owner(address) or "")

    def reconcile(self):
        """A machine that died or powered itself off is `stopped`; one terminated an hour ago is forgotten."""
        for instance in self.instances():
            if instance.state == "running" and instance.id not in self._rebooting and not self._runs(instance):
                enter(instance, "stopped", "Client.InstanceInitiatedShutdown", "The machine powered off, or was lost")
        for key, reservation in list(self.reservations.items()):
            reservation.instances = [one for one in reservation.instances if not self._forgotten(one)]
            if not reservation.instances:
                del self.reservations[key]

    def _runs(self, instance):
        return self.cloud.drivers.machines.state(instance.id) == "running"

    def _forgotten(self, instance):
        return instance.ended is not None and self.cloud.clock() - instance.ended > LISTED

    def resume(self):
        """After a start of the daemon: finish what was under way, and boot again what `cloud.stop` powered off."""
        again = self.cloud.keep.pop("resume", [])
        unfinished = {"pending": self._boot, "stopping": self._halt, "shutting-down": self._end}
        for instance in self.instances():
            if instance.state in unfinished:
                self.cloud.background(unfinished[instance.state], instance.id)
            elif instance.state in ("running", "stopped") and self._runs(instance):
                enter(instance, "running")
            elif instance.state in ("running", "stopped") and instance.id in again:
                enter(instance, "stopped")
                self.start_instances([instance.id])
        self.reconcile()

    def power_off(self):
        """For `cloud.stop`: power every machine off cleanly, and remember which to boot again."""
        with self.cloud.change():
            running = [instance.id for instance in self.instances() if instance.state in ("running", "pending")]
            self.cloud.keep["resume"] = running
        jobs = [self.cloud.executor.submit(self._halt, id) for id in running]
        for job in jobs:
            job.result()

    # -- the work, in the background -------------------------------------------------------------------------------

    def _boot(self, id):
        with self._lock(id):
            instance = self._record(id, "pending")
            if not instance or self.cloud.stopping:
                return
            try:
                self.cloud.drivers.machines.create(self._spec(instance))
                self.bring_volumes(instance)
                self.cloud.drivers.machines.start(id)
            except DriverError as error:
                self.cloud.log.error("%s did not start: %s", id, error)
                with self.cloud.change():
                    self._failed(instance, str(error))
                return
            with self.cloud.change():
                if instance.state == "pending":
                    instance.booted = True
                    enter(instance, "running")

    def _failed(self, instance, message):
        """A start failed: a new instance is terminated, as on AWS; one that ran before is stopped again."""
        if instance.state != "pending":
            return
        if getattr(instance, "booted", False):
            enter(instance, "stopped", "Server.InternalError", f"Server.InternalError: {message}")
            return
        enter(instance, "shutting-down", "Server.InternalError", f"Server.InternalError: {message}")
        self.cloud.background(self._end, instance.id)

    def _halt(self, id, force=False):
        with self._lock(id):
            try:
                self.cloud.drivers.machines.stop(id, force=force)
            except DriverError as error:
                self.cloud.log.error("%s did not stop: %s", id, error)
            with self.cloud.change():
                instance = self.get_instance_by_id(id)
                if instance and instance.state in ("stopping", "running"):
                    for nic in instance.nics.values():
                        nic.stop()
                    self._enter_by_user(instance, "stopped")

    def _reboot(self, id):
        with self._lock(id):
            instance = self._record(id, "running")
            if not instance:
                return
            self._rebooting.add(id)
            try:
                self.cloud.drivers.machines.reboot(id)
            except DriverError as error:
                self.cloud.log.error("%s did not reboot: %s", id, error)
            finally:
                self._rebooting.discard(id)

    def _end(self, id):
        with self._lock(id):
            instance = self._record(id, "shutting-down")
            if not instance:
                return
            self.cloud.drivers.machines.destroy(id)
            with self.cloud.change():
                self.release_volumes(instance)
                self._release_interfaces(instance)
                association = self.iam_instance_profile_associations.get(id)
                if association:
                    self.disassociate_iam_instance_profile(association.association_id)
                reason = instance.state_reason
                enter(instance, "terminated", reason.code, reason.message)
                instance.ended = self.cloud.clock()

    def _release_interfaces(self, instance):
        for nic in instance.nics.values():
            nic.subnet.del_subnet_ip(nic.private_ip_address)
            self.enis.pop(nic.id, None)
        instance.nics = {}
        self.cloud.addresses.release(instance.id)

    def _spec(self, instance):
        key = self.key_pairs.get(instance.key_name)
        return MachineSpec(
            id=instance.id,
            image=images.BY_ID[instance.image_id],
            address=instance.private_ip,
            hostname=hostname(instance.private_ip),
            authorized_keys=(key.public_key.strip(),) if key else (),
            user_data=user_data(instance),
            memory=images.memory(instance.instance_type),
            environment={
                "AWS_ENDPOINT_URL": self.cloud.inside_url,
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
            },
        )

    def _record(self, id, state):
        with self.cloud.lock:
            instance = self.get_instance_by_id(id)
            return instance if instance and instance.state == state else None

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

    def _enter_by_user(self, instance, state):
        since = self.cloud.clock().strftime("%Y-%m-%d %H:%M:%S GMT")
        enter(instance, state, "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
        instance._reason = f"User initiated ({since})"

    @classmethod
    def _lock(cls, id):
        with cls._guard:
            return cls._locks.setdefault(id, threading.Lock())


def user_data(instance):
    """The instance's user data as bytes; b"" without."""
    return base64.b64decode(instance.user_data.as_bytes()) if instance.user_data else b""
