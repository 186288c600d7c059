"""A SimpleDB whose time and whose sink a test holds in its hands, behind a real HTTP server."""

import threading
from contextlib import contextmanager

import boto3
from botocore.config import Config

from fabfile.localcloud.simpledb.api import SimpleDB
from fabfile.localcloud.simpledb.exports import Exports
from fabfile.localcloud.simpledb.server import Server
from fabfile.localcloud.simpledb.sinks import Folder, Undeliverable
from fabfile.localcloud.simpledb.store import Store

DONE = ("SUCCEEDED", "FAILED")


class Clock:
    """Goes only when it is told to."""

    def __init__(self):
        self.now = 1_800_000_000.123

    def __call__(self):
        return self.now


class Sink:
    """Keeps objects in a dict, and keeps every caller waiting while it is `closed`."""

    def __init__(self):
        self.objects, self.open, self.error = {}, threading.Event(), None
        self.asked = threading.Event()
        self.open.set()

    def close(self):
        self.open.clear()

    def put(self, target, key, body):
        self.asked.set()
        assert self.open.wait(60)
        if self.error:
            raise Undeliverable(*self.error)
        self.objects[target.bucket, key] = body


@contextmanager
def serving(folder, sink=None, clock=None):
    """(SimpleDB, URL) on the data in `folder`."""
    options = {"clock": clock} if clock else {}
    simpledb = SimpleDB(Store(folder), "us-west-2", Exports(folder), sink or Folder(folder / "exports"), **options)
    simpledb.start()
    with Server(("127.0.0.1", 0), simpledb) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield simpledb, server.url
        server.shutdown()
        thread.join()
    simpledb.close()


def exports_client(url, region="us-west-2", key="local", secret="local", checked=False):
    """A boto3 client of the export API, which sends also what botocore would refuse by itself."""
    return boto3.client(
        "simpledbv2",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(parameter_validation=checked, retries={"total_max_attempts": 1}),
    )


def ended(client, arn):
    """What GetExport says once the export is done."""
    waiting = threading.Event()
    for _ in range(3000):
        found = client.get_export(exportArn=arn)
        if found["exportStatus"] in DONE:
            return found
        waiting.wait(0.02)
    raise AssertionError("the export did not end within a minute")
