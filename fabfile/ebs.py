"""Disks that outlive their machine."""

from dataclasses import dataclass, field

from fabric import task

from . import ec2
from .engine import names
from .engine import show as screen
from .engine.errors import Refusal
from .engine.operations import Command, Directory, Filesystem, Mounted
from .engine.plan import Seen, differences
from .engine.stage import differing, make, stage_of
from .engine.stage import status as tell
from .engine.steps import Call, Script, Unknown, Wait


@dataclass(frozen=True)
class Volume:
    """One EBS volume, encrypted, known again by its tags. `snapshot` names what it is first made from, if anything.

    With `keep`, tearing it down takes a snapshot first.
    """

    name: str
    zone: str
    size: int  # GiB; may grow, never shrink
    type: str = "gp3"
    snapshot: str = field(default="", compare=False)
    keep: bool = field(default=True, compare=False)
    needs = ()

    def __str__(self):
        return f"volume {self.name}"

    def look(self, world):
        found = volumes(world, self.name)
        if len(found) > 1:
            twice = ", ".join(it["VolumeId"] for it in found)
            raise Refusal(f"{self} is there {len(found)} times ({twice}): untag or delete all but one")
        for it in found:
            return Seen(it["VolumeId"], Volume(self.name, it["AvailabilityZone"], it["Size"], it["VolumeType"]))
        return Seen(ids={"before": f"{self.snapshot} {generation(world, self.name)}"})

    def plan(self, seen):
        if not seen:
            params = {
                "AvailabilityZone": self.zone,
                "Size": self.size,
                "VolumeType": self.type,
                "Encrypted": True,
                "ClientToken": names.token(self.name, self.zone, seen.ids["before"]),
                "TagSpecifications": names.tagged("volume", self.name),
                **({"SnapshotId": self.snapshot} if self.snapshot else {}),
            }
            volume = yield Call(
                f"create {self.size} GiB of {self.type} in {self.zone}",
                "ec2",
                "create_volume",
                params,
                returns="VolumeId",
            )
            yield Wait("wait until it is available", "ec2", "volume_available", {"VolumeIds": [volume]})
            return
        changed = differences(self, seen.now)
        if "zone" in changed or self.size < seen.now.size:
            there = f"{self} is {seen.now.size} GiB in {seen.now.zone}"
            raise Refusal(f"{there}: a volume can neither shrink nor move; make a new one from a snapshot")
        if changed:
            params = {"VolumeId": seen.id, "Size": self.size, "VolumeType": self.type}
            yield Call(f"grow to {self.size} GiB of {self.type}", "ec2", "modify_volume", params)
            yield Wait("wait until it has grown", "ec2", "volume_modified", {"VolumeIds": [seen.id]})

    def teardown(self, seen):
        if self.keep:
            params = {
                "VolumeId": seen.id,
                "Description": f"the last of {self.name}",
                "TagSpecifications": names.tagged("snapshot", self.name),
            }
            snapshot = yield Call("take a last snapshot", "ec2", "create_snapshot", params, returns="SnapshotId")
            yield Wait("wait until the snapshot is complete", "ec2", "snapshot_completed", {"SnapshotIds": [snapshot]})
        yield Call(f"delete {self}", "ec2", "delete_volume", {"VolumeId": seen.id}, already=("InvalidVolume.NotFound",))


@dataclass(frozen=True)
class Mount:
    """One volume at its place on one machine: attached, formatted if it is proven blank, and mounted."""

    volume: str
    machine: str
    path: str
    device: str = field(default="/dev/sdf", compare=False)
    filesystem: str = field(default="ext4", compare=False)

    @property
    def name(self):
        return self.volume

    @property
    def needs(self):
        return (f"volume {self.volume}", f"machine {self.machine}")

    def __str__(self):
        return f"mount {self.path} on {self.machine}"

    def look(self, world):
        machine = ec2.machine_id(world, self.machine)
        found = volumes(world, self.volume)
        volume = found[0]["VolumeId"] if found else Unknown(f"volume {self.volume}")
        ids = {
            "machine": machine,
            "volume": volume,
            "attached": "",
            "fresh": bool(found) and not found[0].get("SnapshotId"),
        }
        absent = [unknown.what for unknown in (volume, machine) if isinstance(unknown, Unknown)]
        if absent:
            return Seen(ids=ids, unsure=" and ".join(absent))
        ids["attached"] = next((it["InstanceId"] for it in found[0]["Attachments"] if it["State"] != "detached"), "")
        if ids["attached"] != machine:
            return Seen(ids=ids)
        outcomes = world.facts(self.machine, self.operations(volume, ids["fresh"]))
        if outcomes is None:
            return Seen(volume, None, ids, unsure=f"machine {self.machine}, running")
        ids["needed"] = differing(outcomes)
        return Seen(volume, None if ids["needed"] else self, ids)

    def operations(self, volume, fresh):
        """What the machine must show once the volume is attached. EC2 may take a moment to show the device."""
        device = device_of(volume)
        appear = (
            f"for i in $(seq 300); do test -e {device} && exit 0; sleep 0.1; done; echo {device} did not appear; exit 1"
        )
        return (
            Command("wait for the device", appear, unless=f"test -e {device}"),
            Filesystem(device, self.filesystem, blank=fresh),
            Directory(self.path),
            Mounted(self.path, device, self.filesystem),
            Command("fill the whole volume", widen(self.path, device), unless=filled(self.path, device)),
        )

    def plan(self, seen):
        volume = seen.ids["volume"]
        if seen.ids["attached"] not in ("", seen.ids["machine"]):
            raise Refusal(f"volume {self.volume} is attached to {seen.ids['attached']}: detach it there first")
        for outcome in seen.ids.get("needed", ()):
            if outcome.state == "refused":
                raise Refusal(f"{outcome.operation} on {self.machine}: {outcome.detail}")
        if not seen.ids["attached"]:
            params = {"VolumeId": volume, "InstanceId": seen.ids["machine"], "Device": self.device}
            yield Call(f"attach it as {self.device}", "ec2", "attach_volume", params, again=("IncorrectState",))
            yield Wait("wait until it is attached", "ec2", "volume_attached", {"VolumeIds": [volume]})
        if not seen.now:
            says = f"format it if it is blank, and mount it at {self.path}"
            operations = self.operations(volume, seen.ids["fresh"])
            yield Script(says, self.machine, operations, pending=seen.ids.get("needed", ()))

    def teardown(self, seen):
        away = f"umount {self.path}; sed -i '\\, {self.path} ,d' /etc/fstab"
        yield Script(
            f"unmount {self.path}",
            self.machine,
            (Command(f"unmount {self.path}", away, unless=f"! findmnt -n {self.path}"),),
        )
        params = {"VolumeId": seen.id, "InstanceId": seen.ids["machine"]}
        yield Call(f"detach {self.volume}", "ec2", "detach_volume", params, already=("IncorrectState",))
        yield Wait("wait until it is detached", "ec2", "volume_available", {"VolumeIds": [seen.id]})


def device_of(volume):
    """Where a volume is found on its machine: kernel names change from boot to boot, and Nitro shows no /dev/sdf."""
    if isinstance(volume, Unknown):
        return "/dev/disk/by-id/known-later"
    return f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"


def filled(path, device):
    """A check that the file system at `path` is as large as its device, give or take its own books (2 % and 64 MiB)."""
    sizes = f"a=$(blockdev --getsize64 {device}); b=$(stat -f -c '%S %b' {path} | awk '{{printf \"%.0f\", $1*$2}}')"
    return f"{sizes}; awk -v a=$a -v b=$b 'BEGIN {{ exit !(b > a * 0.93 - 67108864) }}'"


def widen(path, device):
    return f"case $(findmnt -no FSTYPE {path}) in xfs) xfs_growfs {path};; *) resize2fs $(readlink -f {device});; esac"


def generation(world, name):
    """What two runs at the same moment share, and a run after the stage was destroyed does not: part of a token.

    AWS answers a token it knows with the volume it once made for it, also when that is deleted; and of a deleted
    volume nothing remains to be seen. Of the machine that was destroyed with it something does, for an hour.
    """
    ended = [{"Name": f"tag:{names.STAGE}", "Values": [names.stage_of(name)]}]
    ended += [{"Name": "instance-state-name", "Values": ["shutting-down", "terminated"]}]
    answer = world.read("ec2", "describe_instances", Filters=ended)
    ids = sorted(it["InstanceId"] for group in answer["Reservations"] for it in group["Instances"])
    return f"{' '.join(ids)} {int(world.clock.time() // 60)}"


def volumes(world, name):
    """AWS's word on the live volumes of that name."""
    alive = ["creating", "available", "in-use"]
    return world.read("ec2", "describe_volumes", Filters=names.filters(name, status=alive))["Volumes"]


@task(
    help={
        "name": "only this volume",
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def create(c, name="", plan=False, json=False):
    """Create the stage's disks, and grow those that should be bigger."""
    make(c, Volume, name=name, plan=plan, json=json)


@task(
    help={
        "name": "only this volume",
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def mount(c, name="", plan=False, json=False):
    """Attach the stage's disks, format those that are proven blank, and mount them.

    Blank is: not made from a snapshot, no signature that blkid or wipefs knows, no partition table, and the first and
    last MiB all zero. Anything else is refused and left untouched; what it holds is said.
    """
    make(c, Mount, name=name, plan=plan, json=json)


@task(
    help={
        "name": "only this volume",
        "plan": "only say what it would take: exit code 0 nothing, 2 changes, 1 refused",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def grow(c, name="", plan=False, json=False):
    """Grow disks to the size that stages.py says, and their file systems with them."""
    make(c, Volume, Mount, name=name, plan=plan, json=json)


@task(help={"json": "print JSON, for programs, instead of lines for people"})
def status(c, json=False):
    """Say which disks are there, how large, and where they are mounted."""
    tell(c, Volume, Mount, json=json)


@task(name="list", help={"json": "print JSON, for programs, instead of lines for people"})
def list_(c, json=False):
    """List the stage's disks and snapshots as AWS has them."""
    stage = stage_of(c)
    filters = [{"Name": f"tag:{names.STAGE}", "Values": [stage.name]}]
    found = stage.world.read("ec2", "describe_volumes", Filters=filters)["Volumes"]
    rows = [
        {
            "name": names.tag(it.get("Tags"), names.NAME),
            "id": it["VolumeId"],
            "GiB": it["Size"],
            "state": it["State"],
            "on": ", ".join(place["InstanceId"] for place in it["Attachments"]),
        }
        for it in found
    ]
    rows += [
        {
            "name": names.tag(it.get("Tags"), names.NAME),
            "id": it["SnapshotId"],
            "GiB": it["VolumeSize"],
            "state": it["State"],
            "on": it["VolumeId"],
        }
        for it in stage.world.read("ec2", "describe_snapshots", OwnerIds=["self"], Filters=filters)["Snapshots"]
    ]
    if json:
        return screen.as_json(rows)
    screen.table([row.values() for row in rows], rows[0]) if rows else print(f"{stage.name} has no disks.")
