"""Files on their way to a machine: all there in one move, or as it was before."""

import io
import os
import stat
import tarfile

import pytest

from fabfile.engine.errors import Failure

pytestmark = pytest.mark.sshd


def test_a_folder_takes_the_place_of_the_one_before(stone, pool, tmp_path):
    source, target = tmp_path / "source", tmp_path / "far" / "target"
    (source / "deep/__pycache__").mkdir(parents=True)
    (source / "deep/file").write_text("new")
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o755)
    target.mkdir(parents=True)
    (target / "old").write_text("old")

    pool.upload(stone.host, source, target, owner="daemon")

    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == ["deep", "deep/file", "run"]
    assert os.access(target / "run", os.X_OK)
    assert target.owner() == (target / "run").owner() == "daemon"
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_file_and_bytes_become_one_file(stone, pool, tmp_path):
    (tmp_path / "source").write_bytes(b"x" * 5_000_000)

    pool.upload(stone.host, tmp_path / "source", tmp_path / "file", mode=0o600)
    pool.upload(stone.host, b"few", f"{tmp_path}/bytes")

    assert (tmp_path / "file").stat().st_size == 5_000_000
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert (tmp_path / "bytes").read_bytes() == b"few"
    assert {path.name for path in tmp_path.iterdir()} == {"source", "file", "bytes"}


@pytest.mark.parametrize("kind", ["w", "w:gz"])
def test_an_archive_is_unpacked(stone, pool, tmp_path, kind):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=kind) as tar:
        member = tarfile.TarInfo("inside")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"here"))

    pool.upload(stone.host, archive.getvalue(), tmp_path / "target", unpack=True)

    assert (tmp_path / "target/inside").read_text() == "here"


def test_what_arrives_broken_leaves_the_target_as_it_was(stone, pool, tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target/old").write_text("old")

    with pytest.raises(Failure, match=f"stone: {tmp_path}/target could not be put in place: .*tar"):
        pool.upload(stone.host, b"\x1f\x8b but no archive", tmp_path / "target", unpack=True)

    assert (tmp_path / "target/old").read_text() == "old"
