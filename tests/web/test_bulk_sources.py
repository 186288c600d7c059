"""Files of rows: told apart by their content, read as streams, and what is wrong in them."""

import json
import tracemalloc

import pytest

from webapp.users.bulk.rows import Unfit
from webapp.users.bulk.sources import LONGEST, Malformed, Source


@pytest.fixture
def source(tmp_path):
    """A Source of this content."""

    def of(content, format=""):
        path = tmp_path / "rows"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Source(str(path), format)

    return of


def read(source, after=0):
    """(number, record) of all, the Unfit among them as their reasons."""
    return [(n, str(each) if isinstance(each, Unfit) else each) for n, each in source.records(after)]


USER = {"model": "auth.user", "pk": 1, "fields": {"username": "ada", "password": "", "email": "a@example.org"}}
OTHER = {"model": "auth.group", "pk": 1, "fields": {"name": "staff"}}


@pytest.mark.parametrize("start", ["", "\ufeff", "\n \r\n"])
def test_the_format_is_told_by_the_content(source, start):
    assert source(start + '{"name": "ada"}\n').format == "jsonl"
    assert source(start + "name,email\nada,\n").format == "csv"
    assert source(start + json.dumps([USER])).format == "dumpdata"
    assert source(start + '"name"\nada\n', "csv").format == "csv"


def test_json_lines_are_numbered_as_an_editor_does_and_a_bad_one_is_one_line(source):
    lines = ['{"name": "ada"}', "", "{", "[1]", '{"name": "\\ud800"}', json.dumps(OTHER), json.dumps(USER)]
    content = "\n".join(lines).encode() + b'\n{"name": "\xff"}'
    assert read(source(b"\n" + content)) == [
        (2, {"name": "ada"}),
        (4, "it is no JSON"),
        (5, "it is no JSON object"),
        (6, {"name": "\ud800"}),
        (8, USER),
        (9, "it is not valid UTF-8"),
    ]


def test_a_line_without_end_is_refused_and_the_next_one_read(source):
    content = b'{"name": "' + b"a" * (3 * LONGEST) + b'"}\n{"name": "ada"}\n'
    assert read(source(content)) == [(1, "it is longer than 1,048,576 bytes"), (2, {"name": "ada"})]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_by_its_heading_with_quotes_and_lines_inside(source, delimiter):
    rows = [["name", "email"], ['"a""da"', "a@example.org"], ['"two\nlines"', ""], ["only one"], ["bob", ""]]
    content = "\r\n".join(delimiter.join(row) for row in rows)
    assert read(source(content)) == [
        (2, {"name": 'a"da', "email": "a@example.org"}),
        (3, {"name": "two\nlines", "email": ""}),
        (5, "it has 1 columns and the heading 2"),
        (6, {"name": "bob", "email": ""}),
    ]


@pytest.mark.parametrize(
    "heading, what",
    [
        ("first,second", "has no heading with a column `name`"),
        ("name,e-mail", "has a column 'e-mail'"),
        ("name,name", "has a column twice"),
        ("username,active", "has a column 'active'"),
    ],
)
def test_a_heading_that_would_lose_something_is_refused(source, heading, what):
    with pytest.raises(Malformed, match=what):
        read(source(f"{heading}\nada,x\n"))


def test_the_columns_of_djangos_table_are_known(source):
    heading = "id,password,last_login,is_superuser,username,first_name,last_name,email,is_staff,is_active,date_joined"
    (row,) = read(source(f"{heading}\n1,,,0,ada,Ada,L,a@example.org,0,1,2020-01-01 00:00:00\n"))
    assert row[1]["username"] == "ada"


@pytest.mark.parametrize("indent", [None, 2])
def test_a_dump_is_one_array_of_which_the_users_are_taken(source, indent):
    assert read(source(json.dumps([OTHER, USER, 5, USER], indent=indent))) == [
        (2, USER),
        (3, "it is no JSON object"),
        (4, USER),
    ]


@pytest.mark.parametrize("cut", ["[", '[{"a": 1}', '[{"a": 1},', '[{"a": 1}, {"b', '[{"a": 1} nonsense]'])
def test_a_dump_that_is_cut_off_is_told_with_the_place(source, cut):
    with pytest.raises(Malformed, match="is no JSON from entry [12] on, or cut off there"):
        read(source(cut))


def test_a_source_is_read_from_behind_a_number_on(source):
    assert [n for n, _ in read(source('{"name": "a"}\n' * 4), after=2)] == [3, 4]
    assert [n for n, _ in read(source("name\na\nb\nc\n"), after=2)] == [3, 4]
    assert [n for n, _ in read(source(json.dumps([USER] * 4)), after=2)] == [3, 4]


def test_the_key_tells_the_content_and_not_the_name(source):
    assert source("name\na\n").key == source("name\na\n").key != source("name\nb\n").key


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file_and_one_that_is_not_there_are_refused(source, content, tmp_path):
    with pytest.raises(Malformed, match="is empty"):
        source(content)
    with pytest.raises(Malformed, match="cannot be read: No such file"):
        Source(str(tmp_path / "missing"))


@pytest.mark.parametrize("format", ["jsonl", "csv", "dumpdata"])
def test_memory_does_not_grow_with_the_file(source, format):
    many = 60_000
    content = {
        "jsonl": (json.dumps(USER) + "\n") * many,
        "csv": "name,email\n" + ("a" * 60 + ",a@example.org\n") * many,
        "dumpdata": "[" + ",".join([json.dumps(USER)] * many) + "]",
    }[format]
    rows = source(content)
    del content
    tracemalloc.start()
    try:
        assert sum(1 for _ in rows.records()) == many
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
