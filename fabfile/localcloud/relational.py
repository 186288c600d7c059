"""RDS as the local cloud serves it: moto keeps the records, real database servers stand behind them."""

import moto.rds.models as rds_models
import moto.rds.urls as urls
from moto.core.responses import ActionResult, PaginatedResult
from moto.core.utils import utcnow
from moto.rds.exceptions import DBInstanceAlreadyExists, DBSnapshotAlreadyExistsError
from moto.rds.models import DBSnapshot, RDSBackend, rds_backends
from moto.rds.responses import RDSResponse

from . import relational_rules as rules
from .certificates import IDENTIFIER, Authority
from .cloud import REGION, ZONES
from .relational_groups import Groups
from .relational_records import LocalDatabase, LocalSecret
from .relational_rules import refuse
from .relational_work import OWNER, Work

# ModifyDBInstance brings these at the next maintenance window unless ApplyImmediately is given.
DEFERRED = (
    "db_instance_class",
    "allocated_storage",
    "engine_version",
    "multi_az",
    "storage_type",
    "iops",
    "storage_throughput",
    "ca_certificate_identifier",
    "license_model",
    "backup_retention_period",
)
RESTORED = (
    "engine",
    "engine_version",
    "db_instance_class",
    "allocated_storage",
    "storage_type",
    "port",
    "master_username",
    "db_name",
    "multi_az",
)
SETTLED = ("available", "stopped", "failed")


class LocalBackend(Groups, Work, RDSBackend):
    """moto's RDS with something behind it."""

    @property
    def _url_module(self):
        return urls  # moto derives it from a class's module, and this is not moto's

    # -- instances -------------------------------------------------------------------------------------------------

    def describe_db_instances(self, db_instance_identifier=None, filters=None):
        found = super().describe_db_instances(db_instance_identifier, filters)
        for database in found:
            self.revive(database)
        return found

    def create_db_instance(self, db_kwargs):
        return self._create(dict(db_kwargs))

    def _create(self, wanted, snapshot=""):
        id = wanted["db_instance_identifier"].lower()
        if id in self.databases:
            raise DBInstanceAlreadyExists()
        self._validate_db_identifier(id)
        if not snapshot:
            rules.check_creation(wanted)
        wanted["engine_version"] = rules.version(wanted.get("engine_version"))
        self.check_parameter_group(wanted.get("db_parameter_group_name"), wanted["engine_version"])
        if wanted.get("storage_encrypted"):
            wanted["kms_key_id"] = self._validate_kms_key(wanted.get("kms_key_id") or "alias/aws/rds")
        zone = wanted.get("availability_zone") or ZONES[0]
        database = super().create_db_instance({**wanted, "db_instance_identifier": id, "availability_zone": zone})
        database.restored_from = snapshot
        if self.cloud.drivers.name != "processes":
            self.cloud.addresses.take(OWNER.format(id=id), zone)
            self.cloud.addresses.protect(OWNER.format(id=id), database.vpc_security_group_ids)
        self.cloud.background(self._make, id)
        return database

    def modify_db_instance(self, db_instance_identifier, db_kwargs):
        database, wanted = self.find(db_instance_identifier), dict(db_kwargs)
        at_once = wanted.pop("apply_immediately", False)
        self._check_change(database, wanted, at_once)
        deferred = {name: wanted.pop(name) for name in DEFERRED if wanted.get(name) is not None}
        deferred = {name: value for name, value in deferred.items() if getattr(database, name, None) != value}
        password = wanted.pop("master_user_password", None)
        rotate = wanted.pop("rotate_master_user_password", False)
        super().modify_db_instance(db_instance_identifier, wanted)
        database.pending |= deferred
        if password is not None:
            database.master_user_password = password
        if rotate:
            self._rotate(database)
        database.fresh_password |= bool(password or rotate or wanted.get("manage_master_user_password"))
        if wanted.get("vpc_security_group_ids"):
            self.cloud.addresses.protect(
                OWNER.format(id=database.db_instance_identifier), database.vpc_security_group_ids
            )
        if database.status == "available" and (database.fresh_password or (at_once and database.pending)):
            database.status = "modifying"
            self.cloud.background(self._modify, database.db_instance_identifier)
        return database

    def _check_change(self, database, wanted, at_once):
        if wanted.get("new_db_instance_identifier") or wanted.get("db_port_number"):
            raise NotImplementedError  # its host and its certificate carry its name, its clients' firewalls its port
        if database.status not in SETTLED:
            refuse("InvalidDBInstanceState", "Database instance is not in available state.")
        if wanted.get("db_instance_class"):
            rules.check_class(wanted["db_instance_class"])
        if wanted.get("allocated_storage") is not None:
            rules.check_growth(database, wanted["allocated_storage"])
            rules.check_storage(wanted.get("storage_type") or database.storage_type, wanted["allocated_storage"])
        if wanted.get("engine_version"):
            allow = wanted.pop("allow_major_version_upgrade", False)
            wanted["engine_version"] = rules.check_upgrade(database, wanted["engine_version"], allow)
        if wanted.get("master_user_password") is not None:
            managed = database.manage_master_user_password and wanted.get("manage_master_user_password") is not False
            rules.check_credentials(wanted | ({"manage_master_user_password": True} if managed else {}))
        if wanted.get("rotate_master_user_password") and not at_once:
            refuse(
                "InvalidParameterCombination",
                "You must specify apply immediately when rotating the master user password.",
            )
        rules.check_backups(wanted.get("backup_retention_period"))
        rules.check_authority(wanted.get("ca_certificate_identifier"))
        self.check_parameter_group(wanted.get("db_parameter_group_name"), database.engine_version)

    def _rotate(self, database):
        if not database.manage_master_user_password:
            refuse("InvalidParameterCombination", "The master user password of this instance is not managed by RDS.")
        managed = database.master_user_secret
        managed.secretsmanager.put_secret_value(
            secret_id=managed.secret.arn,
            secret_string=managed._generate_secret_string(),
            secret_binary=None,
            client_request_token=None,
            version_stages=["AWSCURRENT"],
        )

    def reboot_db_instance(self, db_instance_identifier):
        database = self.find(db_instance_identifier)
        if database.status != "available":
            refuse("InvalidDBInstanceState", f"Instance {db_instance_identifier} is not in available state.")
        return self._go(database, "rebooting", self._start)

    def stop_db_instance(self, db_instance_identifier, db_snapshot_identifier=None):
        database = self.find(db_instance_identifier)
        if database.status != "available":
            refuse("InvalidDBInstanceState", f"Instance {db_instance_identifier} is not in available state.")
        if db_snapshot_identifier:
            self.create_db_snapshot(db_instance_identifier, db_snapshot_identifier)
        return self._go(database, "stopping", self._stop)

    def start_db_instance(self, db_instance_identifier):
        database = self.find(db_instance_identifier)
        if database.status != "stopped":
            refuse(
                "InvalidDBInstanceState",
                f"Instance {db_instance_identifier} is not stopped, it cannot be started.",
            )
        return self._go(database, "starting", self._start)

    def _go(self, database, status, work):
        database.status = status
        self.cloud.background(work, database.db_instance_identifier)
        return database

    def delete_db_instance(
        self,
        db_instance_identifier,
        final_db_snapshot_identifier=None,
        skip_final_snapshot=False,
        delete_automated_backups=True,
    ):
        database = self.find(db_instance_identifier)
        if database.status == "deleting":
            refuse("InvalidDBInstanceState", f"Instance {db_instance_identifier} is already being deleted.")
        if database.deletion_protection:
            refuse(
                "InvalidParameterCombination",
                "Cannot delete protected DB Instance, please disable deletion protection and try again.",
            )
        self._check_final(database, final_db_snapshot_identifier, skip_final_snapshot)
        if final_db_snapshot_identifier:
            self._record_snapshot(database, final_db_snapshot_identifier)
        database.status = "deleting"
        database.final_snapshot = (final_db_snapshot_identifier or "").lower()
        database.keep_backups = delete_automated_backups is False
        self.cloud.background(self._remove, database.db_instance_identifier, database.final_snapshot)
        return database

    def _check_final(self, database, final, skip):
        if final and skip:
            refuse(
                "InvalidParameterCombination",
                "FinalDBSnapshotIdentifier can not be specified when deleting with SkipFinalSnapshot",
            )
        if not final and not skip:
            refuse(
                "InvalidParameterCombination",
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
            )
        if final and database.status not in ("available", "stopped"):
            refuse(
                "InvalidDBInstanceState",
                f"A final snapshot cannot be made of {database.db_instance_identifier} while it is {database.status}.",
            )

    def _forget(self, database):
        """The server is gone: so are its record, name, address and secret, and its automatic snapshots."""
        id = database.db_instance_identifier
        database.deletion_protection = False
        automatic = [
            name
            for name, one in self.database_snapshots.items()
            if one.snapshot_type == "automated" and one.db_instance_identifier == id
        ]
        super().delete_db_instance(id, skip_final_snapshot=True, delete_automated_backups=False)
        if not database.keep_backups:
            for name in automatic:
                self.delete_db_snapshot(name)
        if self.cloud.drivers.name != "processes":
            self.cloud.names.remove(database.dns_name)
            self.cloud.addresses.release(OWNER.format(id=id))

    # -- snapshots -------------------------------------------------------------------------------------------------

    def create_db_snapshot(
        self, db_instance_identifier, db_snapshot_identifier, snapshot_type="manual", tags=None, **_
    ):
        database = self.find(db_instance_identifier)
        if database.status != "available":
            refuse(
                "InvalidDBInstanceState",
                f"Cannot create a snapshot because the database instance {db_instance_identifier} is not currently in "
                "the available state.",
            )
        snapshot = self._record_snapshot(database, db_snapshot_identifier, snapshot_type, tags)
        self.cloud.background(self._copy, database.db_instance_identifier, snapshot.db_snapshot_identifier)
        return snapshot

    def _record_snapshot(self, database, name, kind="manual", tags=None):
        if name in self.database_snapshots:
            raise DBSnapshotAlreadyExistsError(name)
        snapshot = DBSnapshot(self, database, name, kind, tags)
        snapshot.status, snapshot.percent_progress = "creating", 0
        self.database_snapshots[snapshot.db_snapshot_identifier] = snapshot
        return snapshot

    def _automatic_snapshot(self, database):
        name = f"rds:{database.db_instance_identifier}-{utcnow():%Y-%m-%d-%H-%M}"
        if name in self.database_snapshots:
            return None
        return self._record_snapshot(database, name, "automated")

    def delete_db_snapshot(self, db_snapshot_identifier):
        snapshot = super().delete_db_snapshot(db_snapshot_identifier)
        self.cloud.background(self._drop_copy, snapshot.db_snapshot_identifier)
        snapshot.status = "deleted"
        return snapshot

    def restore_db_instance_from_db_snapshot(self, from_snapshot_id, overrides):
        snapshot = self.get_db_snapshot(from_snapshot_id)
        if snapshot.status != "available":
            refuse("InvalidDBSnapshotState", f"The snapshot {from_snapshot_id} is not in available state.")
        old = snapshot.database
        wanted = {name: getattr(old, name) for name in RESTORED}
        wanted |= {"storage_encrypted": snapshot.storage_encrypted, "kms_key_id": snapshot.kms_key_id}
        wanted |= {name: value for name, value in dict(overrides).items() if value not in (None, "")}
        wanted["master_user_password"] = old._master_user_password
        wanted.pop("db_snapshot_identifier", None)
        return self._create(wanted, snapshot=snapshot.db_snapshot_identifier)

    # -- what there is to order ------------------------------------------------------------------------------------

    def describe_orderable_db_instance_options(self, engine, engine_version, size=None):
        return rules.orderable(engine, engine_version, size, ZONES)


class LocalAnswers(RDSResponse):
    """moto's RDS answers, and those it lacks."""

    def _not_served(self):
        raise NotImplementedError

    # What moto would answer with a record and nothing behind it.
    create_db_instance_read_replica = promote_read_replica = restore_db_instance_to_point_in_time = _not_served
    create_db_cluster = restore_db_cluster_from_snapshot = restore_db_cluster_to_point_in_time = _not_served
    create_db_cluster_snapshot = copy_db_cluster_snapshot = create_global_cluster = create_db_shard_group = _not_served
    create_db_proxy = create_blue_green_deployment = start_export_task = create_event_subscription = _not_served
    copy_db_snapshot = create_option_group = create_db_security_group = add_role_to_db_instance = _not_served
    describe_db_log_files = _not_served

    def describe_db_engine_versions(self):
        return PaginatedResult({"DBEngineVersions": rules.engine_versions(self.params)})

    def describe_orderable_db_instance_options(self):
        asked = [self.params.get(name) for name in ("Engine", "EngineVersion", "DBInstanceClass")]
        return PaginatedResult(
            {"OrderableDBInstanceOptions": self.backend.describe_orderable_db_instance_options(*asked)}
        )

    def describe_certificates(self):
        rules.check_authority(self.params.get("CertificateIdentifier"))
        authority = Authority(self.backend.cloud.place.home / "ca")
        certificate = authority.certificate
        found = {
            "CertificateIdentifier": IDENTIFIER,
            "CertificateType": "CA",
            "Thumbprint": authority.thumbprint,
            "ValidFrom": certificate.not_valid_before_utc.replace(tzinfo=None),
            "ValidTill": certificate.not_valid_after_utc.replace(tzinfo=None),
            "CertificateArn": f"arn:aws:rds:{REGION}::cert:{IDENTIFIER}",
            "CustomerOverride": False,
        }
        return ActionResult({"DefaultCertificateForNewLaunches": IDENTIFIER, "Certificates": [found]})

    def describe_db_parameters(self):
        rows = self.backend.describe_parameters(self.params.get("DBParameterGroupName"), self.params.get("Source"))
        return PaginatedResult({"Parameters": rows})

    def reset_db_parameter_group(self):
        every = self.params.get("ResetAllParameters")
        names = [] if every else [one.original_dict()["ParameterName"] for one in self.params.get("Parameters", [])]
        if not every and not names:
            refuse("InvalidParameterCombination", "Name the parameters to reset, or give ResetAllParameters.")
        group = self.backend.reset_db_parameter_group(self.params.get("DBParameterGroupName"), names)
        return ActionResult({"DBParameterGroupName": group.name})

    def describe_pending_maintenance_actions(self):
        return ActionResult({"PendingMaintenanceActions": []})


def install(cloud):
    """Put real databases behind moto's RDS. Call it before the first use of its backends."""
    LocalBackend.cloud = cloud
    rds_models.DBInstance = LocalDatabase
    rds_models.MasterUserSecret = LocalSecret
    rds_backends.backend = LocalBackend
    urls.url_paths["{0}/$"] = LocalAnswers.dispatch
    cloud.at_start(lambda _: [backend.resume() for backend in backends()])
    cloud.at_stop(lambda _: [backend.power_off() for backend in backends()])
    cloud.report("databases", report)


def backends():
    return [backend for _, _, backend in rds_backends.iter_backends()]


def report(cloud):
    """Each database with what stands behind it, for `cloud.status`."""
    rows = []
    for backend in backends():
        for id, database in list(backend.databases.items()):
            state = cloud.drivers.databases.state(id)
            backing = cloud.drivers.databases.backing(id) if state != "absent" else {}
            rows.append(
                {
                    "id": id,
                    "state": database.status,
                    "address": database.host,
                    "port": database.port,
                    "engine": f"{database.engine} {database.engine_version}",
                    "served by": database.behind,
                    "trouble": database.trouble,
                    "backing": backing,
                }
            )
    return rows
