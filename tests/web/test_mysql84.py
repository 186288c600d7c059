"""Where MySQL 8.4 comes from: the very files that are listed, whole, or a sentence that says what to do."""

import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.web import mysql84
from tests.web.servers import Port


@pytest.fixture
def archive(monkeypatch, tmp_path):
    """An archive whose every file is the same few bytes, and no cache."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"something else")

        def log_message(self, *arguments):
            """A test's output is no place for an access log."""

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(mysql84, "ARCHIVE", f"http://127.0.0.1:{server.server_port}/ubuntu")
    monkeypatch.setenv("HYDRA_CACHE", str(tmp_path))
    yield server
    server.shutdown()
    server.server_close()


def test_a_file_that_is_not_the_one_listed_is_not_used(archive, tmp_path):
    with pytest.raises(mysql84.Missing, match="is not the file that mysql84.txt names: nothing of it is used"):
        mysql84.unpacked()
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and file.name != "lock"]


def test_an_archive_out_of_reach_is_a_sentence_that_says_what_to_do(archive):
    archive.shutdown()
    archive.server_close()
    with pytest.raises(mysql84.Missing, match=r"could not be fetched from http.+ \(ConnectionError\).+UBUNTU_ARCHIVE"):
        mysql84.unpacked()


def test_a_port_that_no_test_asked_for_is_free_afterwards_without_a_warning():
    port = Port()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        del port
    assert seen == []
