"""The part of a short address that stands for a link: ten signs that nobody can guess or misread."""

import re
import secrets

# No vowels, so that chance spells no words; no 0 and O, no 1, l and I. Case counts.
ALPHABET = "23456789bcdfghjkmnpqrstvwxyzBCDFGHJKLMNPQRSTVWXZ"
LENGTH = 10  # 56 bits: with a million links, one guess in 65 thousand million finds one
SLUG = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")


def new_slug() -> str:
    """A slug from the system's source of chance."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
