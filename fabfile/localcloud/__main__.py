"""Runs the daemon: `python fabfile/localcloud`, with the arguments of server.py.

The package `fabfile` is stood in for by an empty one: its front door would load Fabric and every room, which the daemon
has no use for, into a process that stays.
"""

import sys
import types
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent

sys.path[0] = str(PACKAGE.parent)
front = types.ModuleType("fabfile")
front.__path__ = [str(PACKAGE)]
sys.modules["fabfile"] = front

from fabfile.localcloud.server import main  # noqa: E402

sys.exit(main())
