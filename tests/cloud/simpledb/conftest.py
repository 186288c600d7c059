"""A SimpleDB behind a real HTTP server, and boto3 in front of it."""

import http.client
import subprocess
import sys
import threading
import uuid
import xml.etree.ElementTree as ElementTree
from urllib.parse import urlencode, urlsplit

import pytest

from fabfile.localcloud.simpledb.api import open_service
from fabfile.localcloud.simpledb.server import Server
from fabfile.localcloud.simpledb.store import Limits

from .asking import ROOT, client_of, pairs


@pytest.fixture(scope="session")
def simpledb(tmp_path_factory):
    service = open_service(tmp_path_factory.mktemp("simpledb"), "us-west-2", limits=Limits(domain_pairs=3000))
    yield service
    service.close()


@pytest.fixture(scope="session")
def url(simpledb):
    with Server(("127.0.0.1", 0), simpledb) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def client(url):
    return client_of(url)


@pytest.fixture
def domain(client):
    """The name of a new, empty domain."""
    name = f"test-{uuid.uuid4()}"
    client.create_domain(DomainName=name)
    yield name
    client.delete_domain(DomainName=name)


@pytest.fixture
def put(client, domain):
    """put("item", "colour=red", ...): add pairs to an item of the domain."""

    def put(item, *texts, **more):
        client.put_attributes(DomainName=domain, ItemName=item, Attributes=pairs(*texts), **more)

    return put


@pytest.fixture
def get(client, domain):
    """get("item") gives its pairs as a sorted list of "name=value"."""

    def get(item, **more):
        found = client.get_attributes(DomainName=domain, ItemName=item, ConsistentRead=True, **more)
        return sorted(f"{pair['Name']}={pair['Value']}" for pair in found.get("Attributes", []))

    return get


@pytest.fixture
def select(client, domain):
    """select("itemName() from here where ...") gives the names found, in order; "here" stands for the domain."""

    def select(rest, **more):
        expression = "select " + rest.replace("here", f"`{domain}`", 1)
        answer = client.select(SelectExpression=expression, ConsistentRead=True, **more)
        return [item["Name"] for item in answer.get("Items", [])]

    return select


@pytest.fixture
def start(tmp_path):
    """start() runs the server alone, in a process of its own; gives the process and its URL.

    No read is behind unless a test asks for it: its subject is another one.
    """
    started = []

    def start(*options):
        command = [sys.executable, "-m", "fabfile.localcloud.simpledb", "--port", "0", "--data", str(tmp_path / "data")]
        lag = () if "--lag" in options else ("--lag", "0")
        process = subprocess.Popen([*command, *lag, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def ask(url, domain):
    """ask({...}) sends the parameters to the domain and gives (status, root element of the answer)."""

    def ask(parameters, method="GET", path="/", host=None):
        fields = {"Version": "2009-04-15", "DomainName": domain, **parameters}
        text = urlencode({name: value for name, value in fields.items() if value is not None})
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        headers = {"Host": host} if host else {}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
            connection.request("POST", path, text, headers)
        else:
            connection.request(method, f"{path}?{text}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, ElementTree.fromstring(body)

    return ask
