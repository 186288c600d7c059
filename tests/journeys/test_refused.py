"""What is asked for wrongly is refused in one sentence that says what to do, and nothing is touched."""

import json
import shutil
import socket

import pytest

from fabfile.engine.errors import Refusal
from fabfile.engine.stage import Stage
from fabfile.localcloud.daemon import Endpoint
from fabfile.sdb import Domain
from tests.cloud.endpoint import endpoint

from .person import ROOT, person

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture(scope="module")
def bob():
    """Someone who has no cloud and needs none."""
    with person("bob") as one:
        yield one


@pytest.fixture(scope="module")
def cloud():
    """An AWS endpoint on this machine, without hosts."""
    with endpoint() as running:
        yield running


def test_a_task_without_a_stage_is_shown_with_one(bob):
    said = bob.refused("setup_packages --plan")
    assert "fab local setup_packages" in said and "fab live setup_packages" in said


def test_a_mistyped_stage_is_named_with_the_one_that_was_meant(bob):
    assert "did you mean `live`?" in bob.refused("liv status")


def test_a_mistyped_task_is_named_with_the_one_that_was_meant(bob):
    assert "did you mean `setup_packages` or" in bob.refused("local setup_package")
    assert "did you mean `rds.status` or" in bob.refused("local rds.statu")


def test_a_name_that_no_resource_has_is_refused_with_those_there_are(bob, cloud):
    said = bob.refused("live ebs.create --plan --name nothing", **key_of(cloud))
    assert "nothing" in said and "live-data" in said


def key_of(cloud):
    """The environment of someone who points the tools at this endpoint."""
    return {
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_key,
    }


def test_wrong_credentials_are_told_as_such(bob, cloud):
    wrong = {"AWS_ACCESS_KEY_ID": "AKIAQWERTYUIOPASDFGH", "AWS_SECRET_ACCESS_KEY": "a-secret-of-some-other-account"}
    for task in ("status", "up", "sdb.status", "get_cpu_stats"):
        said = bob.refused(f"live {task}", **key_of(cloud) | wrong)
        assert "credentials are not valid" in said and "AWS_PROFILE" in said, said


def test_missing_credentials_are_told_as_such(bob, cloud):
    said = bob.refused("live status", AWS_ENDPOINT_URL=cloud.url)
    assert "no AWS credentials were found" in said and "aws configure" in said


def test_an_unknown_profile_is_told_as_such(bob, cloud):
    assert "hydra-nobody" in bob.refused("live status", AWS_ENDPOINT_URL=cloud.url, AWS_PROFILE="hydra-nobody")


def test_an_endpoint_that_is_down_is_told_as_such(bob, cloud):
    for task in ("status", "up"):
        said = bob.refused(f"live {task}", **key_of(cloud) | {"AWS_ENDPOINT_URL": NOWHERE})
        assert NOWHERE in said and "does not answer" in said, said


def test_an_endpoint_that_is_no_address_is_told_as_such(bob, cloud):
    said = bob.refused("live status", **key_of(cloud) | {"AWS_ENDPOINT_URL": "localhost"})
    assert "Invalid endpoint: localhost" in said and "AWS_ENDPOINT_URL" in said


def test_a_config_file_that_cannot_be_read_is_told_as_such(bob, cloud):
    folder = bob.home / ".aws"
    folder.mkdir()
    (folder / "config").write_text("no section\n")
    assert str(folder / "config") in bob.refused("live status", **key_of(cloud))
    shutil.rmtree(folder)


@pytest.mark.parametrize("port", ["http", "-1", "4666.0", "70000"])
def test_a_port_that_is_none_is_told_as_such(bob, port):
    assert bob.refused("local status", HYDRA_PORT=port).startswith(f"HYDRA_PORT is {port}: give it the number of")


def test_a_folder_that_cannot_be_is_told_as_such(bob):
    (bob.base / "file").touch()
    for home in (bob.base / "file", bob.base / "file/cloud", "/proc/cloud"):
        said = bob.refused("local status", HYDRA_HOME=str(home))
        assert said.startswith(f"{home} cannot hold a local cloud") and "HYDRA_HOME" in said


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "3", '{"url": 3}', '{"pid": "x"}', "not json"])
def test_a_note_of_the_endpoint_that_makes_no_sense_is_as_none(bob, text):
    bob.place.home.mkdir(exist_ok=True)
    (bob.place.home / "endpoint.json").write_text(text)
    assert "does not run" in bob.fab("local cloud.status").out


def test_local_refuses_an_endpoint_that_is_not_on_this_machine():
    elsewhere = Endpoint("http://192.0.2.1:4666", "key", "secret", "real", 1)
    stage = Stage("local", "us-west-2", (Domain("local-users-00"),), cloud=lambda say: vars(elsewhere))
    with pytest.raises(Refusal, match="192.0.2.1:4666 is not on this machine"):
        stage.world.read("sdb", "list_domains")


def test_a_name_used_twice_is_refused_before_anything_is_asked():
    with pytest.raises(Refusal, match="domain local-users-00 is listed twice in stages.py"):
        Stage("local", "us-west-2", (Domain("local-users-00"), Domain("local-users-00")))


def test_a_machines_name_used_twice_in_stages_is_one_sentence_on_the_command_line(bob, tmp_path):
    for name in ("fabfile", "webapp"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "fabric.yaml", tmp_path)
    stages = tmp_path / "fabfile/stages.py"
    text = stages.read_text()
    first = text.index("Machine(\n", text.index("LOCAL = "))
    second = text[first : text.index("),\n        Volume(", first)] + "),\n        "
    stages.write_text(text[:first] + second + text[first:])
    assert "machine local-web is listed twice in stages.py" in bob.refused("local status", cwd=tmp_path)
    assert "machine local-web is listed twice in stages.py" in bob.refused("live plan", cwd=tmp_path)


def test_a_port_in_use_is_told_with_the_process_that_has_it(bob):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = bob.refused("local status", HYDRA_PORT=str(port))
    assert f"port {port} is in use by python" in said and "HYDRA_PORT" in said


def test_a_refused_plan_prints_no_half_json(bob, cloud):
    told = bob.fab("live plan --json", code=1, **key_of(cloud) | {"AWS_ENDPOINT_URL": NOWHERE})
    assert told.out == "" or json.loads(told.out)
