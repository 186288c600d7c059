"""The local cloud's daemon: `python fabfile/localcloud` (see __main__.py) serves the place the environment names."""

import argparse
import fcntl
import json
import logging
import logging.handlers
import os
import signal
import sys
import threading
import time
from importlib import import_module

from .cloud import ACCOUNT, Cloud
from .drivers import DriverError, Drivers
from .place import Place
from .ports import PortTaken, listen, listen_on
from .simpledb.history import LAG, seconds

SETS = ("real", "processes", "memory")


def main(arguments=None):
    """Serve until SIGTERM, which stops everything cleanly. Exit code 1 with one sentence when it cannot."""
    parser = argparse.ArgumentParser(prog="python fabfile/localcloud")
    parser.add_argument("--drivers", choices=SETS, default="real", help="what stands behind the endpoint")
    parser.add_argument("--port", type=int, help="of the endpoint; 0 lets the kernel choose")
    lag = f"seconds that SimpleDB's reads without ConsistentRead may be behind; 0 for never (HYDRA_LAG, or {LAG:g})"
    parser.add_argument("--lag", type=seconds, default=os.environ.get("HYDRA_LAG") or LAG, help=lag)
    options = parser.parse_args(arguments)
    place = Place.current()
    logging.getLogger("cloud").addHandler(logging.NullHandler())  # before it has its file it would write to stderr
    try:
        port = place.port if options.port is None else options.port
        daemon = Daemon(place, options.drivers, port, options.lag)
        daemon.serve()
    except (PortTaken, DriverError, Refused, OSError) as error:
        print(f"The local cloud cannot start: {error}", file=sys.stderr)
        logging.getLogger("cloud").error("cannot start: %s", error)
        return 1
    return 0


class Refused(Exception):
    """The daemon will not start; the message is one sentence."""


class Daemon:
    """One running local cloud: its endpoint, its metadata service and its name servers."""

    def __init__(self, place, drivers, port, lag=LAG):
        """`lag` is how many seconds SimpleDB's reads without ConsistentRead may be behind."""
        self.place, self.port, self.lag = place, port, lag
        place.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.lock = _claim(place)
        self.log = _log(place.home / "cloud.log")
        self.log.info("starting with %s drivers", drivers)
        _keep_to(place, drivers)
        if port:
            listen("127.0.0.1", port).server_close()  # a taken port is found before anything is made
        self.cloud = Cloud(place, drivers_of(drivers, place, self.log), self.log)
        self.servers, self.endpoint_servers = [], []

    def serve(self):
        """Answer until a signal ends it."""
        application = self._assemble()
        self._listen()
        self.cloud.at_start(lambda cloud: self.credentials.operator)  # made now, it is saved with the rest
        self.cloud.start()
        for server in self.endpoint_servers:
            server.app = application
        threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in self.servers]
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        for thread in threads:
            thread.start()
        self._announce()
        ended.wait()
        self.log.info("stopping")
        list(self.cloud.executor.map(lambda server: server.shutdown(), self.servers))
        self.cloud.stop()
        (self.place.home / "endpoint.json").unlink(missing_ok=True)
        self.log.info("stopped")

    def _assemble(self):
        """Everything that answers, moto last: its hooks must be in place before it is first used."""
        _configure_moto(self.place)
        from . import calls, ec2, metrics, objects, relational, simpledb, state, wsgi
        from .addresses import Addresses
        from .credentials import Credentials
        from .faults import Faults
        from .names import Names

        cloud = self.cloud
        cloud.parts |= {"names": Names(cloud), "addresses": Addresses(cloud)}
        self.credentials, faults = Credentials(cloud), Faults()
        cloud.parts["credentials"] = self.credentials
        for part in (ec2, relational, metrics):
            part.install(cloud)
        bodies, buckets = objects.install(cloud), objects.Buckets(cloud)
        database = simpledb.install(cloud, sink=buckets, faults=faults, lag=self.lag)
        calls.install(cloud, faults, _refused)
        self._recall(state, bodies)
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        moto = DomainDispatcherApplication(create_backend_app)
        return wsgi.Endpoint(cloud, self.credentials, faults, moto, simpledb.wrap(None, database, always=True))

    def _recall(self, state, bodies):
        """Read what was saved, and save there from now on; then the bodies that it does not name may go."""
        cloud, path = self.cloud, self.place.home / "state"
        try:
            cloud.keep = state.read(path)
        except state.Unreadable as error:
            raise Refused(str(error)) from error
        bodies.settle()

        def write(cloud):
            bodies.begin()
            state.write(path, cloud.keep)
            bodies.settle()

        cloud.writer = write

    def _listen(self):
        """Bind every port; the kernel queues early callers."""
        from . import ec2, metadata, names

        cloud, gateway = self.cloud, self.cloud.gateway
        self.endpoint_servers = listen_on(["127.0.0.1", gateway] if gateway else ["127.0.0.1"], self.port)
        self.servers = list(self.endpoint_servers)
        self.port = self.servers[0].server_address[1]
        cloud.url = f"http://127.0.0.1:{self.port}"
        if not gateway:
            return
        cloud.inside_url = f"http://{gateway}:{self.port}"
        service = metadata.Metadata(cloud, self.credentials, lambda address: ec2.backend().machine_at(address))
        imds = metadata.serve(service, gateway, 0)  # machines reach both by AWS's addresses, whatever the port
        dns = names.serve(cloud.names, gateway, 0)
        self.servers += [imds, *dns]
        network = cloud.drivers.network
        network.endpoint_port = self.port
        network.metadata_port = imds.server_address[1]
        network.names_port = dns[0].server_address[1]

    def _announce(self):
        key, secret = self.credentials.operator
        network = self.cloud.drivers.network
        known = {
            "url": self.cloud.url,
            "gateway_url": self.cloud.inside_url,
            "metadata_port": getattr(network, "metadata_port", 0),
            "names_port": getattr(network, "names_port", 0),
            "gateway": self.cloud.gateway,
            "pid": os.getpid(),
            "drivers": self.cloud.drivers.name,
            "started": self.cloud.clock().isoformat(timespec="seconds"),
            "access_key": key,
            "secret_key": secret,
        }
        beside = self.place.home / "endpoint.json.new"
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(known, file, indent=2)
        beside.rename(self.place.home / "endpoint.json")
        self.log.info("answers at %s", self.cloud.url)


def _claim(place):
    """The place's lock, held while its daemon lives: two would overwrite each other's state. Raises Refused."""
    lock = os.open(place.home / "daemon.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Refused(f"another daemon serves {place.home}: stop it with `fab local cloud.stop`") from error
    return lock


def _keep_to(place, drivers):
    """A cloud keeps the drivers it was made with, for its machines are nothing to others. Raises Refused."""
    path = place.home / "drivers"
    made_with = path.read_text() if path.exists() else drivers
    if made_with != drivers:
        raise Refused(
            f"the cloud in {place.home} was made with {made_with} drivers, not {drivers}: start it as it was made, "
            "or take it away with `fab local cloud.destroy`"
        )
    path.write_text(drivers)


def drivers_of(name, place, log):
    """The set of drivers of that name for `place`."""
    if name == "real":
        from . import databases, real

        network, machines, disks = real.drivers(place, log.info)
        return Drivers(name, network, machines, disks, databases.HostedDatabases(place, machines, network))
    return import_module(f".{name}", __package__).drivers(place)


def _configure_moto(place):
    """moto reads these once, when it is imported. The user's own AWS settings are none of its, and may break it."""
    from . import images

    for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_"))]:
        del os.environ[name]
    path = place.home / "images.json"
    images.write_list(path)
    os.environ |= {"MOTO_AMIS_PATH": str(path), "MOTO_ACCOUNT_ID": ACCOUNT, "MOTO_DISABLE_GLOBAL_CORS": "1"}


def _refused(service, action):
    """A sentence for calls that moto would answer with a record that nothing stands behind."""
    from . import ec2

    if service == "ec2" and not action.startswith(("Describe", "Get")) and action not in ec2.SERVED:
        return f"{action} of EC2 is not part of this local cloud"
    return ""


def _log(path):
    """The daemon's log: lines of the local cloud and the errors of what it uses, with UTC times; 5 MB, twice."""
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=5_000_000, backupCount=1)
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.WARNING)
    log = logging.getLogger("cloud")
    log.setLevel(logging.INFO)
    return log
