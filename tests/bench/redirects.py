"""What a redirect costs: `python tests/bench/redirects.py [seconds [rounds]]`. One gunicorn worker each, loopback only.

A warm short link against a view that does nothing but answer 302, with the same settings and behind the same
middleware, in turns; then what the pieces of it cost. Medians of the rounds: redirects a second, the median and the
99th percentile of their time, and the worker's own CPU. CPU is what to compare on a busy machine. At the end the clicks
that were answered are compared with those that were counted.
"""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.web.servers import Port, Servers, die_with_parent, greets_http  # noqa: E402

CLIENTS = 4  # one for each thread of the worker
BROWSERS = 1000  # what they call themselves, and so as many visitors
TICK = os.sysconf("SC_CLK_TCK")
SLUG = "bbbbbbbbbb"
URLS = """
from django.http import HttpResponse
from django.urls import path
from webapp.urls import urlpatterns as ours
def bare(request):
    return HttpResponse(status=302, headers={"Location": "https://example.org/", "Content-Length": "0"})
urlpatterns = [path("bare", bare), *ours]
"""
SETTINGS = """
from webapp.settings import *
ROOT_URLCONF = "bench_urls"
LOGGING = {**LOGGING, "root": {**LOGGING["root"], "level": "ERROR"}}
"""
VARIANTS = {
    "ours": "",
    "the long way": "MIDDLEWARE = [each for each in MIDDLEWARE if 'LinksMiddleware' not in each]",
    "no middleware": "MIDDLEWARE = []",
}
ASKED = [
    ("bare view", "ours", "/bare"),
    ("warm short link", "ours", f"/l/{SLUG}"),
    ("  without the short cut", "the long way", f"/l/{SLUG}"),
    ("  with Redis away", "Redis away", f"/l/{SLUG}"),
    ("bare view, no middleware", "no middleware", "/bare"),
]


@dataclass
class Web:
    """The application with one variant of the settings, one worker."""

    name: str
    servers: Servers
    port: int = 0
    worker: int = 0
    environment: dict = field(default_factory=dict)

    def start(self):
        """Start it and wait until it answers."""
        self.port = Port().give()
        module = f"bench_{self.name.replace(' ', '_')}"
        (self.servers.folder / f"{module}.py").write_text(SETTINGS + VARIANTS.get(self.name, ""))
        self.environment = {
            "PATH": os.environ["PATH"],
            **self.servers.environment,
            **self.servers.aws,
            "PUBLIC_URL": "http://127.0.0.1",
            "ALLOW_HTTP": "true",
            "BIND": f"127.0.0.1:{self.port}",
            "WORKERS": "1",
            "DJANGO_SETTINGS_MODULE": module,
            "PYTHONPATH": f"{self.servers.folder}:{ROOT}",
            **({"REDIS_URL": "redis://127.0.0.1:1/0"} if self.name == "Redis away" else {}),
        }
        log = (self.servers.folder / f"{module}.log").open("wb")
        # A worker that is replaced within a round would be measured with its start.
        command = [Path(sys.executable).with_name("gunicorn"), "-c", ROOT / "webapp/gunicorn.conf.py"]
        command += ["--max-requests", "0"]
        self.servers.processes[self.name] = master = subprocess.Popen(
            command, env=self.environment, cwd="/", stdout=log, stderr=log, preexec_fn=die_with_parent
        )
        deadline = time.monotonic() + 60
        while not greets_http(f"http://127.0.0.1:{self.port}/bare") and not self.redirects():
            if master.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(Path(log.name).read_text()[-2000:])
            time.sleep(0.1)
        self.worker = int(Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()[0])

    def redirects(self):
        """Whether the bare view answers."""
        try:
            return ask(connect(self.port), request("/bare"))
        except OSError:
            return False

    def cpu(self):
        """Seconds of CPU that the worker has used."""
        fields = Path(f"/proc/{self.worker}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def request(path, number=0):
    browser = (
        f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{number}.0.0.0 Safari/537.36"
    )
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"User-Agent: {browser}", "Accept: */*", "", ""]
    return "\r\n".join(lines).encode()


def ask(connection, text):
    """Whether one request is answered with 302; none of the answers has a body."""
    connection.sendall(text)
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError
        answer += piece
    return answer.startswith(b"HTTP/1.1 302")


def load(port, path, seconds):
    """Runs in a process of its own: prints the times of all redirects as JSON."""
    times, end = [], time.perf_counter() + seconds
    texts = [request(path, number) for number in range(BROWSERS)]

    def work():
        connection = connect(port)
        while time.perf_counter() < end:
            text = texts[len(times) % BROWSERS]
            began = time.perf_counter()
            if not ask(connection, text):
                print(connection.recv(1000), file=sys.stderr, flush=True)
                os._exit(1)
            times.append(time.perf_counter() - began)

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(times))


def measure(web, path, seconds):
    """(redirects a second, median ms, 99th percentile ms, CPU microseconds each, how many) of one round."""
    before = web.cpu()
    command = [sys.executable, __file__, "load", str(web.port), path, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{web.name} did not answer {path} with 302: {done.stderr}")
    times = sorted(json.loads(done.stdout))
    count = len(times)
    p50, p99 = (times[int(count * part)] * 1000 for part in (0.5, 0.99))
    return count / seconds, p50, p99, (web.cpu() - before) / count * 1e6, count


def manage(web, *words, given=None):
    """Run manage.py with the settings of a variant."""
    command = [sys.executable, ROOT / "webapp/manage.py", *words]
    done = subprocess.run(command, env=web.environment, input=given, check=True, capture_output=True, text=True)
    return done.stdout


MAKE = f"""
from webapp.users.models import User
from webapp.links.models import Link
owner = User.objects.create_user("bench", "", None)
Link.objects.create(owner=owner, slug={SLUG!r}, target="https://example.org/a/long/address")
"""
COUNT = """
from webapp.links.models import Total
print("counted", sum(Total.objects.values_list("clicks", flat=True)))
"""
END_THE_MINUTE = "from webapp.links import connection, counter; connection.redis().delete(counter.OPEN)"


def main(seconds=3.0, rounds=5):
    """Print the figures."""
    servers = Servers()
    try:
        servers.start()
        (servers.folder / "bench_urls.py").write_text(URLS)
        webs = {name: Web(name, servers) for _, name, _ in ASKED}
        webs["ours"].start()
        manage(webs["ours"], "migrate", "-v0")
        manage(webs["ours"], "shell", "-v0", "-c", MAKE)
        for name, web in webs.items():
            if name != "ours":
                web.start()
        found = {title: [] for title, _, _ in ASKED}
        for number in range(int(rounds) + 1):
            for title, name, path in ASKED:
                figures = measure(webs[name], path, float(seconds) if number else 1.0)
                if number or path != "/bare":  # the first round warms, but its clicks count
                    found[title].append(figures)
        say(found, seconds, rounds)
        sent = sum(each[4] for title, _, path in ASKED if path != "/bare" for each in found[title])
        manage(webs["ours"], "shell", "-v0", "-c", END_THE_MINUTE)
        print(manage(webs["ours"], "rolluplinks"), end="")
        print("answered", sent, manage(webs["ours"], "shell", "-v0", "-c", COUNT), end="")
    finally:
        for name in VARIANTS | {"Redis away": ""}:
            if name in servers.processes:
                servers.processes[name].send_signal(signal.SIGTERM)
                servers.processes[name].wait(30)
        servers.stop()


def say(found, seconds, rounds):
    """The table."""
    print(f"{seconds} s each, {rounds} rounds, {CLIENTS} clients, 1 worker of 4 threads")
    print(f"{'':26} redirects/s   p50 ms   p99 ms  CPU us each  of bare")
    bare = statistics.median(each[3] for each in found["bare view"][-int(rounds) :])
    for title, measured in found.items():
        rate, p50, p99, cpu, _ = map(statistics.median, zip(*measured[-int(rounds) :], strict=True))
        print(f"{title:26} {rate:11.0f} {p50:8.2f} {p99:8.2f} {cpu:12.0f} {cpu / bare:8.2f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["load"]:
        load(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
    else:
        main(*map(float, sys.argv[1:]))
