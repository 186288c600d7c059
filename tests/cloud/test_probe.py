"""The probe: it tells what is missing in one sentence, changes nothing, and never fails itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fabfile.localcloud import probe
from fabfile.localcloud.place import Place

ASK = """
import os, sys
from pathlib import Path
from fabfile.localcloud import probe
from fabfile.localcloud.place import Place
if user := int(sys.argv[2]):
    os.setgroups([])
    os.setuid(user)
lacks = probe.missing(Place("probe", Path(sys.argv[1]), Path(sys.argv[1])))
print(lacks)
print(probe.sentence(lacks))
"""


def answer(home, *prefix, user=0):
    """(what is missing, the sentence) as a process behind `prefix` finds, or one of another user."""
    words = [*prefix, sys.executable, "-c", ASK, str(home), str(user)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    lacks, sentence = done.stdout.splitlines()
    return lacks, sentence


def test_nothing_missing_is_said_as_well():
    assert probe.sentence([]) == "This machine can hold real hosts."


def test_programs_alone_are_for_the_setup_to_install():
    said = probe.sentence(["the program nft", "the program ip"])
    assert said == (
        "This machine cannot hold real hosts, for it lacks the program nft and the program ip: "
        "run script/setup, which installs them."
    )


def test_what_no_setup_can_install_asks_for_another_machine():
    said = probe.sentence(["veth interfaces", "the program nft"])
    assert said.endswith("run it as root on a Linux machine or virtual machine, not in an unprivileged container.")


def test_another_system_is_told_to_use_linux():
    assert "use a Linux virtual machine" in probe.sentence(["Linux"])


def test_it_leaves_nothing_in_the_folder_it_tries(tmp_path):
    probe.missing(Place("probe", tmp_path / "home", tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_the_programs_is_told_which(tmp_path):
    lacks = probe.missing(Place("probe", tmp_path, tmp_path), path=str(tmp_path))
    assert {"the program systemd-nspawn", "the program mmdebstrap", "the program nft"} <= set(lacks)


@pytest.mark.hosts
def test_a_machine_that_holds_hosts_lacks_nothing(tmp_path):
    assert probe.missing(Place("probe", tmp_path, tmp_path)) == []


@pytest.mark.hosts
def test_a_user_is_told_to_be_root(tmp_path):
    lacks, sentence = answer(tmp_path, user=65534)
    assert (lacks, "run this as root (sudo)" in sentence) == ("['root']", True)


@pytest.mark.hosts
def test_a_container_without_rights_is_told_to_use_a_machine(tmp_path):
    everything = "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"
    lacks, sentence = answer(tmp_path, "setpriv", *everything)
    assert "network namespaces" in lacks
    assert "overlayfs" in lacks
    assert sentence.endswith("not in an unprivileged container.")


@pytest.mark.hosts
def test_a_user_namespace_is_not_enough(tmp_path):
    lacks, sentence = answer(tmp_path, "unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork")
    assert "the right to make device nodes" in lacks
    assert sentence.endswith("not in an unprivileged container.")
