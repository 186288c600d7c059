"""The site of a release in a real nginx: what it answers by itself, whose word it takes, what it writes down."""

import base64
import hashlib
import http.client
import json
import re
import shutil
import socket
import socketserver
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from fabfile import nginx
from fabfile.deploy import ROOT
from fabfile.engine.operations import File
from tests.cloud.conftest import until
from webapp.neighbours import is_neighbour

TOKEN = "c0ffee-0123456789abcdef0123456789abcdef"
SOMEONE = "93.184.216.34"  # nobody's neighbour

FRAME = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
    include /etc/nginx/mime.types;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    # Who asks is what the test says.
    set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;
    include {folder}/site;
}}
"""


class Echo(socketserver.StreamRequestHandler):
    """Answers with the request that it was sent; or, as the application is told, not at all, or with an own 503."""

    def handle(self):
        head = []
        while (line := self.rfile.readline().decode().rstrip()) or not head:
            head.append(line)
        if self.server.silent:
            self.server.over.wait(30)
        elif "/own" in head[0]:
            self.wfile.write(b"HTTP/1.1 503 Away\r\nContent-Length: 8\r\nRetry-After: 7\r\n\r\nour own\n")
        else:
            told = json.dumps(head).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told))


class Application(socketserver.ThreadingUnixStreamServer):
    daemon_threads, silent = True, False

    def __init__(self, path):
        self.over = threading.Event()
        super().__init__(str(path), Echo)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict
    text: str

    @property
    def told(self):
        """The request as the application got it: header names in small letters, each with all its values."""
        first, *rest = json.loads(self.text)
        found = {}
        for line in rest:
            name, value = header(line)
            found.setdefault(name, []).append(value)
        return first, found


def header(line):
    """Its name in small letters, and its value."""
    name, _, value = line.partition(": ")
    return name.lower(), value


@dataclass
class Site:
    """nginx with the site of a release, on a port of its own."""

    folder: object
    process: subprocess.Popen = None
    port: int = 0
    application: Application = field(default=None)

    def start(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        text = nginx.site(ROOT).replace("listen 80 default_server", f"listen 127.0.0.1:{self.port} proxy_protocol")
        places = {"/run/hydra-web.sock": f"{self.folder}/web.sock", "/var/log/nginx/": f"{self.folder}/"}
        places |= {nginx.ANSWERS: f"{self.folder}/answers", "/srv/hydra/static/": f"{self.folder}/static/"}
        for there, here in (places | {"read_timeout 35s": "read_timeout 1s"}).items():
            assert there in text
            text = text.replace(there, here)
        (self.folder / "site").write_text(text)
        (self.folder / "answers").mkdir()
        (self.folder / "static").mkdir()
        (self.folder / "static/a.css").touch()
        for file in nginx.answers(ROOT):
            if isinstance(file, File):
                (self.folder / "answers" / file.path.rsplit("/", 1)[-1]).write_text(file.content)
        frame = self.folder / "nginx.conf"
        frame.write_text(FRAME.format(folder=self.folder))
        self.process = subprocess.Popen(["nginx", "-c", frame, "-e", self.folder / "start.log"])
        until(self.greets)
        return self

    def greets(self):
        assert self.process.poll() is None, (self.folder / "start.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @contextmanager
    def serving(self, silent=False):
        """The application runs."""
        self.application = Application(self.folder / "web.sock")
        self.application.silent = silent
        thread = threading.Thread(target=self.application.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            self.application.over.set()
            self.application.shutdown()
            thread.join()
            self.application.server_close()
            (self.folder / "web.sock").unlink()

    def raw(self, data, of=SOMEONE):
        """What is answered to these bytes, which come from this address."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as link:
            link.sendall(f"PROXY TCP4 {of} 127.0.0.1 4000 80\r\n".encode() + data)
            answer = http.client.HTTPResponse(link, method=data.split(b" ")[0].decode(errors="replace"))
            answer.begin()
            return Answer(answer.status, {name.lower(): it for name, it in answer.getheaders()}, answer.read().decode())

    def ask(self, path, *headers, method="GET", body="", of=SOMEONE):
        """As raw, for a request."""
        more = [f"Content-Length: {len(body)}"] if body else []
        head = [f"{method} {path} HTTP/1.1", "Host: hydra.example", "Connection: close", *more, *headers]
        return self.raw(("\r\n".join(head) + "\r\n\r\n" + body).encode(), of)

    def line(self, id):
        """What was written about the request with this id, once it is; an answer may be there before."""
        found = []

        def there():
            lines = (self.folder / "access.log").read_text().splitlines()
            found[:] = [told for told in map(json.loads, lines) if told["request_id"] == id]
            return found

        until(there)
        return found[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """nginx, for the tests of this file."""
    assert shutil.which("nginx"), "run script/setup --dev"
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    one = Site(folder).start()
    yield one
    one.process.terminate()
    one.process.wait(timeout=20)


def is_ours(answer, status, heading):
    """The answer is our page, whole in itself, and says this."""
    assert answer.status == status
    assert f"<h1>{heading}</h1>" in answer.text and f'class="code">{status}<' in answer.text
    assert "nginx" not in answer.text and "<!--#" not in answer.text
    assert not re.findall(r'(?:src|href)="(?!/")', answer.text)
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in answer.headers["content-security-policy"]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"] in answer.text
    return True


def test_an_application_that_is_dead_gets_a_page_that_says_when_to_come_back(site):
    answer = site.ask("/sign-in/")
    assert is_ours(answer, 502, "Please try again in a moment")
    assert answer.headers["retry-after"] == "5"
    assert site.ask("/sign-in/", method="POST", body="name=ada").status == 502
    assert site.ask("/sign-in/", method="HEAD").text == ""


def test_one_that_hangs_gets_it_too(site):
    with site.serving(silent=True):
        answer = site.ask("/")
    assert is_ours(answer, 504, "Please try again in a moment")
    assert answer.headers["retry-after"] == "5"


def test_what_the_application_says_itself_goes_out_as_it_is(site):
    with site.serving():
        answer = site.ask("/own")
    assert (answer.status, answer.text, answer.headers["retry-after"]) == (503, "our own\n", "7")


@pytest.mark.parametrize(
    ("status", "heading", "sent"),
    [
        (400, "This request makes no sense", b"GET / HTTP/1.1\r\n\r\n"),
        (400, "This request makes no sense", b"\x16\x03\x01 what\r\n\r\n"),
        (
            413,
            "That is too large",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\nConnection: close\r\n\r\n",
        ),
        (414, "That address is too long", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
        (431, "Too much was sent along", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: " + b"a" * 9000 + b"\r\n\r\n"),
        (404, "There is nothing here", b"GET /static/gone.css HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        (404, "There is nothing here", b"GET /_answers/page.html HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        (
            405,
            "Not in this way",
            b"POST /static/a.css HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        ),
        (404, "There is nothing here", b"GET /static/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    ],
    ids=["no host", "no http", "body", "address", "headers", "static", "inside", "method", "folder"],
)
def test_what_nginx_refuses_itself_it_refuses_in_our_way(site, status, heading, sent):
    answer = site.raw(sent)
    assert is_ours(answer, status, heading)
    assert "retry-after" not in answer.headers


def test_a_client_of_the_api_gets_a_problem_in_json(site):
    for answer in (site.ask("/api/v1/account"), site.ask("/api/v1/tokens", method="POST", body="a" * 1_100_000)):
        assert answer.headers["content-type"] == "application/problem+json"
        told = json.loads(answer.text)
        assert set(told) == {"type", "status", "title", "detail"} and told["status"] == answer.status
    assert answer.status == 413
    assert site.ask("/api/").headers["content-type"] == "text/html; charset=utf-8"


def test_a_client_cannot_say_from_where_he_comes(site):
    lies = ("X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 10.0.0.1", "X_Forwarded_For: 10.0.0.1")
    lies += ("X-Forwarded-Proto: https", "X-Forwarded-Ssl: on", "X-Forwarded-Protocol: ssl")
    with site.serving():
        _, told = site.ask("/", *lies).told
    assert told["x-forwarded-for"] == [f"127.0.0.1, 10.0.0.1, {SOMEONE}"]  # ours is the last word
    assert not is_neighbour(asked_by(told))  # and so he is not shown the metrics
    assert told["x-forwarded-proto"] == ["http"]
    assert not {"x_forwarded_for", "x-forwarded-ssl", "x-forwarded-protocol"} & told.keys()


def test_whoever_asks_from_a_private_address_is_a_neighbour(site):
    with site.serving():
        assert is_neighbour(asked_by(site.ask("/metrics", of="10.0.0.9").told[1]))
        assert not is_neighbour(asked_by(site.ask("/metrics", of=SOMEONE).told[1]))


def asked_by(told):
    """The request as Django has it, as far as it tells who asks."""
    return SimpleNamespace(META={"REMOTE_ADDR": "", "HTTP_X_FORWARDED_FOR": told["x-forwarded-for"][0]})


def test_a_request_has_one_id_in_both_logs(site):
    with site.serving():
        _, told = site.ask("/", "X-Request-ID: trace-0123456789").told
        assert told["x-request-id"] == ["trace-0123456789"]
        assert site.line("trace-0123456789")["status"] == 200
        _, told = site.ask("/", 'X-Request-ID: no"sane id').told
        assert len(told["x-request-id"][0]) == 32 and site.line(told["x-request-id"][0])


def test_no_log_has_what_opens_an_account(site):
    path = f"/password/new/MQ/{TOKEN}/"
    came_from = f"Referer: http://hydra.example{path}"
    with site.serving():
        answer = site.ask(f"{path}?more=secret", came_from, "X-Request-ID: reset-answered")
        assert answer.told[0].startswith(f"GET {path}")
        assert site.line("reset-answered")["path"] == "/password/new/[hidden]/"
        site.ask("/links/?q=secret", came_from, "X-Request-ID: links-answered")
        assert site.line("links-answered")["path"] == "/links/"
        site.ask(f"/account/email/new/{TOKEN}/", "X-Request-ID: address-answered")
        assert site.line("address-answered")["path"] == "/account/email/new/[hidden]/"
        assert site.ask("/password/new/").status == 200
    site.ask(path, "X-Request-ID: reset-not-answered")  # which is an error
    site.ask(path, "X-Request-ID: reset-too-large", method="POST", body="a" * 1_100_000)
    assert (site.line("reset-not-answered")["status"], site.line("reset-too-large")["status"]) == (502, 413)
    written = "".join(file.read_text() for file in site.folder.glob("*.log"))
    assert TOKEN not in written and "secret" not in written
