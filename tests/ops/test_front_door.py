"""The front door: every task is listed and explains itself, under both of its names, from every folder."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fabfile
from fabfile.engine.door import FrontDoor
from fabfile.engine.errors import Refusal

ROOT = Path(__file__).resolve().parents[2]
FAB = str(Path(sys.executable).with_name("fab"))
PROMISED = [
    *("live", "staging", "local", "up", "plan", "status", "destroy", "launch_ec2_instance", "setup_packages", "deploy"),
    *("initialize_db", "db_status", "get_cpu_stats", "create_user_domains", "create_ebs_volume", "mount_ebs_volume"),
]
TASKS = {name: fabfile.ns[name] for name in fabfile.ns.task_names}


def fab(*words, cwd=ROOT):
    environment = os.environ | {"COLUMNS": "200"}
    done = subprocess.run([FAB, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def listed():
    """{task: its line} as `fab --list` shows them."""
    rows = re.findall(r"^  (\S+)(?: \((\S+)\))?  +(\S.*)$", fab("--list"), re.MULTILINE)
    return {name: line for task, alias, line in rows for name in (task, alias) if name}


@pytest.mark.parametrize("name", PROMISED)
def test_every_promised_task_is_listed_with_a_line_that_helps(listed, name):
    assert len(listed[name].split()) >= 4


def test_the_list_is_the_same_from_a_folder_below():
    assert fab("--list", cwd=ROOT / "webapp" / "users") == fab("--list")


@pytest.mark.parametrize("name", TASKS)
def test_a_task_says_what_it_does_and_what_each_of_its_options_means(name):
    task = TASKS[name]
    first = inspect.getdoc(task.body).splitlines()[0]
    assert first[0].isupper() and first.rstrip(".").count(" ") >= 2, first
    options = [option for option in inspect.signature(task.body).parameters if option != "c"]
    assert [option for option in options if not task.help.get(option)] == []


@pytest.mark.parametrize("name", TASKS)
def test_no_option_is_read_as_a_number_by_invoke_which_answers_a_wrong_one_with_a_traceback(name):
    options = inspect.signature(TASKS[name].body).parameters.values()
    assert [option.name for option in options if type(option.default) in (int, float)] == []


def test_the_help_of_a_task_shows_its_options():
    shown = fab("--help", "up")
    assert "--plan" in shown and "only say what it would take" in shown and "--json" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["liv", "status"], "There is no task `liv`: did you mean `live`?"),
        (["local", "setup-packages"], "There is no task `setup-packages`: did you mean `setup_packages`"),
        (["local", "adduser", "eve"], "There is no task `adduser`: did you mean `sdb.adduser`?"),
        (["local", "xyzzy"], "There is no task `xyzzy`: `fab --list` shows all."),
    ],
)
def test_a_mistyped_task_is_told_with_the_nearest(words, said):
    with pytest.raises(Refusal) as refused:
        fabfile.ns.check(words)
    assert refused.value.message.startswith(said)


@pytest.mark.parametrize("line", ["", "local up", "local sdb.find eve", "local up --nonsense", "local up --help"])
def test_what_is_right_or_not_a_tasks_name_is_left_to_invoke(line):
    assert isinstance(fabfile.ns, FrontDoor)
    fabfile.ns.check(line.split())


def test_fabs_own_options_are_no_tasks():
    done = subprocess.run([FAB, "-H", "nowhere", "--list"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
