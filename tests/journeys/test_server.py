"""`script/server`: the application on this machine in one command, and nothing of it left when that ends."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from secrets import token_hex

import pytest
import requests

from .person import LONGEST, ROOT

UP = re.compile(r"The application is at (http://\S+)/ ")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
READER = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")  # may read whatever folder this is in


class Server:
    """One data folder, and the runs of script/server on it."""

    def __init__(self, data, *before):
        self.data, self.before, self.process = data, before, None

    def begin(self, *words):
        self.process = subprocess.Popen(
            [*self.before, "script/server", "--data", self.data, *(words or ("--port", "0"))],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def until(self, pattern):
        """What it printed up to the line that has this."""
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError("".join(lines))

    def up(self, *words):
        self.url = self.begin(*words).until(UP)[1]
        return self

    def end(self, number=signal.SIGINT):
        """Send that signal, to it alone, and return the exit code once nothing of it runs."""
        self.process.send_signal(number)
        self.process.communicate(timeout=LONGEST)
        deadline = time.monotonic() + LONGEST
        while (found := self.left()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert found == []
        return self.process.returncode

    def left(self):
        """Every process that has our folder in its command or its environment."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            except OSError:
                continue
            if str(self.data).encode() in told and int(process.name) != os.getpid():
                found.append((process.name, told[:200]))
        return found


FOLDER = 'it\'s "Zoë" #1 \\'  # as only people would call it


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One that runs, for tests that leave it running."""
    one = Server(tmp_path_factory.mktemp("running") / FOLDER).up()
    yield one
    one.end(signal.SIGTERM)


@pytest.fixture
def server(tmp_path):
    """A data folder; what runs on it ends with the test."""
    one = Server(tmp_path / FOLDER)
    yield one
    if one.process and one.process.poll() is None:
        one.end(signal.SIGTERM)


def send(browser, url, **form):
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(url, timeout=20).text)[1]
    return browser.post(url, {"csrfmiddlewaretoken": token, **form}, timeout=20)


def sign_up(server, name, password):
    return send(requests.Session(), f"{server.url}/sign-up/", username=name, password1=password, password2=password)


def sign_in(server, name, password):
    return send(requests.Session(), f"{server.url}/sign-in/", username=name, password=password)


def test_killed_it_leaves_nothing_running_and_goes_on_with_the_same_accounts(server):
    name, password = f"ada-{token_hex(4)}", token_hex(12)
    assert name in sign_up(server.up(), name, password).text
    server.end(signal.SIGKILL)
    assert name in sign_in(server.up(), name, password).text
    assert server.end(signal.SIGINT) == 0


def test_killed_while_it_begins_it_leaves_nothing_running_and_begins_again(server):
    for _ in range(2):
        server.begin("--port", "0")
        deadline = time.monotonic() + LONGEST
        while not (server.data / "mariadb/data").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        server.end(signal.SIGKILL)
    assert requests.get(f"{server.up().url}/readyz", timeout=20).json()["ready"]


def test_it_has_its_static_files_starts_anew_after_a_change_and_knows_djangos_commands(running):
    page = requests.get(f"{running.url}/sign-in/", timeout=20).text
    sheet = re.search(r'href="(/static/style\.css)"', page)[1]
    assert requests.get(running.url + sheet, timeout=20).headers["Content-Type"].startswith("text/css")
    lost = requests.get(f"{running.url}/no-such-page", timeout=20)
    assert "Using the URLconf" in lost.text
    assert "'unsafe-inline'" in lost.headers["Content-Security-Policy"], "Django's own page has its style in it"
    os.utime(ROOT / "webapp/request_ids.py")
    running.until(r"request_ids\.py modified")
    assert requests.get(f"{running.url}/readyz", timeout=20).json()["ready"]

    words = ["script/server", "--data", running.data, "manage", "createaccount", "eve", "--superuser"]
    done = subprocess.run(words, cwd=ROOT, input="correct horse battery\n", capture_output=True, text=True, check=False)
    assert done.stdout == "The account eve is made.\n", done.stderr
    assert "eve" in sign_in(running, "eve", "correct horse battery").text


def test_the_worker_for_clicks_starts_anew_with_what_was_edited_also_when_it_had_ended(running):
    def worker():
        """The id of its process."""
        (found,) = [pid for pid, _ in running.left() if b"rolluplinks" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return int(found)

    first = worker()
    os.utime(ROOT / "webapp/links/rollup.py")
    running.until(r"webapp/links/rollup\.py was saved: the worker for clicks has started anew")
    second = worker()
    os.kill(second, signal.SIGKILL)
    running.until("the worker for clicks has ended with code -9")
    running.until("starts anew when a file is saved")
    assert requests.get(f"{running.url}/readyz", timeout=20).json()["ready"]
    os.utime(ROOT / "webapp/links/merge.lua")
    running.until(r"merge\.lua was saved: the worker for clicks has started anew")
    assert len({first, second, worker()}) == 3


def test_what_is_in_the_way_is_one_sentence(running, tmp_path):
    port = running.url.rpartition(":")[2]
    second = Server(tmp_path / "second").begin("--port", port)
    said, _ = second.process.communicate(timeout=LONGEST)
    assert re.fullmatch(rf"Port {port} is in use by .*\(pid \d+\): .* `script/server --port \d+` say\.\n", said)
    assert second.process.returncode == 1
    assert not second.data.exists()
    third = Server(running.data).begin()
    said, _ = third.process.communicate(timeout=LONGEST)
    assert re.fullmatch(rf"script/server runs already on .*\(pid {running.process.pid}\): .*\n", said)
    assert third.process.returncode == 1


def test_a_file_that_cannot_be_loaded_is_shown_and_ends_nothing(tmp_path):
    (tmp_path / "broken_settings.py").write_text("nothing.of_this_name\n")
    code = "from freshstatic import application; print(application({}, lambda *start: print(start[0]))[0].decode())"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{ROOT}:{ROOT}/script:{tmp_path}", "DJANGO_SETTINGS_MODULE": "broken_settings"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "500 Internal Server Error" in told
    assert told.count("NameError: name 'nothing' is not defined") == 2, "in the answer, and where the server prints"


def test_without_it_djangos_commands_say_what_to_start(server):
    said, _ = server.begin("manage", "migrate").process.communicate(timeout=LONGEST)
    assert (server.process.returncode, said.count("\n")) == (1, 1)
    assert "start script/server in another terminal" in said


def test_its_help_teaches():
    done = subprocess.run(["script/server", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for word in ("Ctrl-C", "--port", "--data", "manage createaccount", "manage shell", "script/test"):
        assert word in done.stdout


def test_a_store_that_ends_by_itself_ends_all_of_it_with_a_sentence(server):
    server.up()
    redis = next(pid for pid, told in server.left() if b"redis-server" in told)
    os.kill(int(redis), signal.SIGKILL)
    said, _ = server.process.communicate(timeout=LONGEST)
    assert "script/server cannot go on: Redis has ended" in said and "Traceback" not in said
    assert (server.process.returncode, server.left()) == (1, [])


def test_whoever_is_not_root_may_run_it(tmp_path):
    if os.geteuid():
        return  # then all of these tests show it
    folder = Path("/tmp", f"hydra-server-{token_hex(4)}")  # pytest's own folders are for root alone
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    reachable = all(path.stat().st_mode & 0o001 for path in (ROOT, *ROOT.parents))
    server = Server(folder / "data", *NOBODY, *(() if reachable else READER))
    try:
        assert requests.get(f"{server.up().url}/readyz", timeout=20).json()["ready"]
        assert {path.owner() for path in server.data.iterdir()} == {"nobody"}
        assert server.end() == 0
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


def test_no_secret_is_on_a_command_line_or_readable_by_others(running):
    secrets = [path.read_bytes() for path in (running.data / "credentials").iterdir()]
    assert len(secrets) == 3
    told = b"".join(
        Path(f"/proc/{pid}/{file}").read_bytes() for pid, _ in running.left() for file in ("cmdline", "environ")
    )
    assert not [secret for secret in secrets if secret in told]
    assert running.data.stat().st_mode & 0o077 == 0


def test_a_port_that_is_none_is_refused(server):
    said, _ = server.begin("--port", "70000").process.communicate(timeout=LONGEST)
    assert server.process.returncode == 2 and "invalid port value: '70000'" in said


def test_a_port_for_root_alone_is_told_so(tmp_path):
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 81:
        return  # here is no such port
    words = ["script/server", "--port", "81", "--data", tmp_path / "data"]
    before = () if os.geteuid() else ("setpriv", "--bounding-set=-net_bind_service")
    done = subprocess.run([*before, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "Port 81 is for root alone: choose another, `script/server --port 8000` say.\n"
