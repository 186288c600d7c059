"""What all tests share: those that need what this machine lacks are left out, by name and with the reason."""

import os
import signal

import pytest

from fabfile.localcloud import probe
from fabfile.localcloud.place import Place

os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"  # servers are not on a plain user's path
# A shell lets what it starts in the background ignore Ctrl-C, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def no_hosts():
    """Why real hosts cannot be had here; nothing if they can."""
    missing = probe.missing(Place.current())
    return probe.sentence(missing) if missing else ""


def no_sshd():
    """Why no sshd of the tests' own can run here; nothing if it can."""
    from tests.ops import sshd

    if sshd.possible():
        return ""
    lack, advice = ("root", "run this as root (sudo)") if os.geteuid() else (sshd.SSHD, "run script/setup --dev")
    return f"This machine cannot run an sshd for tests, for it lacks {lack}: {advice}."


NEEDS = {"hosts": ("real hosts", no_hosts), "sshd": ("an sshd", no_sshd)}


def pytest_collection_modifyitems(config, items):
    config.left_out = []
    for mark, (what, why_not) in NEEDS.items():
        marked = [item for item in items if item.get_closest_marker(mark)]
        why = why_not() if marked else ""
        if why:
            config.left_out.append((what, why, marked))
            config.hook.pytest_deselected(items=marked)
            items[:] = [item for item in items if item not in set(marked)]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    left_out = getattr(config, "left_out", [])
    if left_out:
        terminalreporter.section("left out")
    for what, why, items in left_out:
        terminalreporter.line(f"{len(items)} tests need {what}. {why}")
        files = [item.nodeid.partition("::")[0] for item in items]
        for name in sorted(set(files)):
            terminalreporter.line(f"  {name}: {files.count(name)}")
