"""EC2 as the local cloud serves it: moto's backend and answers with the machines, volumes and firewalls in them."""

import moto.ec2.models.elastic_block_store as ebs
import moto.ec2.models.elastic_network_interfaces as interfaces
import moto.ec2.models.instance_types as instance_types
import moto.ec2.models.instances as instances
import moto.ec2.urls as urls
from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError, InvalidKeyPairFormatError, InvalidVolumeIdError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.responses import EC2Response
from moto.iam import iam_backends

from . import images, tokens
from .addresses import subnet
from .cloud import ACCOUNT, REGION, ZONES
from .drivers import DriverError
from .firewalls import Enforcer, Firewalls
from .instances import Instances, LocalInstance
from .volumes import LocalSnapshot, LocalVolume, Volumes

# What changes things and is served. Other calls that moto would answer keep a record with nothing behind it: a lie.
SERVED = frozenset(
    """
    RunInstances StartInstances StopInstances RebootInstances TerminateInstances
    ModifyInstanceAttribute ModifyInstanceMetadataOptions
    CreateVolume DeleteVolume AttachVolume DetachVolume ModifyVolume CreateSnapshot DeleteSnapshot
    CreateTags DeleteTags CreateKeyPair ImportKeyPair DeleteKeyPair
    CreateSecurityGroup DeleteSecurityGroup AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress
    RevokeSecurityGroupIngress RevokeSecurityGroupEgress ModifySecurityGroupRules
    UpdateSecurityGroupRuleDescriptionsIngress UpdateSecurityGroupRuleDescriptionsEgress
    AssociateIamInstanceProfile DisassociateIamInstanceProfile ReplaceIamInstanceProfileAssociation
    """.split()  # noqa: SIM905 (forty quoted names in a column would be harder to read)
)


class LocalInterface(NetworkInterface):
    """moto's interface, whose public address is its private one: it is routed on this machine, and no other is."""

    def check_auto_public_ip(self):
        if str(self.public_ip_auto_assign).lower() == "true":
            self.public_ip = self.private_ip_address


class LocalBackend(Instances, Volumes, Firewalls, EC2Backend):
    """moto's EC2 with something behind it."""

    @property
    def _url_module(self):
        return urls  # moto derives it from a class's module, and this is not moto's

    def create_default_vpc(self):
        if self.region_name != REGION:
            return super().create_default_vpc()
        vpc = self.create_vpc(cidr_block=self.cloud.block, is_default=True)
        for zone in ZONES:
            self.create_subnet(vpc.id, str(subnet(self.cloud.block, zone)), availability_zone=zone)
        return vpc

    def describe_availability_zones(self, *arguments, **options):
        zones = super().describe_availability_zones(*arguments, **options)
        return [zone for zone in zones if self.region_name != REGION or zone.name in ZONES]


class LocalAnswers(EC2Response):
    """moto's EC2 answers, where they differ from AWS's."""

    def _once(self, operation, make):
        return tokens.once(
            self.ec2_backend.cloud,
            operation,
            self._get_params(),
            make,
            lambda: EC2ClientError(
                "IdempotentParameterMismatch",
                "The client token you have provided is associated with a different set of parameters.",
            ),
        )

    def run_instances(self):
        least, most = int(self._get_param("MinCount", 1)), int(self._get_param("MaxCount", 1))
        if not 1 <= least <= most:
            raise EC2ClientError(
                "InvalidParameterValue", f"Invalid value '{least}' for minCount: 1 to maxCount ({most})."
            )
        profile = self._get_param("IamInstanceProfile") or {}
        self._check_profile(profile)

        def make():
            self.params["MinCount"] = most  # moto starts the least, AWS as many as it can
            self.params.pop("IamInstanceProfile", None)
            reservation = EC2Response.run_instances(self).result
            for instance in reservation.instances if profile else ():
                self.ec2_backend.associate_iam_instance_profile(
                    instance.id,
                    iam_instance_profile_name=profile.get("Name"),
                    iam_instance_profile_arn=profile.get("Arn"),
                )
            return reservation

        return ActionResult(self._once("RunInstances", make))

    def _check_profile(self, profile):
        backend = iam_backends[ACCOUNT]["aws"]
        known = backend.instance_profiles.values()
        for field, attribute in (("Name", "name"), ("Arn", "arn")):
            wanted = profile.get(field)
            if wanted and wanted not in {getattr(one, attribute) for one in known}:
                raise EC2ClientError(
                    "InvalidParameterValue",
                    f"Value ({wanted}) for parameter iamInstanceProfile.{field.lower()} is invalid. "
                    f"Invalid IAM Instance Profile {'name' if field == 'Name' else 'ARN'}",
                )

    def describe_instances(self):
        filters = self.params.get("Filters", [])
        by_token = [one for one in filters if one.get("Name") == "client-token"]
        if not by_token:
            return super().describe_instances()
        self.params["Filters"] = [one for one in filters if one not in by_token]
        answer = super().describe_instances().result
        wanted = {value for one in by_token for value in one.get("Values", [])}
        for reservation in answer["Reservations"]:
            reservation.instances = [one for one in reservation.instances if one.client_token in wanted]
        answer["Reservations"] = [one for one in answer["Reservations"] if one.instances]
        return ActionResult(answer)

    def _changed(self, name, act):
        ids = self._get_param("InstanceIds", [])
        self.error_on_dryrun()
        found = act(ids)
        return ActionResult(
            {
                name: [
                    {"InstanceId": one.id, "CurrentState": one.instance_state, "PreviousState": before}
                    for one, before in found
                ]
            }
        )

    def start_instances(self):
        return self._changed("StartingInstances", self.ec2_backend.start_instances)

    def stop_instances(self):
        force = self._get_bool_param("Force", False)
        return self._changed("StoppingInstances", lambda ids: self.ec2_backend.stop_instances(ids, force=force))

    def terminate_instances(self):
        return self._changed("TerminatingInstances", self.ec2_backend.terminate_instances)

    def get_console_output(self):
        id = self._get_param("InstanceId")
        output = Base64EncodedString(self.ec2_backend.console(id))
        return ActionResult({"InstanceId": id, "Timestamp": utcnow(), "Output": output})

    def import_key_pair(self):
        try:
            return super().import_key_pair()
        except InvalidKeyPairFormatError as error:
            raise EC2ClientError("InvalidKey.Format", error.message) from error

    def create_volume(self):
        self.error_on_dryrun()
        return ActionResult(self._once("CreateVolume", self._make_volume))

    def _make_volume(self):
        volume = self.ec2_backend.create_volume(
            size=self._get_param("Size"),
            zone_name=self._get_param("AvailabilityZone"),
            snapshot_id=self._get_param("SnapshotId"),
            encrypted=self._get_bool_param("Encrypted", False),
            kms_key_id=self._get_param("KmsKeyId"),
            volume_type=self._get_param("VolumeType"),
            iops=self._get_param("Iops"),
            throughput=self._get_param("Throughput"),
            backed=True,
        )
        volume.add_tags(self._parse_tag_specification().get("volume", {}))
        return volume

    def delete_volume(self):
        id = self._get_param("VolumeId")
        if id in self.ec2_backend.volumes and self.ec2_backend.volumes[id].phase == "deleting":
            raise InvalidVolumeIdError(id)
        return super().delete_volume()

    def detach_volume(self):
        self.error_on_dryrun()
        attachment = self.ec2_backend.detach_volume(
            self._get_param("VolumeId"),
            self._get_param("InstanceId"),
            self._get_param("Device"),
            force=self._get_bool_param("Force", False),
        )
        return ActionResult(
            {
                "VolumeId": attachment.volume.id,
                "InstanceId": attachment.instance.id,
                "Device": attachment.device,
                "State": "detaching",
                "AttachTime": attachment.attach_time,
            }
        )

    def describe_snapshots(self):
        answer = super().describe_snapshots().result
        owners = {ACCOUNT if owner == "self" else owner for owner in self._get_param("OwnerIds", [])}
        if owners:
            answer["Snapshots"] = [one for one in answer["Snapshots"] if one.owner_id in owners]
        return ActionResult(answer)


def backend():
    """The one EC2 backend there is."""
    return ec2_backends[ACCOUNT][REGION]


def install(cloud):
    """Put the local EC2 in moto's place, before moto's is first used."""
    if dict.keys(ec2_backends):
        raise RuntimeError("the hooks of EC2 come too late: moto's own backend is in use")
    LocalBackend.cloud = cloud
    ec2_backends.backend = LocalBackend
    instances.Instance = LocalInstance
    ebs.Volume, ebs.Snapshot = LocalVolume, LocalSnapshot
    interfaces.NetworkInterface = LocalInterface
    urls.url_paths["{0}/"] = LocalAnswers.dispatch
    for offers in instance_types.INSTANCE_TYPE_OFFERINGS.values():  # 40 MB that nobody asks for
        for region in [region for region in offers if region != REGION]:
            del offers[region]
    cloud.after_change(Enforcer(backend))
    cloud.at_start(_start)
    cloud.at_stop(lambda cloud: backend().power_off())
    cloud.report("machines", _machines)
    cloud.report("volumes", _volumes)


def _start(cloud):
    images.publish(cloud)
    backend().resume()
    backend().resume_volumes()


def _backing(ask, id):
    try:
        return ask(id)
    except DriverError as error:
        return {"error": str(error)}


def _machines(cloud):
    backend().reconcile()
    return [
        {
            "id": one.id,
            "name": dict(backend().tags.get(one.id, {})).get("Name", ""),
            "state": one.state,
            "type": one.instance_type,
            "address": one.private_ip,
            "zone": one.availability_zone,
            "backing": _backing(cloud.drivers.machines.backing, one.id) if one.state != "terminated" else {},
        }
        for one in backend().instances()
    ]


def _volumes(cloud):
    return [
        {
            "id": one.id,
            "name": dict(backend().tags.get(one.id, {})).get("Name", ""),
            "state": one.status,
            "gib": int(one.size),
            "machine": one.attachment.instance.id if one.attachment else None,
            "device": one.attachment.device if one.attachment else None,
            "backing": _backing(cloud.drivers.disks.backing, one.id),
        }
        for one in backend().volumes.values()
        if one.backed
    ]
