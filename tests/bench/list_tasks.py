"""What `fab --list` costs beside `import fabric`: `python tests/bench/list_tasks.py [runs]`. CPU time, not wall time.

The two take turns, so that whatever else this machine does meanwhile weighs on both; medians are compared. The aim is
a ratio of at most 1.3.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "import fabric": [sys.executable, "-c", "import fabric"],
    "fab --list": [sys.executable, str(Path(sys.executable).with_name("fab")), "--list"],
}


def cost(argv):
    """The CPU seconds, user and system, of one run in the project's folder."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(argv)} failed")
    return used.ru_utime + used.ru_stime


def main(runs=30):
    for argv in COMMANDS.values():
        cost(argv)  # the first run writes the byte code of what has changed
    costs = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, argv in COMMANDS.items():
            costs[name].append(cost(argv))
    medians = {name: statistics.median(values) for name, values in costs.items()}
    for name, values in costs.items():
        print(f"{name:14} {medians[name] * 1000:6.1f} ms of CPU (fastest {min(values) * 1000:.1f}, {runs} runs)")
    print(f"ratio {medians['fab --list'] / medians['import fabric']:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
