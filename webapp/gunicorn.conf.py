"""How gunicorn runs the application: small, behind nginx on the same machine, ready to be stopped at any time."""

import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root))

from webapp.environment import Environment  # noqa: E402 - found only with the line above

# Read here, in the master: a missing setting ends the service with one message. A worker that found it would be
# started again and again.
environment = Environment.read()

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
# A leak in a library costs one worker now and then, not the machine.
max_requests = 10_000
max_requests_jitter = 1_000
accesslog = None
errorlog = "-"
