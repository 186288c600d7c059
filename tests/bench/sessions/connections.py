"""How many connections to Redis 200 requests open under uvicorn."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from tests.web.servers import ROOT, Port, die_with_parent, greets_http
from webapp.sessions.connection import connection

WAYS = {
    "ours, coroutines": ("webapp.sessions.store", "webapp.sessions.middleware.SessionMiddleware", "default", "async"),
    "ours, threads": ("webapp.sessions.store", "webapp.sessions.middleware.SessionMiddleware", "default", "sync"),
    "django-redis": (
        "django.contrib.sessions.backends.cache",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django-redis",
        "async",
    ),
    "Django's RedisCache": (
        "django.contrib.sessions.backends.cache",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "default",
        "async",
    ),
}


def show_connections(servers):
    """Print for each way how many were opened and are still open after 200 requests, 10 at a time."""
    print(f"\n200 requests, 10 at a time, under uvicorn: connections to Redis\n{'':27}     opened  still open")
    for name, way in WAYS.items():
        opened, still = ask(servers, way)
        print(f"{name:27}{opened:11}{still:12}")


def ask(servers, way):
    """(opened, still open) by one server."""
    engine, middleware, alias, kind = way
    port = Port().give()
    environment = {
        **os.environ,
        "BENCH_ENGINE": engine,
        "BENCH_MIDDLEWARE": middleware,
        "BENCH_ALIAS": alias,
        "DJANGO_SETTINGS_MODULE": "tests.bench.sessions.asgi_settings",
    }
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "--log-level", "error"]
    with Path(servers.folder, "uvicorn.log").open("ab") as log:
        server = subprocess.Popen(
            [*command, "tests.bench.sessions.asgi:application"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
        )
    servers.processes["uvicorn"] = server
    try:
        servers.wait("uvicorn", lambda: greets_http(f"http://127.0.0.1:{port}/nothing"))
        redis = connection()
        opened, still = redis.info("stats")["total_connections_received"], redis.info("clients")["connected_clients"]
        with ThreadPoolExecutor(10) as visitors:
            list(visitors.map(lambda _: visit(f"http://127.0.0.1:{port}/{kind}"), range(100)))
        return (
            redis.info("stats")["total_connections_received"] - opened,
            redis.info("clients")["connected_clients"] - still,
        )
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def visit(url):
    """Two requests of one visitor: the first makes the session, the second changes it."""
    with requests.Session() as visitor:
        for expected in (1, 2):
            answer = visitor.get(url, timeout=30)
            if answer.text != str(expected):
                raise SystemExit(f"{url} said {answer.status_code} {answer.text[:200]!r} instead of {expected}")
