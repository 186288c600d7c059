"""Which volumes hang on a machine: a line each in its folder, that its supervisor reads at every boot."""

import os
from dataclasses import dataclass
from pathlib import Path

BLOCKS = Path("/sys/block")


@dataclass(frozen=True)
class Attachment:
    """One volume on one machine."""

    node: str  # what the machine's kernel calls it: "xvdf"
    name: str  # what was asked for: "sdf"
    link: str  # below /dev/disk/by-id, as on EC2's Nitro machines
    file: str  # the volume's bytes on this machine


def of(volume, device, file):
    """The Attachment of the volume `volume` ("vol-01") as `device` ("/dev/sdf")."""
    name = device.removeprefix("/dev/")
    node = "xvd" + name.removeprefix("sd") if name.startswith("sd") else name
    return Attachment(node, name, f"nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}", str(file))


def read(folder):
    """The attachments of the machine whose folder this is."""
    try:
        lines = (Path(folder) / "volumes").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [Attachment(*line.split(" ", 3)) for line in lines]


def write(folder, attachments):
    """Make these the machine's attachments, from one moment to the next."""
    new = Path(folder) / "volumes.new"
    new.write_text("".join(f"{each.node} {each.name} {each.link} {each.file}\n" for each in attachments))
    new.rename(Path(folder) / "volumes")


def loops(file):
    """The loop devices ("/dev/loop3") that show the file, or all below it if it is a folder."""
    found, file = [], os.path.realpath(file)  # as the kernel names it
    for block in BLOCKS.glob("loop*/loop/backing_file"):
        try:
            backing = block.read_text().strip().removesuffix(" (deleted)")
        except OSError:  # detached meanwhile
            continue
        if backing == file or backing.startswith(f"{file}{os.sep}"):
            found.append(f"/dev/{block.parent.parent.name}")
    return sorted(found)
