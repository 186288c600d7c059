"""The key that opens our machines: made once on this machine, and never touched again."""

import pytest

from fabfile.engine.errors import Failure
from fabfile.engine.world import keygen


def test_a_key_is_made_for_its_owner_alone(tmp_path):
    public = keygen(tmp_path / "ssh" / "key", "a comment")
    assert public.startswith("ssh-ed25519 ") and public.endswith("a comment")
    assert (tmp_path / "ssh" / "key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_there_stays(tmp_path):
    first = keygen(tmp_path / "key", "one")
    assert keygen(tmp_path / "key", "two") == first


def test_a_lost_public_half_is_read_off_the_private_one(tmp_path):
    public = keygen(tmp_path / "key", "one")
    (tmp_path / "key.pub").unlink()
    assert keygen(tmp_path / "key", "one").split()[:2] == public.split()[:2]


def test_what_is_no_key_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "key").write_text("somebody's letter")
    with pytest.raises(Failure, match="no key pair could be made or read"):
        keygen(tmp_path / "key", "one")
    assert (tmp_path / "key").read_text() == "somebody's letter"
