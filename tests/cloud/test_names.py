"""DNS for the machines: real queries, over UDP and TCP."""

import json
import socket
import threading

import pytest
from dnslib import QTYPE, RCODE, RR, A, DNSRecord

from fabfile.localcloud import names
from tests.cloud.endpoint import endpoint

LOOPBACK = "127.0.0.1"


class Registry(names.Names):
    """Names of a cloud that needs no more than a block."""

    class cloud:
        keep = {}
        block = "10.213.0.0/16"


@pytest.fixture
def registry():
    found = Registry(Registry.cloud)
    found.put("hydra.abc.us-west-2.rds.localcloud.internal", "10.213.0.9")
    return found


@pytest.fixture
def serve():
    """Run name servers on a free port: returns the port."""
    running = []

    def serve(registry, upstream):
        for server in names.serve(registry, LOOPBACK, 0, upstream):
            running.append(server)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return running[-1].server_address[1]

    yield serve
    for server in running:
        server.shutdown()
        server.server_close()


def ask(port, name, address=LOOPBACK, tcp=False, kind="A"):
    return DNSRecord.parse(DNSRecord.question(name, kind).send(address, port, tcp=tcp, timeout=10))


def test_a_machines_own_name_gives_its_address(registry, serve):
    port = serve(registry, [])
    for tcp in (False, True):
        reply = ask(port, "ip-10-213-0-5.us-west-2.compute.internal", tcp=tcp)
        assert [str(row.rdata) for row in reply.rr] == ["10.213.0.5"]


def test_a_registered_name_gives_its_address_whatever_its_case(registry, serve):
    reply = ask(serve(registry, []), "Hydra.abc.us-west-2.rds.LOCALCLOUD.internal")
    assert [str(row.rdata) for row in reply.rr] == ["10.213.0.9"]


def test_a_name_has_no_address_of_version_6(registry, serve):
    reply = ask(serve(registry, []), "ip-10-213-0-5.us-west-2.compute.internal", kind="AAAA")
    assert (reply.header.rcode, reply.rr) == (RCODE.NOERROR, [])


@pytest.mark.parametrize(
    "name", ["ip-8-8-8-8.us-west-2.compute.internal", "gone.us-west-2.rds.localcloud.internal", "x.localcloud.internal"]
)
def test_a_name_of_ours_that_is_not_there_is_asked_of_nobody_else(registry, serve, name):
    assert ask(serve(registry, [(LOOPBACK, 9)]), name).header.rcode == RCODE.NXDOMAIN


def test_without_any_other_name_server_the_rest_fails_at_once(registry, serve):
    assert ask(serve(registry, []), "example.org").header.rcode == RCODE.SERVFAIL


def test_what_others_know_is_asked_of_them(registry, serve):
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind((LOOPBACK, 0))

    def answer():
        query, client = other.recvfrom(512)
        reply = DNSRecord.parse(query).reply()
        reply.add_answer(RR("example.org", QTYPE.A, rdata=A("192.0.2.1"), ttl=60))
        other.sendto(reply.pack(), client)

    thread = threading.Thread(target=answer)
    thread.start()
    reply = ask(serve(registry, [other.getsockname()]), "example.org")
    thread.join()
    other.close()
    assert [str(row.rdata) for row in reply.rr] == ["192.0.2.1"]


def test_what_is_no_query_gets_no_answer_and_harms_nothing(registry, serve):
    port = serve(registry, [])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.sendto(b"garbage", (LOOPBACK, port))
    assert ask(port, "ip-10-213-0-5.us-west-2.compute.internal").rr


def test_the_daemon_answers_names():
    with endpoint() as cloud:
        known = json.loads((cloud.home / "endpoint.json").read_text())
        name = "ip-127-213-0-5.us-west-2.compute.internal"
        reply = ask(known["names_port"], name, address=known["gateway"])
        assert [str(row.rdata) for row in reply.rr] == ["127.213.0.5"]


def test_name_servers_are_read_from_the_usual_file(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text("search example.org\n# nameserver 1.1.1.1\nnameserver 192.0.2.53\nnameserver\n")
    assert names.servers(path) == [("192.0.2.53", 53)]
    assert names.servers(tmp_path / "none") == []
