"""A new password for a management command, which must never come by the command line."""

import getpass
import sys

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError


def ask_twice(user) -> str:
    """The password typed twice at a terminal, or the first line of standard input; checked against the validators.

    Raises ValidationError with what is wrong with it.
    """
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise ValidationError("The two passwords differ.")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ValidationError("No password was given: type it, or send it as the first line of standard input.")
    validate_password(password, user)
    return password
