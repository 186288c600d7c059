"""What we wait for beyond botocore's own waiters: which call shows it, and when it is so.

Each entry is (method, check): `check(answer)` returns what the plan is handed once it is there, None while it is
not, and raises Failure when it never will be.
"""

import re

from .errors import Failure

KEYS = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----\s*(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL)


def host_key(answer):
    """The machine's ed25519 host key, as cloud-init printed it on the console: "ssh-ed25519 AAAA..."."""
    for block in reversed(KEYS.findall(answer.get("Output") or "")):  # the newest boot's; botocore has decoded it
        for line in block.splitlines():
            if line.strip().startswith("ssh-ed25519 "):
                return " ".join(line.split()[:2])
    return None


def volume_attached(answer):
    states = [place["State"] for volume in answer["Volumes"] for place in volume["Attachments"]]
    return states == ["attached"] or None


def volume_modified(answer):
    for change in answer["VolumesModifications"]:
        if change["ModificationState"] == "failed":
            raise Failure(f"AWS could not change the volume: {change.get('StatusMessage', 'no reason given')}")
        if change["ModificationState"] == "modifying":
            return None
    return True


def database_settled(answer):
    """Available, and nothing pending: right after a change the status is still `available` (aws-sdk-js issue 1505)."""
    database = answer["DBInstances"][0]
    if database["DBInstanceStatus"] in ("failed", "incompatible-parameters", "storage-full"):
        raise Failure(f"the database is {database['DBInstanceStatus']}")
    return database["DBInstanceStatus"] == "available" and not database.get("PendingModifiedValues") or None


OURS = {
    ("ec2", "host_key"): ("get_console_output", host_key),
    ("ec2", "volume_attached"): ("describe_volumes", volume_attached),
    ("ec2", "volume_modified"): ("describe_volumes_modifications", volume_modified),
    ("rds", "database_settled"): ("describe_db_instances", database_settled),
}
