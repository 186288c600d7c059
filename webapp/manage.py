#!/usr/bin/env python3
"""Django's command line for this project, from whatever folder it is called."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # Python puts webapp/ itself first, where our `users` and `sessions` would be found without their package.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
