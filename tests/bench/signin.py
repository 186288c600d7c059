"""What a sign-in costs: `python tests/bench/signin.py [seconds]`. One gunicorn process, real stores, loopback only.

With the cheapest hasher there is, so that what is ours shows, and with Argon2 as it is deployed: sign-ins a second, the
median and the 99th percentile of their time, and the process's own CPU. CPU is what to compare on a busy machine. Then
the requests of one sign-in are counted at a gate before the SimpleDB endpoint, which is away while times are taken.
"""

import http.client
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from django.conf import settings  # noqa: E402
from django.contrib.auth.hashers import get_hasher, make_password  # noqa: E402

from tests.web.servers import Port, Servers, die_with_parent, greets_http  # noqa: E402
from webapp.users.store import AccountStore, connect  # noqa: E402

PASSWORD = "correct horse battery"
USERS = 50
CLIENTS = (1, 8)
TICK = os.sysconf("SC_CLK_TCK")
HASHERS = {
    "cheapest": "django.contrib.auth.hashers.MD5PasswordHasher",
    "Argon2": "django.contrib.auth.hashers.Argon2PasswordHasher",
}


class Web:
    """The application under gunicorn, one process, over these stores."""

    def __init__(self, servers, hasher, endpoint_port):
        port = Port()
        self.port = port.give()
        (servers.folder / "bench_settings.py").write_text(
            f"from webapp.settings import *\nPASSWORD_HASHERS = [{HASHERS[hasher]!r}]\n"
        )
        self.environment = {
            "PATH": os.environ["PATH"],
            **servers.environment,
            **servers.aws,
            "AWS_ENDPOINT_URL_SIMPLEDB": f"http://127.0.0.1:{endpoint_port}",
            "PUBLIC_URL": "http://127.0.0.1",
            "ALLOW_HTTP": "true",
            "BIND": f"127.0.0.1:{self.port}",
            "WORKERS": "1",
            "DJANGO_SETTINGS_MODULE": "bench_settings",
            "PYTHONPATH": f"{servers.folder}:{ROOT}",
        }
        self.servers = servers

    def manage(self, *words):
        """Run manage.py with the same settings."""
        command = [sys.executable, ROOT / "webapp" / "manage.py", *words, "-v0"]
        subprocess.run(command, env=self.environment, check=True, timeout=120)

    @contextmanager
    def running(self):
        """Within the block it answers; gives its worker's process id."""
        log = self.servers.folder / "gunicorn.log"
        command = [Path(sys.executable).with_name("gunicorn"), "-c", ROOT / "webapp" / "gunicorn.conf.py"]
        with log.open("wb") as output:
            master = subprocess.Popen(
                command, env=self.environment, cwd="/", stdout=output, stderr=output, preexec_fn=die_with_parent
            )
        self.servers.processes["gunicorn"] = master
        try:
            self.servers.wait("gunicorn", lambda: greets_http(f"http://127.0.0.1:{self.port}/healthz"))
            yield int(Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()[0])
        finally:
            master.send_signal(signal.SIGTERM)
            master.wait(30)


class Visitor:
    """A kept connection that signs in again and again, each time as somebody without a session."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.connection.request("GET", "/sign-in/", headers={"Host": "127.0.0.1"})
        answer = self.connection.getresponse()
        page = answer.read().decode()
        self.cookie = re.search(r"csrftoken=\w+", answer.getheader("Set-Cookie"))[0]
        self.token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]

    def sign_in(self, name, password=PASSWORD):
        """The status of the answer."""
        form = {"csrfmiddlewaretoken": self.token, "username": name, "password": password}
        headers = {"Host": "127.0.0.1", "Cookie": self.cookie, "Content-Type": "application/x-www-form-urlencoded"}
        self.connection.request("POST", "/sign-in/", urlencode(form), headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


def cpu(pid):
    """Seconds of CPU that a process has used, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def load(port, names, clients, seconds):
    """The times of all sign-ins, in seconds, by so many clients at once; all must have succeeded."""
    times, end = [], time.perf_counter() + seconds

    def work(number):
        visitor, count = Visitor(port), number
        while time.perf_counter() < end:
            began = time.perf_counter()
            status = visitor.sign_in(names[count % len(names)])
            times.append(time.perf_counter() - began)
            if status != 302:
                raise SystemExit(f"a sign-in was answered with {status}")
            count += clients

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(times)


def measure(servers, hasher, seconds):
    """Print the lines of one hasher."""
    settings.PASSWORD_HASHERS = [HASHERS[hasher]]
    get_hashers_anew()
    store = AccountStore(connect("us-west-2"), servers.environment["USER_DOMAINS"])
    names = [f"{hasher}-{number}" for number in range(USERS)]
    for name in names:
        store.create(name, make_password(PASSWORD))
    web = Web(servers, hasher, servers.simpledb.number)
    with web.running() as pid:
        visitor = Visitor(web.port)
        for name in names:  # the first makes the row, and is noted with the account
            assert visitor.sign_in(name) == 302
        for clients in CLIENTS:
            before = cpu(pid)
            times = load(web.port, names, clients, seconds)
            spent = (cpu(pid) - before) / len(times) * 1000
            p50, p99 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99))
            rate = len(times) / seconds
            print(f"{hasher:9} {clients:7} {rate:11.0f} {p50:8.1f} {p99:8.1f} {spent:11.2f}", flush=True)


def get_hashers_anew():
    """Forget which hashers Django has loaded, as it does itself where a setting changes."""
    from django.contrib.auth.hashers import get_hashers, get_hashers_by_algorithm

    get_hashers.cache_clear()
    get_hashers_by_algorithm.cache_clear()


def count(servers):
    """Print how many requests reach SimpleDB for each kind of sign-in."""
    web = Web(servers, "Argon2", servers.gate.port)
    with web.running():
        visitor = Visitor(web.port)
        kinds = [
            ("right, as most are", "Argon2-1", PASSWORD),
            ("wrong password", "Argon2-1", "wrong"),
            ("unknown name", "nobody-of-ours", "wrong"),
            ("other capitals", "ARGON2-1", PASSWORD),
        ]
        visitor.sign_in("Argon2-1")  # this process reads the map of the shards
        for kind, name, password in kinds:
            with servers.gate.counting() as operations:
                visitor.sign_in(name, password)
            print(f"{kind:20} {len(operations)}  {', '.join(operations)}")


def main(seconds=5):
    """Print the figures."""
    settings.configure(PASSWORD_HASHERS=[])
    servers = Servers()
    try:
        servers.start()
        os.environ.update(servers.aws, AWS_ENDPOINT_URL_SIMPLEDB=f"http://127.0.0.1:{servers.simpledb.number}")
        first = Web(servers, "cheapest", servers.simpledb.number)
        first.manage("migrate")
        first.manage("collectstatic", "--no-input")
        print(
            f"hasher    clients  sign-ins/s   p50 ms   p99 ms  CPU ms each   ({seconds} s each, 1 process, 4 threads)"
        )
        for hasher in HASHERS:
            measure(servers, hasher, seconds)
        begins = time.process_time()
        runs = [time_of(get_hasher("default")) for _ in range(5)]
        print(
            f"\nArgon2 alone: {statistics.median(runs):.1f} ms, {(time.process_time() - begins) / 5 * 1000:.1f} ms CPU"
        )
        print("\nrequests to SimpleDB at a sign-in")
        count(servers)
    finally:
        servers.stop()


def time_of(hasher):
    """Milliseconds of one run."""
    began = time.perf_counter()
    hasher.encode(PASSWORD, hasher.salt())
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
