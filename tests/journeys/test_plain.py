"""`script/demo` where no machines can be had: one sentence first, then all there is to show; nothing left after."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.request import urlopen

import pytest

from fabfile.localcloud import daemon, plain, probe
from fabfile.localcloud.databases import ProcessDatabases
from fabfile.localcloud.place import Place

from .person import LONGEST, ROOT, person

TAKEN = "-sys_admin,-net_admin,-mknod"  # what an unprivileged container has not
# Each is what the demo prints as it begins that part; it is killed there and then.
PARTS = (
    "starting the local cloud",
    "domain local-users-00: create it",
    "wait until it is available",
    "redis started",
    "manage.py collectstatic",
    "web started",
)


@pytest.fixture(scope="module")
def carol():
    """Someone whose machine holds no hosts."""
    with person("carol") as one:
        yield one


@pytest.fixture(scope="module")
def told(carol):
    """What the demo printed when she ran it for the first time."""
    return demo(carol)


@cache
def without():
    """What a command begins with to find no machines here. Where they are missing anyway, nothing is to be taken."""
    may = not probe.missing(Place.current())
    return ("setpriv", f"--bounding-set={TAKEN}", f"--inh-caps={TAKEN}") if may else ()


def begin(person, *words, **more):
    """`script/demo` under way, not waited for."""
    return subprocess.Popen(
        [*without(), "script/demo", *words],
        cwd=ROOT,
        env=person.environment | {"NO_COLOR": "1"} | more,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def demo(person, *words, code=0, **more):
    """Run `script/demo` to its end, which has that exit code, and return what it printed."""
    process = begin(person, *words, **more)
    said = process.communicate(timeout=LONGEST)[0]
    assert process.returncode == code, said
    return said


def left(person):
    """What a cloud that was taken away has left: processes and files."""
    place = person.place
    servers = [*ProcessDatabases(place)._servers(), *plain.programs(place), *daemon.pids(place)]
    return servers + [path for path in [place.home] if path.exists()]


def url(told):
    return re.search(r"The application is at +(http://\S+)", told)[1]


def test_the_first_line_says_what_is_missing_and_what_to_do(told):
    first = told.splitlines()[0]
    assert re.match(
        r"This machine cannot hold real hosts, for it lacks .+: run .* as root.*; for now it goes on", first
    )
    assert told.count("cannot hold real hosts") == 1


def test_every_store_shows_what_the_visit_left_there(told, carol):
    assert re.search(r"SimpleDB  account demo in domain local-users-0[0-9a-f]", told)
    assert re.search(r"MySQL .*\n.*username.*\n.*\n.*\| demo ", told)
    file = re.search(r"Redis .* written in (\S+)", told)[1]
    assert Path(file).is_relative_to(carol.place.home)


def test_the_pages_have_their_stylesheet(told):
    with urlopen(url(told)) as page:
        sheet = re.search(r'href="(/static/style\.[0-9a-f]+\.css)"', page.read().decode())[1]
    with urlopen(url(told) + sheet) as answer:
        assert answer.headers["Content-Type"].startswith("text/css")


def test_the_cpu_of_the_database_is_measured(told):
    assert re.search(r"CPU of database local-db\n  now [0-9.]+ %", told)


def test_what_needs_machines_is_a_plan_and_named_as_not_run(told):
    heading, plan = told.index("NOT RUN"), told.index("$ fab local plan")
    assert heading < plan < told.index("machine local-web: will change")


def test_no_secret_is_on_a_command_line_or_readable_by_others(told, carol):
    running = plain.Program(carol.place, "web").pids + plain.Program(carol.place, "redis").pids
    lines = b" ".join(Path(f"/proc/{pid}/{file}").read_bytes() for pid in running for file in ("cmdline", "environ"))
    folder = plain.folder(carol.place)
    secrets = [path.read_text().split("=")[-1].strip() for path in (folder / "web/credentials").iterdir()]
    assert len(secrets) == 4
    assert not [secret for secret in secrets if secret.encode() in lines]
    assert folder.stat().st_mode & 0o077 == 0


def test_the_status_of_the_cloud_shows_them_too(told, carol):
    said = carol.fab("local cloud.status").out
    assert re.search(r"^redis +\d+ ", said, re.MULTILINE) and re.search(r"^web +\d+ ", said, re.MULTILINE)


def test_a_second_run_finds_everything_running(told, carol):
    before = [sorted(plain.Program(carol.place, name).pids) for name in ("redis", "web")]
    again = demo(carol)
    assert [sorted(plain.Program(carol.place, name).pids) for name in ("redis", "web")] == before
    assert url(again) == url(told)


def test_what_died_is_started_again(told, carol):
    for name in "redis", "web":
        plain.Program(carol.place, name).end(signal.SIGKILL)
    again = demo(carol)
    assert "redis started" in again and "web started" in again


def test_everything_can_be_taken_away(told, carol):
    assert demo(carol, "--down").splitlines()[-1] == "the local cloud is gone"
    assert left(carol) == []


def kill_at(person, part):
    """Run the demo until it prints this, then kill -9 it, and nothing else."""
    process, lines = begin(person), []
    for line in process.stdout:
        lines.append(line)
        if part in line:
            break
    assert part in lines[-1], "".join(lines)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("part", PARTS)
def test_killed_anywhere_nothing_is_left_once_it_is_taken_away(part):
    with person(hashlib.sha256(part.encode()).hexdigest()[:8]) as one:
        kill_at(one, part)
        demo(one, "--down")
        assert left(one) == []


def test_killed_again_and_again_it_goes_on():
    with person("dora") as one:
        for part in *PARTS[2:], "Sign in as":
            kill_at(one, part)


def test_a_port_that_is_taken_is_said_so():
    with person("emil") as one, socket.create_server(("127.0.0.1", one.place.port)):
        said = demo(one, code=1)
        assert re.search(rf"port {one.place.port} is in use by .*\(pid \d+\); .*HYDRA_PORT", said)
        assert "Traceback" not in said


def test_a_server_that_is_not_installed_is_named_with_its_package(tmp_path):
    code = f"import processes; processes.check({str(tmp_path)!r})"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'script'}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "apt-get install mariadb-client-core mariadb-server-core redis-server" in done.stderr
