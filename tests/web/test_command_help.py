"""Every command of ours says what it does before it is asked to."""

import pytest
from django.core.management import get_commands, load_command_class

OURS = sorted(name for name, app in get_commands().items() if str(app).startswith("webapp."))


def test_the_commands_that_operators_know_are_there():
    assert {"createaccount", "changeaccountpassword", "importaccounts", "createsuperuser"} <= set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_a_command_has_a_help_of_whole_sentences_and_a_word_on_every_option(name):
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    assert parser.description and len(parser.description.split()) >= 5
    assert parser.description[0].isupper() and parser.description.rstrip().endswith(".")
    bare = [action.dest for action in parser._actions if not action.help]
    assert bare == [], "what are these for?"
