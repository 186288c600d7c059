"""Amazon SimpleDB (API 2009-04-15, and the exports of 2025-09-26) on this machine: complete, durable, without moto.

Alone: `python -m fabfile.localcloud.simpledb --port 8123 --data DIR`. Behind another endpoint: `install` and `wrap`.
"""

from ..cloud import REGION
from .api import open_service
from .wsgi import application, wrap

__all__ = ["application", "install", "wrap"]


def install(cloud, **options):
    """Open the cloud's SimpleDB, as `cloud.parts["simpledb"]`; `wrap` then puts it before the rest of the endpoint.

    Its data is in the folder "simpledb" of the cloud's home, and its writes need no `cloud.change()`: each is on disk
    before it is answered. `options` are those of api.open_service. Returns the SimpleDB.
    """
    simpledb = open_service(cloud.place.home / "simpledb", REGION, **options)
    cloud.parts["simpledb"] = simpledb
    cloud.report("simpledb", lambda _: simpledb.store.overview())
    cloud.at_start(lambda _: simpledb.start())
    cloud.at_stop(lambda _: simpledb.close())
    return simpledb
