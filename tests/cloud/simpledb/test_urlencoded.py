"""Our own decoder of parameters says what urllib's says."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from fabfile.localcloud.simpledb.urlencoded import pairs

PIECES = some.sampled_from(
    ["a", "=", "&", "+", "%", "%41", "%c3%A9", "%C3", "%A9", "%zz", "%2B", "é", "\u2028", "\x00"]
)


@given(some.lists(PIECES).map("".join))
@example("Action=Get&&a=&=b&c&d=e=f+g%3D")
def test_it_decodes_what_urllib_decodes_and_refuses_the_rest(text):
    try:
        expected = parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        with pytest.raises(ValueError):
            pairs(text)
    else:
        assert pairs(text) == expected
