"""Whoever asks a command of the README for help is told what it does, and it does nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = [
    *(["script/" + name] for name in ("demo", "setup", "test", "server")),
    *([sys.executable, "-m", name] for name in ("tests.bench.powerloss", "tests.web.browser.screenshots")),
    [sys.executable, "-m", "fabfile.localcloud.simpledb"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[-1])
def test_help_is_asked_for_by_its_usual_name(words):
    done = subprocess.run([*words, "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") > 1


@pytest.mark.parametrize("command", ["demo", "setup"])
def test_an_option_that_there_is_not_is_refused_with_those_that_there_are(command):
    done = subprocess.run([f"script/{command}", "--evrything"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"script/{command} " in done.stdout
