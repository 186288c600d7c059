"""What all tests share: those that need real hosts are left out, by name, where none can be had."""

import pytest

from fabfile.localcloud import probe
from fabfile.localcloud.place import Place


def pytest_collection_modifyitems(config, items):
    config.left_out = []
    if not any(item.get_closest_marker("hosts") for item in items):
        return
    missing = probe.missing(Place.current())
    if not missing:
        return
    config.left_out = [item for item in items if item.get_closest_marker("hosts")]
    config.why_left_out = probe.sentence(missing)
    config.hook.pytest_deselected(items=config.left_out)
    items[:] = [item for item in items if item not in set(config.left_out)]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    left_out = getattr(config, "left_out", [])
    if not left_out:
        return
    terminalreporter.section("left out")
    terminalreporter.line(f"{len(left_out)} tests need real hosts. {config.why_left_out}")
    for name in sorted({item.nodeid.partition("::")[0] for item in left_out}):
        terminalreporter.line(f"  {name}: {sum(item.nodeid.startswith(name) for item in left_out)}")
