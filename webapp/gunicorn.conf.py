"""How gunicorn runs the application: small, behind nginx on the same machine, ready to be stopped at any time."""

import os
import sys
from pathlib import Path

from gunicorn.glogging import Logger as GunicornLogger

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root))

from webapp import exposition, logs  # noqa: E402 - found only with the line above
from webapp.environment import Environment  # noqa: E402

# Read here, in the master: a missing setting ends the service with one message. A worker that found it would be
# started again and again.
environment = Environment.read()


class Logger(GunicornLogger):
    """gunicorn's own lines, in the application's look."""

    def setup(self, cfg):
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                handler.setFormatter(logs.formatter(environment.secrets, getattr(handler, "stream", None)))


chdir = str(root)
wsgi_app = "webapp.wsgi"
bind = environment.bind
workers = environment.workers
worker_class = "gthread"
threads = 4
# Each worker opens its own connections to the three stores, so nothing is shared across a fork.
preload_app = False
# The heartbeat file on a disk that syncs would stall a worker.
worker_tmp_dir = "/dev/shm"
# systemd starts, reloads and stops us; a second door in the home folder is one too many.
control_socket_disable = True
timeout = 30
graceful_timeout = 20
# nginx keeps connections open for longer than two seconds, gunicorn's default, would let it.
keepalive = 75
# The longest address that nginx passes on; gunicorn's own answer to a longer one is no page of ours.
limit_request_line = 8190
# A leak in a library costs one worker now and then, not the machine.
max_requests = 10_000
max_requests_jitter = 1_000

logger_class = Logger
errorlog = "-"
# The application writes a line for every request, which knows more. With `--access-logfile -` gunicorn adds one that
# knows how many bytes were sent and how long that took; the same id is in both.
accesslog = None
access_log_format = "%(m)s %({hydra.path}e)s %(s)s, %(B)s bytes in %(M)s ms, request %({x-request-id}o)s"

# Before the workers are forked, and before anything imports prometheus_client.
metrics_folder = exposition.own_folder()
os.environ[exposition.VARIABLE] = str(metrics_folder)


def on_starting(server):
    """Once; not when the service is told to reload."""
    exposition.begin(metrics_folder)


def child_exit(server, worker):
    """In the master, when a worker has ended, however it did."""
    try:
        exposition.retire(metrics_folder, worker.pid)
    except (OSError, ValueError, RuntimeError) as error:  # no number is worth the service
        server.log.error("What worker %s has counted is lost: %s: %s", worker.pid, type(error).__name__, error)


def on_exit(server):
    """In the master, as the last of all."""
    exposition.end(metrics_folder)
