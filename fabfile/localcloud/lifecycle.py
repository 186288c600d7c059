"""What an instance's machine goes through: booted, halted, lost, ended; and the records kept true to it."""

import base64
import threading
from datetime import timedelta

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import InstanceState, StateReason

from . import images, tokens
from .cloud import REGION
from .drivers import DriverError, MachineSpec

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
TROUBLE = (DriverError, OSError)  # how drivers fail; a full disk is an OSError
LISTED = timedelta(hours=1)  # how long a terminated instance is still described


def refuse_without_machines(cloud):
    """Raise AWS's Unsupported if the cloud's drivers have neither machines nor volumes."""
    if cloud.drivers.name == "processes":
        sentence = "This local cloud runs without machines: this computer cannot hold them, as the start of it said."
        raise EC2ClientError("Unsupported", sentence)


def hostname(address):
    """The host name EC2 gives a machine: ip-10-213-0-5."""
    return "ip-" + address.replace(".", "-")


def user_data(instance):
    """The instance's user data as bytes; b"" without."""
    return base64.b64decode(instance.user_data.as_bytes()) if instance.user_data else b""


def enter(instance, state, code="", message=""):
    """Put an instance into a state, with the reason AWS would show."""
    instance._state = InstanceState(state, CODES[state])
    instance._reason = message
    instance.state_reason = StateReason(message, code)


class Lifecycle:
    """The part of the EC2 backend that works on machines. `cloud` is set on the class, since moto makes the backends.

    What takes long is done in the background, one work at a time for each machine; each looks first whether its
    instance is still in the state that asked for it.
    """

    cloud = None
    _locks, _guard = {}, threading.Lock()
    _rebooting = set()  # ids that may look lost for a moment

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
                tokens.forget(self.cloud, reservation)

    def _runs(self, instance):
        return self.cloud.drivers.machines.state(instance.id) == "running"

    def _forgotten(self, instance):
        return instance.ended is not None and self.cloud.clock() - instance.ended > LISTED

    def resume(self):
        """After a start of the daemon: finish what was under way, and boot again what `cloud.stop` powered off."""
        again = self.cloud.keep.pop("resume", [])
        unfinished = {"pending": self.boot, "stopping": self.halt, "shutting-down": self.end}
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
        jobs = [self.cloud.executor.submit(self.halt, id) for id in running]
        for job in jobs:
            job.result()

    # -- the work, in the background -------------------------------------------------------------------------------

    def boot(self, id):
        with self._lock(id):
            instance = self._record(id, "pending")
            if not instance or self.cloud.stopping:
                return
            try:
                self.cloud.drivers.machines.create(self._spec(instance))
                self.bring_volumes(instance)
                self.cloud.drivers.machines.start(id)
            except TROUBLE as error:
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
        self.cloud.background(self.end, instance.id)

    def halt(self, id, force=False):
        with self._lock(id):
            try:
                self.cloud.drivers.machines.stop(id, force=force)
            except TROUBLE as error:
                self.cloud.log.error("%s did not stop: %s", id, error)
            with self.cloud.change():
                instance = self.get_instance_by_id(id)
                if instance.state not in ("stopping", "running"):
                    return
                if self._runs(instance):
                    return enter(instance, "running")
                for nic in instance.nics.values():
                    nic.stop()
                self.enter_by_user(instance, "stopped")

    def reboot(self, id):
        with self._lock(id):
            instance = self._record(id, "running")
            if not instance:
                return
            self._rebooting.add(id)
            try:
                self.cloud.drivers.machines.reboot(id)
            except TROUBLE as error:
                self.cloud.log.error("%s did not reboot: %s", id, error)
            finally:
                self._rebooting.discard(id)

    def end(self, id):
        with self._lock(id):
            instance = self._record(id, "shutting-down")
            if not instance:
                return
            self.cloud.drivers.machines.destroy(id)
            with self.cloud.change():
                self.release(instance)
                association = self.iam_instance_profile_associations.get(id)
                if association:
                    self.disassociate_iam_instance_profile(association.association_id)
                reason = instance.state_reason
                enter(instance, "terminated", reason.code, reason.message)
                instance.ended = self.cloud.clock()

    def release(self, instance):
        """Give back what an instance had: volumes, interfaces, its address."""
        self.release_volumes(instance)
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

    @classmethod
    def _lock(cls, id):
        with cls._guard:
            return cls._locks.setdefault(id, threading.Lock())

    def enter_by_user(self, instance, state):
        since = self.cloud.clock().strftime("%Y-%m-%d %H:%M:%S GMT")
        enter(instance, state, "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
        instance._reason = f"User initiated ({since})"
