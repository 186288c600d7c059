"""Django's management commands in a process of their own, several by one start of the interpreter."""

import json
import os
import subprocess
import sys

from tests.web.servers import ROOT, Servers

RUN = """
import io, json, sys
import django
django.setup()
from django.core.management import call_command
from django.db import connection
told = []
for words in json.load(sys.stdin):
    printed = io.StringIO()
    call_command(*words, stdout=printed)
    told.append((printed.getvalue(), connection.introspection.table_names()))
print(json.dumps(told))
"""


def run_commands(servers: Servers, *commands: list[str], **changes: str) -> list[tuple[str, set[str]]]:
    """Run each with these changes to the environment; gives what it printed and which tables there were after it."""
    environment = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "webapp.settings"}
    environment |= {**servers.environment, **servers.aws, **changes}
    words, asked = [sys.executable, "-c", RUN], json.dumps(commands)
    done = subprocess.run(words, input=asked, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [(printed, set(tables)) for printed, tables in json.loads(done.stdout)]
