"""Every command of ours says what it does before it is asked to."""

import subprocess
import sys

import pytest
from django.core.management import get_commands, load_command_class

from tests.web.servers import ROOT

OURS = sorted(name for name, app in get_commands().items() if str(app).startswith("webapp."))


def test_the_commands_that_operators_know_are_there():
    assert {"createaccount", "changeaccountpassword", "importaccounts", "createsuperuser"} <= set(OURS)


def test_who_asks_django_for_the_tests_is_told_where_they_are(servers):
    words = [sys.executable, ROOT / "webapp/manage.py", "test", "-k", "redis", "--parallel"]
    done = subprocess.run(words, env=servers.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "script/test tests/web" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", OURS)
def test_a_command_has_a_help_of_whole_sentences_and_a_word_on_every_option(name):
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    assert parser.description and len(parser.description.split()) >= 5
    assert parser.description[0].isupper() and parser.description.rstrip().endswith(".")
    bare = [action.dest for action in parser._actions if not action.help]
    assert bare == [], "what are these for?"
