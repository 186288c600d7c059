"""The records of RDS with what a real server adds: an endpoint once there is one, the server's own password."""

import hashlib
import json
import secrets
import string

from moto.rds.models import DBInstance, MasterUserSecret

from .certificates import IDENTIFIER, Authority
from .cloud import REGION, ZONES

DOMAIN = f"{REGION}.rds.localcloud.internal"
HOSTED_ZONE = "Z1PVIF0B656C1W"  # of RDS in us-west-2


class LocalDatabase(DBInstance):
    """moto's DB instance, with what a server behind it adds."""

    host = ""  # where it answers; empty until it first did
    behind = ""  # what really answers: "MariaDB 10.11.19"
    applied = None  # the parameters in force on the server
    applying = False
    fresh_password = False  # the server has yet to be told
    trouble = ""
    restored_from = ""  # the snapshot it is to be made from
    final_snapshot = ""

    def __init__(self, backend, **options):
        super().__init__(backend, **options)
        self.status = "creating"
        self.pending = {}
        alphabet = string.ascii_uppercase + string.digits
        self.dbi_resource_id = "db-" + "".join(secrets.choice(alphabet) for _ in range(26))
        self.ca_certificate_identifier = IDENTIFIER

    @property
    def dns_name(self):
        """Its name in this cloud's own zone; the letters are this cloud's, as AWS's are an account's."""
        digest = hashlib.sha256(str(self.backend.cloud.place.home).encode()).digest()
        letters = "".join(string.ascii_lowercase[byte % 26] for byte in digest[:12])
        return f"{self.db_instance_identifier}.{letters}.{DOMAIN}"

    @property
    def address(self):
        return self.host or None

    @property
    def endpoint(self):
        return {"Address": self.host, "Port": self.port, "HostedZoneId": HOSTED_ZONE} if self.host else None

    @property
    def pending_modified_values(self):
        shown = dict(self.pending)
        return shown | ({"master_user_password": "****"} if self.fresh_password and self.status == "modifying" else {})

    @property
    def db_parameter_group_status_list(self):
        name = self.db_parameter_groups()[0].name
        in_sync = self.applied is None or self.applied == self.backend.wanted_parameters(self)
        status = "applying" if self.applying else "in-sync" if in_sync else "pending-reboot"
        return [{"DBParameterGroupName": name, "ParameterApplyStatus": status}]

    @property
    def secondary_availability_zone(self):
        others = [zone for zone in ZONES if zone != self.availability_zone]
        return others[0] if self.multi_az else None

    @property
    def certificate_details(self):
        valid_till = Authority(self.backend.cloud.place.home / "ca").certificate.not_valid_after_utc
        return {"CAIdentifier": self.ca_certificate_identifier, "ValidTill": valid_till.replace(tzinfo=None)}

    @property
    def status_infos(self):
        """Why it failed: RDS has no better place for it."""
        return (
            [{"StatusType": "server", "Normal": False, "Status": "error", "Message": self.trouble}]
            if self.trouble
            else []
        )

    def save_automated_backup(self):
        """Done by the backend when the server is there."""


class LocalSecret(MasterUserSecret):
    """moto's managed secret, with a password that is really random and really the server's."""

    def _generate_secret_string(self):
        self.resource.master_user_password = secrets.token_urlsafe(21)
        known = {"username": self.resource.master_username, "password": self.resource._master_user_password}
        return json.dumps(known)
