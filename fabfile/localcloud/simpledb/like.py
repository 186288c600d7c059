r"""The patterns of `like`: % stands for any run of characters, \% for a percent sign, \\ for a backslash."""

import functools
import re

_TOKENS = re.compile(r"\\[%\\]|.", re.DOTALL)


@functools.lru_cache(maxsize=256)
def _literals(pattern):
    """The texts between the wildcards; one more than there are wildcards."""
    literals = [""]
    for token in _TOKENS.findall(pattern):
        if token == "%":
            literals.append("")
        else:
            literals[-1] += token[-1]
    return literals


def matches(pattern, value):
    """Whether the pattern fits the whole value."""
    first, *rest = _literals(pattern)
    if not rest:
        return value == first
    *middle, last = rest
    if len(value) < len(first) + len(last) or not (value.startswith(first) and value.endswith(last)):
        return False
    # The leftmost place is always good enough, so the time stays linear where a regular expression's would not.
    at, end = len(first), len(value) - len(last)
    for literal in middle:
        at = value.find(literal, at, end)
        if at < 0:
            return False
        at += len(literal)
    return True


def prefix(pattern):
    """What every value that fits begins with; empty if nothing can be said."""
    return _literals(pattern)[0]
