"""EBS volumes and snapshots with a disk behind each: creating, attaching, growing, copying, as AWS allows it."""

import re

from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.block_device import BlockDeviceType
from moto.ec2.models.elastic_block_store import Snapshot, Volume, VolumeAttachment, VolumeModification

from .cloud import ZONES
from .drivers import Busy
from .lifecycle import TROUBLE, refuse_without_machines

DEVICE = re.compile(r"/dev/(sd[a-z][1-9]?\d?|xvd[a-z]{1,2}|nvme\d+n1)")
LARGEST = 16384  # GiB


class LocalVolume(Volume):
    """moto's volume, with states that take their time. `backed`: a disk of the drivers stands behind it."""

    backed = False
    phase = "available"  # or creating, deleting, error; what a volume is when nothing has it attached

    @property
    def status(self):
        return "in-use" if self.attachment else self.phase


class LocalSnapshot(Snapshot):
    """moto's snapshot, with a size that stays when its volume grows."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.gib = self.volume.size
        self.status = "completed" if self.from_ami else "pending"

    @property
    def volume_size(self):
        return self.gib

    @property
    def progress(self):
        return "100%" if self.status == "completed" else "0%"


class LocalModification(VolumeModification):
    """moto's modification, done when the disk has grown."""

    modification_state = "modifying"

    @property
    def progress(self):
        return 100 if self.modification_state == "completed" else 0


class Volumes:
    """The part of the EC2 backend that keeps volumes. `cloud` is set on the class that takes this in."""

    # -- volumes ---------------------------------------------------------------------------------------------------

    def create_volume(self, size=None, zone_name=None, snapshot_id=None, backed=False, **options):
        """moto's, checked as AWS does; with `backed` a disk is made for it."""
        if backed:
            refuse_without_machines(self.cloud)
            size = self._check_new(size, zone_name, snapshot_id)
        volume = super().create_volume(size=size, zone_name=zone_name, snapshot_id=snapshot_id, **options)
        if backed:
            volume.backed, volume.phase = True, "creating"
            self.cloud.background(self._make_disk, volume.id)
        return volume

    def _check_new(self, size, zone, snapshot_id):
        if zone not in ZONES:
            raise EC2ClientError("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
        if snapshot_id:
            snapshot = self.get_snapshot(snapshot_id)
            if snapshot.status != "completed":
                raise EC2ClientError("IncorrectState", f"Snapshot '{snapshot_id}' is not 'completed'.")
            size = size if size is not None else snapshot.gib
            if int(size) < snapshot.gib:
                raise EC2ClientError(
                    "InvalidParameterValue",
                    f"Volume of {size}GiB is smaller than snapshot '{snapshot_id}', expect size >= {snapshot.gib}GiB",
                )
        if size is not None and not 1 <= int(size) <= LARGEST:
            raise EC2ClientError(
                "InvalidParameterValue", f"The volume size is invalid: {size}. It must be from 1 to {LARGEST} GiB."
            )
        return size

    def delete_volume(self, volume_id):
        volume = self.get_volume(volume_id)
        if not volume.backed:
            return super().delete_volume(volume_id)
        if volume.attachment:
            raise EC2ClientError(
                "VolumeInUse", f"Volume {volume_id} is currently attached to {volume.attachment.instance.id}"
            )
        if volume.phase == "creating":
            raise EC2ClientError("IncorrectState", f"The volume '{volume_id}' is not 'available'.")
        volume.phase = "deleting"
        self.cloud.background(self._drop_disk, volume_id)
        return volume

    def modify_volume(self, volume_id, target_size=None, *targets):
        volume = self.get_volume(volume_id)
        self._refuse_unready(volume)
        if not volume.backed:
            self._refuse_root(volume_id, "cannot be modified")
        if target_size and int(target_size) < volume.size:
            raise EC2ClientError("InvalidParameterValue", "New size cannot be smaller than existing size")
        if volume.modifications and volume.modifications[-1].modification_state == "modifying":
            raise EC2ClientError(
                "IncorrectModificationState",
                f"Volume '{volume_id}' is still being modified; wait until it is completed.",
            )
        modification = LocalModification(volume, target_size and int(target_size), *targets)
        volume.modifications.append(modification)
        self.cloud.background(self._modify, volume_id)
        return volume

    @staticmethod
    def _refuse_root(id, what):
        raise EC2ClientError("UnsupportedOperation", f"'{id}' is a root volume: in this local cloud those {what}.")

    @staticmethod
    def _refuse_unready(volume):
        if not volume.attachment and volume.phase != "available":
            raise EC2ClientError("IncorrectState", f"The volume '{volume.id}' is not 'available'.")

    # -- attachments -----------------------------------------------------------------------------------------------

    def attach_volume(self, volume_id, instance_id, device_path, delete_on_termination=False):
        volume, instance = self.get_volume(volume_id), self.get_instance(instance_id)
        self._check_attach(volume, instance, device_path)
        attachment = self.record_attachment(volume, instance, device_path, delete_on_termination)
        self.cloud.background(self._attach, volume_id, instance_id, device_path)
        return attachment

    def _check_attach(self, volume, instance, device):
        if volume.attachment:
            raise EC2ClientError("VolumeInUse", f"{volume.id} is already attached to an instance")
        self._refuse_unready(volume)
        if not DEVICE.fullmatch(device or ""):
            raise EC2ClientError(
                "InvalidParameterValue",
                f"Value ({device}) for parameter device is invalid. {device} is not a valid EBS device name.",
            )
        if instance.state not in ("running", "stopped"):
            raise EC2ClientError("IncorrectState", f"Instance '{instance.id}' is not 'running'.")
        if volume.availability_zone != instance.availability_zone:
            raise EC2ClientError(
                "InvalidVolume.ZoneMismatch",
                f"The volume '{volume.id}' is not in the same availability zone as instance '{instance.id}'",
            )
        if device in instance.block_device_mapping:
            raise EC2ClientError(
                "InvalidParameterValue",
                f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use",
            )

    def record_attachment(self, volume, instance, device, delete_on_termination):
        """Note that the volume is on the instance: `attaching` while a disk has yet to be shown there."""
        volume.attachment = VolumeAttachment(volume, instance, device, "attaching" if volume.backed else "attached")
        instance.block_device_mapping[device] = BlockDeviceType(
            volume_id=volume.id,
            status="in-use",
            size=volume.size,
            attach_time=utcnow(),
            delete_on_termination=delete_on_termination,
        )
        return volume.attachment

    def detach_volume(self, volume_id, instance_id=None, device_path=None, force=False):
        """Detach now. AWS leaves a mounted volume `busy` for ever; here the call is refused instead, unless forced."""
        volume = self.get_volume(volume_id)
        attachment = volume.attachment
        if not attachment:
            raise EC2ClientError("IncorrectState", f"Volume '{volume_id}' is in the 'available' state.")
        if attachment.status == "attaching":
            raise EC2ClientError("IncorrectState", f"Volume '{volume_id}' is still being attached.")
        instance = attachment.instance
        if (instance_id and instance_id != instance.id) or (device_path and device_path != attachment.device):
            raise EC2ClientError(
                "InvalidAttachment.NotFound",
                f"The volume '{volume_id}' is not attached to '{instance_id}' as that device.",
            )
        if attachment.device == instance.root_device_name and instance.state != "stopped":
            raise EC2ClientError(
                "OperationNotPermitted",
                f"The volume '{volume_id}' may not be detached from instance '{instance.id}' as it is its root device",
            )
        if volume.backed:
            self._detach_disk(volume_id, instance.id, force)
        self._forget_attachment(volume, instance)
        return attachment

    def _detach_disk(self, volume_id, instance_id, force):
        try:
            self.cloud.drivers.disks.detach(volume_id, instance_id, force=force)
        except Busy as error:
            raise EC2ClientError(
                "VolumeInUse",
                f"Volume '{volume_id}' is in use on '{instance_id}': {error}",
            ) from error

    @staticmethod
    def _forget_attachment(volume, instance):
        instance.block_device_mapping.pop(volume.attachment.device, None)
        volume.attachment.status = "detached"
        volume.attachment = None

    def bring_volumes(self, instance):
        """Before a boot: everything attached to the instance is made and shown, so that it is there when it mounts."""
        for device, block in instance.get_block_device_mapping:
            volume = self.volumes[block.volume_id]
            if volume.backed:
                if volume.phase == "creating":
                    self._make_disk(volume.id)
                self._attach(volume.id, instance.id, device)

    def release_volumes(self, instance):
        """After a termination: volumes made with the instance go, the others are available again."""
        for _, block in instance.get_block_device_mapping:
            volume = self.volumes.get(block.volume_id)
            if volume:
                self._forget_attachment(volume, instance)
                if block.delete_on_termination:
                    self.delete_volume(volume.id)

    # -- snapshots -------------------------------------------------------------------------------------------------

    def create_snapshot(self, volume_id, description, owner_id=None, from_ami=None):
        volume = self.get_volume(volume_id)
        if not from_ami:
            if not volume.backed:
                self._refuse_root(volume_id, "have no snapshots")
            self._refuse_unready(volume)
        snapshot = super().create_snapshot(volume_id, description, owner_id, from_ami)
        if not from_ami:
            self.cloud.background(self._copy, volume_id, snapshot.id)
        return snapshot

    def delete_snapshot(self, snapshot_id):
        snapshot = self.get_snapshot(snapshot_id)
        if snapshot.status == "pending":
            raise EC2ClientError("IncorrectState", f"Snapshot '{snapshot_id}' is still being made.")
        snapshot = super().delete_snapshot(snapshot_id)
        self.cloud.drivers.disks.delete_snapshot(snapshot_id)
        return snapshot

    # -- the work, in the background -------------------------------------------------------------------------------

    def _make_disk(self, id):
        volume = self.volumes[id]
        phase = "available"
        try:
            self.cloud.drivers.disks.create(id, int(volume.size), snapshot=volume.snapshot_id or "")
        except TROUBLE as error:
            self.cloud.log.error("%s was not made: %s", id, error)
            phase = "error"
        with self.cloud.change():
            volume.phase = phase

    def _drop_disk(self, id):
        self.cloud.drivers.disks.delete(id)
        with self.cloud.change():
            self.volumes.pop(id, None)

    def _attach(self, id, instance_id, device):
        volume = self.volumes[id]
        try:
            self.cloud.drivers.disks.attach(id, instance_id, device)
        except TROUBLE as error:
            self.cloud.log.error("%s was not attached to %s: %s", id, instance_id, error)
            with self.cloud.change():
                if volume.attachment:
                    self._forget_attachment(volume, volume.attachment.instance)
            return
        with self.cloud.change():
            if volume.attachment:
                volume.attachment.status = "attached"

    def _modify(self, id):
        volume = self.volumes[id]
        modification = volume.modifications[-1]
        try:
            if modification.target_size and volume.backed:
                self.cloud.drivers.disks.grow(id, modification.target_size)
        except TROUBLE as error:
            self.cloud.log.error("%s did not grow: %s", id, error)
            with self.cloud.change():
                modification.modification_state = "failed"
            return
        with self.cloud.change():
            volume.size = modification.target_size or volume.size
            volume.volume_type = modification.target_volume_type or volume.volume_type
            volume.iops = modification.target_iops or volume.iops
            volume.throughput = modification.target_throughput or volume.throughput
            modification.modification_state, modification.end_time = "completed", utcnow()

    def _copy(self, volume_id, snapshot_id):
        snapshot = self.snapshots[snapshot_id]
        status = "completed"
        try:
            self.cloud.drivers.disks.snapshot(volume_id, snapshot_id)
        except TROUBLE as error:
            self.cloud.log.error("%s was not made of %s: %s", snapshot_id, volume_id, error)
            status = "error"
        with self.cloud.change():
            snapshot.status = status

    def resume_volumes(self):
        """After a start of the daemon: finish what was under way."""
        for volume in self.volumes.values():
            if not volume.backed:
                continue
            if volume.phase in ("creating", "deleting"):
                self.cloud.background(self._make_disk if volume.phase == "creating" else self._drop_disk, volume.id)
            if volume.attachment and volume.attachment.status == "attaching":
                self.cloud.background(self._attach, volume.id, volume.attachment.instance.id, volume.attachment.device)
            if volume.modifications and volume.modifications[-1].modification_state == "modifying":
                self.cloud.background(self._modify, volume.id)
        for snapshot in self.snapshots.values():
            if snapshot.status == "pending":
                self.cloud.background(self._copy, snapshot.volume.id, snapshot.id)
