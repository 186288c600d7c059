"""How mail is sent: as EMAIL_URL says, and without a page waiting for it."""

import socket
import threading

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from pydantic import ValidationError

from webapp.environment import Environment
from webapp.mail import BackgroundSMTP


class Post(threading.Thread):
    """A mail server for one connection: it greets when told to, and keeps what it is sent."""

    def __init__(self, refuse=False):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open, self.done, self.refuse = threading.Event(), threading.Event(), refuse
        self.words: list[str] = []
        self.start()

    def run(self):
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rwb") as talk:
            self.open.wait()
            self.say(talk, b"554 no" if self.refuse else b"220 here")
            for line in talk:
                self.words.append(line.decode().rstrip())
                if line.lower() == b"data\r\n":
                    self.say(talk, b"354 go on")
                    while (line := talk.readline()) != b".\r\n":
                        self.words.append(line.decode().rstrip())
                self.say(talk, b"221 bye" if line.lower() == b"quit\r\n" else b"250 fine")
        self.done.set()

    def say(self, talk, words):
        talk.write(words + b"\r\n")
        talk.flush()


def letter():
    return EmailMessage("A subject", "A body.", "from@example.org", ["to@example.org"])


def test_nobody_waits_for_a_mail_server():
    post = Post()
    backend = BackgroundSMTP(host="127.0.0.1", port=post.port, username="", password="", use_tls=False)
    assert backend.send_messages([letter()]) == 1
    assert post.words == []  # it has not even greeted
    post.open.set()
    assert post.done.wait(30)
    assert {"rcpt TO:<to@example.org>", "Subject: A subject", "A body."} <= set(post.words)


def test_a_mail_that_cannot_be_sent_is_in_the_log(caplog):
    post, said = Post(refuse=True), threading.Event()
    caplog.handler.addFilter(lambda record: said.set() or True)
    backend = BackgroundSMTP(host="127.0.0.1", port=post.port, username="", password="", use_tls=False)
    backend.send_messages([letter()])
    post.open.set()
    assert said.wait(30)
    assert "could not be sent by 127.0.0.1" in caplog.text


def test_no_mail_at_all_is_no_work():
    assert BackgroundSMTP(host="nowhere.invalid").send_messages([]) == 0


def read(servers, url):
    values = {name.lower(): value for name, value in servers.environment.items()}
    return Environment(**{**values, "email_url": url})


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "starttls", "tls"),
    [
        ("smtp://ops%40example.org@mail.example.org", "mail.example.org", 587, "ops@example.org", True, False),
        ("smtp://mail.example.org:2525", "mail.example.org", 2525, "", True, False),
        ("smtps://ops@mail.example.org", "mail.example.org", 465, "ops", False, True),
        ("smtp://localhost:25", "localhost", 25, "", False, False),
    ],
)
def test_a_mail_server_is_reached_by_tls_unless_it_is_this_machine(servers, url, host, port, user, starttls, tls):
    way = read(servers, url).mail
    assert way.backend == "webapp.mail.BackgroundSMTP"
    assert (way.host, way.port, way.user, way.starttls, way.tls) == (host, port, user, starttls, tls)


def test_mails_may_be_written_into_files_or_printed(servers, tmp_path):
    way = read(servers, f"file://{tmp_path}").mail
    with mail.get_connection(way.backend, file_path=way.folder) as connection:
        connection.send_messages([letter()])
    (written,) = tmp_path.iterdir()
    assert "A body." in written.read_text()
    assert read(servers, "console:").mail.backend.endswith("console.EmailBackend")


@pytest.mark.parametrize(
    "url", ["smtp://u:secret@host", "mail.example.org", "smtp://", "file://folder", "http://x", "smtp://h/x"]
)
def test_another_way_is_refused_without_telling_the_password(servers, url):
    with pytest.raises(ValidationError) as refused:
        read(servers, url)
    assert "secret" not in str(refused.value)
