"""The README's pictures are those that can be taken today."""

import re
import struct

from tests.web.browser.screenshots import FOLDER, take
from tests.web.servers import ROOT

LARGEST = 150_000  # bytes: people read the README over slow lines too


def size(picture):
    """Width and height of a PNG."""
    assert picture.startswith(b"\x89PNG")
    return struct.unpack(">II", picture[16:24])


def test_the_readme_shows_each_picture_that_is_taken_and_no_other(browser_program, site, new_name):
    taken = dict(take(browser_program, site, new_name()))
    kept = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    shown = re.findall(r"docs/screenshots/([\w.-]+)", (ROOT / "README.md").read_text())
    assert sorted(shown) == sorted(taken) == sorted(kept)
    assert {name: size(picture) for name, picture in kept.items()} == {
        name: size(picture) for name, picture in taken.items()
    }
    assert [name for name, picture in (taken | kept).items() if len(picture) > LARGEST] == []
