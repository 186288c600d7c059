"""The machine images of the local cloud, and how much memory each instance type has."""

import json

from .cloud import ACCOUNT, REGION

DEBIAN = "ami-0148b33e0938d0cb2"  # the first letters of the SHA-256 of its name: any lasting id would do
OWNER = "136693071363"  # Debian's account on AWS
PARAMETER = "/aws/service/debian/release/12/latest/amd64"
ROOT = "/dev/xvda"
ROOT_SIZE = 8  # GiB
BY_ID = {DEBIAN: "debian-12"}  # AMI id: the image's name with the drivers


def write_list(path):
    """Write the file that moto reads its images from (MOTO_AMIS_PATH), before moto is imported."""
    image = {
        "ami_id": DEBIAN,
        "name": "debian-12-amd64-local",
        "description": "Debian 12 (amd64), as the local cloud boots it",
        "owner_id": OWNER,
        "image_location": "amazon/debian-12-amd64-local",
        "public": True,
        "architecture": "x86_64",
        "virtualization_type": "hvm",
        "hypervisor": "xen",
        "image_type": "machine",
        "platform": None,
        "state": "available",
        "root_device_type": "ebs",
        "root_device_name": ROOT,
        "creation_date": "2026-01-01T00:00:00.000Z",
    }
    path.write_text(json.dumps([image]))


def publish(cloud):
    """Put the public parameter in place that names the Debian image; PutParameter refuses `/aws`."""
    from moto.ssm.models import Parameter, ssm_backends

    parameters = ssm_backends[ACCOUNT][REGION]._parameters
    if PARAMETER not in parameters:
        parameters[PARAMETER].append(
            Parameter(
                ACCOUNT,
                PARAMETER,
                DEBIAN,
                "String",
                description=None,
                allowed_pattern=None,
                keyid=None,
                last_modified_date=cloud.clock(),
                version=1,
                data_type="aws:ec2:image",
            )
        )


def memory(kind):
    """MiB of an instance type, or None if there is no such type."""
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    known = INSTANCE_TYPES.get(kind)
    return known and known["MemoryInfo"]["SizeInMiB"]


def with_root(mappings, root):
    """moto's block device mappings with the root volume among them: moto forgets it when others are given."""
    mappings = [mapping for mapping in mappings if mapping.get("Ebs")]
    for mapping in mappings:
        if mapping["DeviceName"] == root:
            mapping["Ebs"]["VolumeSize"] = mapping["Ebs"].get("VolumeSize") or ROOT_SIZE
            return mappings
    volume = {"VolumeSize": ROOT_SIZE, "VolumeType": "gp3", "DeleteOnTermination": True}
    return [{"DeviceName": root, "Ebs": volume}, *mappings]
