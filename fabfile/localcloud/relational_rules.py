"""What RDS accepts: engine versions, classes, storage, passwords and names, and the error AWS gives for the rest."""

import re

from moto.rds.exceptions import RDSClientError

from .certificates import IDENTIFIER

ENGINE = "mysql"
# Newest last, by family. What a client asks as "8.4" is the newest of it.
VERSIONS = {
    "8.0": ("8.0.40", "8.0.41", "8.0.42", "8.0.43"),
    "8.4": ("8.4.3", "8.4.4", "8.4.5", "8.4.6"),
}
DEFAULT_FAMILY = "8.4"

# class size: (GiB of memory, virtual CPUs)
_BURST = {"micro": (1, 2), "small": (2, 2), "medium": (4, 2), "large": (8, 2), "xlarge": (16, 4), "2xlarge": (32, 8)}
_GENERAL = {"large": (8, 2), "xlarge": (16, 4), "2xlarge": (32, 8), "4xlarge": (64, 16), "8xlarge": (128, 32)}
_MEMORY = {"large": (16, 2), "xlarge": (32, 4), "2xlarge": (64, 8), "4xlarge": (128, 16), "8xlarge": (256, 32)}
CLASSES = {
    f"db.{kind}.{size}": figures
    for kinds, sizes in (
        (("t3", "t4g"), _BURST),
        (("m5", "m6g", "m6i", "m7g", "m7i", "m8g"), _GENERAL),
        (("r5", "r6g", "r6i", "r7g", "r7i", "r8g"), _MEMORY),
    )
    for kind in kinds
    for size, figures in sizes.items()
}
# storage type: (least GiB, most)
STORAGE = {"gp2": (20, 65536), "gp3": (20, 65536), "io1": (100, 65536), "io2": (100, 65536), "standard": (5, 3072)}


def refuse(code, message):
    """Raise the error of this code, in the words of RDS."""
    raise RDSClientError(code, message)


def family(version: str) -> str:
    """ "mysql8.4" for "8.4.6"."""
    return ENGINE + ".".join(version.split(".")[:2])


def every_version():
    return [version for versions in VERSIONS.values() for version in versions]


def version(wanted: str | None) -> str:
    """The full engine version for what was asked: none, "8.4" or "8.4.6"."""
    if not wanted:
        return VERSIONS[DEFAULT_FAMILY][-1]
    if wanted in VERSIONS:
        return VERSIONS[wanted][-1]
    if wanted not in every_version():
        refuse("InvalidParameterCombination", f"Cannot find version {wanted} for {ENGINE}")
    return wanted


def check_creation(params):
    """Refuse a CreateDBInstance that AWS would refuse. `params` has moto's names (snake case)."""
    if params.get("engine") != ENGINE:
        refuse("InvalidParameterValue", f"Invalid DB engine: {params.get('engine')} (this local cloud has {ENGINE})")
    for name, spelling in (("db_instance_class", "DBInstanceClass"), ("master_username", "MasterUsername")):
        if not params.get(name):
            refuse("InvalidParameterValue", f"The parameter {spelling} must be provided and must not be blank.")
    check_class(params["db_instance_class"])
    check_storage(params.get("storage_type") or "gp2", params.get("allocated_storage"))
    check_user(params["master_username"])
    check_credentials(params)
    check_backups(params.get("backup_retention_period"))
    check_authority(params.get("ca_certificate_identifier"))
    name = params.get("db_name")
    if name and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
        refuse("InvalidParameterValue", "DBName must begin with a letter and contain only alphanumeric characters.")
    check_port(params.get("port"))


def check_class(wanted):
    if wanted not in CLASSES:
        refuse("InvalidParameterValue", f"Invalid DB Instance class: {wanted}")


def check_storage(kind, size):
    if kind not in STORAGE:
        refuse("InvalidParameterValue", f"Invalid storage type: {kind}")
    least, most = STORAGE[kind]
    if size is None:
        refuse("InvalidParameterValue", "The parameter AllocatedStorage must be provided and must not be blank.")
    if not least <= int(size) <= most:
        refuse(
            "InvalidParameterValue", f"Invalid storage size for engine name {ENGINE} and storage type {kind}: {size}"
        )


def check_user(name):
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,31}", name):
        refuse(
            "InvalidParameterValue",
            "The parameter MasterUsername is not a valid identifier. Identifiers must begin with a letter; must "
            "contain only ASCII letters, digits, and underscores; and must not be longer than 32 characters",
        )
    if name.lower() in ("rdsadmin", "rdsrepladmin", "root", "mysql", "mariadb", "user", "select", "all"):
        refuse(
            "InvalidParameterValue", f"MasterUsername {name} cannot be used as it is a reserved word used by the engine"
        )


def check_credentials(params):
    """Either a password of the caller's, or one that RDS makes and keeps."""
    managed, password = params.get("manage_master_user_password"), params.get("master_user_password")
    if managed and password is not None:
        refuse(
            "InvalidParameterCombination",
            "You can't specify MasterUserPassword when ManageMasterUserPassword is enabled.",
        )
    if not managed:
        if not password:
            refuse("InvalidParameterValue", "The parameter MasterUserPassword must be provided and must not be blank.")
        check_password(password)


def check_password(password):
    if len(password) < 8:
        refuse(
            "InvalidParameterValue",
            "The parameter MasterUserPassword is not a valid password because it is shorter than 8 characters.",
        )
    if len(password) > 41:
        refuse(
            "InvalidParameterValue",
            "The parameter MasterUserPassword is not a valid password because it is longer than 41 characters.",
        )
    if not re.fullmatch(r"[\x21-\x7e]+", password) or set('/@"') & set(password):
        refuse(
            "InvalidParameterValue",
            "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides "
            "'/', '@', '\"', ' ' may be used.",
        )


def check_backups(days):
    if days is not None and not 0 <= int(days) <= 35:
        refuse(
            "InvalidParameterValue",
            f"Invalid backup retention period: {days}. Retention period must be between 0 and 35.",
        )


def check_port(port):
    if port is not None and not 1150 <= int(port) <= 65535:
        refuse("InvalidParameterValue", f"Invalid port: {port}. Valid range is 1150-65535")


def check_authority(identifier):
    if identifier not in (None, "", IDENTIFIER):
        refuse("CertificateNotFound", f"Certificate not found: {identifier}")


def check_growth(database, size):
    """Refuse to shrink a database's storage."""
    if size is not None and int(size) < database.allocated_storage:
        refuse(
            "InvalidParameterCombination",
            f"Requested storage size ({size}) cannot be less than the current allocated storage size"
            f" ({database.allocated_storage}).",
        )


def check_upgrade(database, wanted, allow_major):
    """The full version for an upgrade to `wanted`; never down, and to another major one only if allowed."""
    target = version(wanted)
    numbers = [tuple(map(int, one.split("."))) for one in (database.engine_version, target)]
    if numbers[1] < numbers[0]:
        refuse("InvalidParameterCombination", f"Cannot upgrade {ENGINE} from {database.engine_version} to {target}")
    if numbers[0][:2] != numbers[1][:2] and not allow_major:
        refuse(
            "InvalidParameterCombination",
            "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.",
        )
    return target


def engine_versions(params):
    """The answer of DescribeDBEngineVersions, one dict a version."""
    asked, wanted = params.get("Engine"), params.get("EngineVersion")
    if asked not in (None, "", ENGINE):
        return []
    found = [one for one in every_version() if not wanted or one == wanted or one.startswith(wanted + ".")]
    families = params.get("DBParameterGroupFamily")
    if families:
        found = [one for one in found if family(one) == families]
    if params.get("DefaultOnly") and found:
        found = found[-1:]
    return [_described(one) for one in found]


def _described(one):
    later = [other for other in every_version() if _order(other) > _order(one)]
    return {
        "Engine": ENGINE,
        "MajorEngineVersion": ".".join(one.split(".")[:2]),
        "EngineVersion": one,
        "DBParameterGroupFamily": family(one),
        "DBEngineDescription": "MySQL Community Edition",
        "DBEngineVersionDescription": f"MySQL {one} (served by MariaDB)",
        "ValidUpgradeTarget": [
            {
                "Engine": ENGINE,
                "EngineVersion": other,
                "AutoUpgrade": False,
                "IsMajorVersionUpgrade": family(other) != family(one),
            }
            for other in later
        ],
        "ExportableLogTypes": ["audit", "error", "general", "slowquery"],
        "SupportsLogExportsToCloudwatchLogs": False,
        "SupportsReadReplica": False,
        "Status": "available",
        "SupportedCACertificateIdentifiers": [IDENTIFIER],
        "SupportsCertificateRotationWithoutRestart": False,
    }


def _order(one):
    return tuple(map(int, one.split(".")))


def orderable(engine, wanted, size, zones):
    """The answer of DescribeOrderableDBInstanceOptions, one dict for each version, class and storage type."""
    if engine != ENGINE:
        return []
    versions = [one for one in every_version() if not wanted or one == wanted or one.startswith(wanted + ".")]
    return [
        {
            "Engine": ENGINE,
            "EngineVersion": one,
            "DBInstanceClass": name,
            "LicenseModel": "general-public-license",
            "AvailabilityZones": [{"Name": zone} for zone in zones],
            "MultiAZCapable": True,
            "ReadReplicaCapable": False,
            "Vpc": True,
            "SupportsStorageEncryption": True,
            "StorageType": kind,
            "SupportsIops": kind in ("gp3", "io1", "io2"),
            "MinStorageSize": STORAGE[kind][0],
            "MaxStorageSize": STORAGE[kind][1],
        }
        for one in versions
        for name in CLASSES
        if not size or name == size
        for kind in STORAGE
    ]
