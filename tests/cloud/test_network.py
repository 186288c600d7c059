"""The network: what no firewall admits is closed, hosts are who they say they are, services have their address."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fabfile.localcloud import network, real
from fabfile.localcloud.drivers import Guard, Rule
from fabfile.localcloud.filters import METADATA, NAMES
from fabfile.localcloud.network import RealNetwork

from .conftest import EVERYTHING, SSH

pytestmark = pytest.mark.hosts

A, B = 10, 11
WEB = Rule("tcp", 8080, 8080, ("0.0.0.0/0",))
LISTEN = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(self.client_address[0].encode())
    def log_message(self, *words): pass
http.server.HTTPServer(("", 8080), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def pair(ground):
    """Two machines, one of which serves HTTP at port 8080 and says who asked."""
    ground.boot("i-a", A)
    ground.boot("i-b", B)
    ground.machines.put("i-b", "/root/listen.py", LISTEN.encode())
    ground.said("i-b", "systemd-run --quiet --unit listen python3 /root/listen.py")
    ground.said("i-b", "until curl -s -o /dev/null http://127.0.0.1:8080/; do sleep 0.05; done")
    return ground


def reaches(ground, address, port=8080):
    """Whether this machine gets a connection."""
    try:
        socket.create_connection((address, port), timeout=1).close()
    except TimeoutError:
        return False
    return True


def asks(ground, url, code=0):
    return ground.said("i-a", f"curl -s --max-time 1 {url}", code)


def test_a_port_not_opened_is_closed_for_this_machine_and_for_others(pair):
    pair.open(pair.address(A), pair.address(B))
    assert not reaches(pair, pair.address(B))
    assert asks(pair, f"http://{pair.address(B)}:8080/", code=28) == ""


def test_a_port_opened_is_open_for_both(pair):
    pair.open(pair.address(A), pair.address(B), inbound=(WEB,))
    assert reaches(pair, pair.address(B))
    assert asks(pair, f"http://{pair.address(B)}:8080/") == pair.address(A)


def test_a_port_opened_for_one_address_is_open_for_no_other(pair):
    only_a = Rule("tcp", 8080, 8080, (f"{pair.address(A)}/32",))
    pair.network.guard(
        [Guard(pair.address(A), (), (EVERYTHING,)), Guard(pair.address(B), (only_a,), (EVERYTHING,))],
    )
    assert not reaches(pair, pair.address(B))
    assert asks(pair, f"http://{pair.address(B)}:8080/") == pair.address(A)


def test_a_host_without_rules_for_the_way_out_gets_nowhere(pair):
    pair.network.guard([Guard(pair.address(A), (WEB,)), Guard(pair.address(B), (WEB,), (EVERYTHING,))])
    assert asks(pair, f"http://{pair.address(B)}:8080/", code=28) == ""


def test_a_host_no_firewall_names_is_closed(pair):
    pair.network.guard([])
    assert not reaches(pair, pair.address(B))


def test_blocks_that_overlap_are_no_stumbling_block(pair):
    rule = Rule("tcp", 8080, 8080, ("10.0.0.0/8", f"{pair.address(A)}/32", "::/0", pair.block))
    pair.open(pair.address(A), pair.address(B), inbound=(rule,))
    assert asks(pair, f"http://{pair.address(B)}:8080/") == pair.address(A)


def test_ping_passes_where_icmp_is_open_only(pair):
    pair.open(pair.address(A), pair.address(B), inbound=(Rule("icmp", 0, 65535, ("0.0.0.0/0",)),))
    pair.said("i-a", f"ping -c 1 -W 1 {pair.address(B)}")
    pair.open(pair.address(A), pair.address(B))
    pair.said("i-a", f"ping -c 1 -W 1 {pair.address(B)}", code=1)


def test_a_host_cannot_speak_as_another(pair):
    pair.open(pair.address(A), pair.address(B), inbound=(WEB,))
    stolen = pair.address(99)
    pair.said("i-a", f"ip address add {stolen}/32 dev eth0")
    asked = pair.said("i-a", f"curl -s --max-time 1 --interface {stolen} http://{pair.address(B)}:8080/", code=28)
    pair.said("i-a", f"ip address del {stolen}/32 dev eth0")
    assert asked == ""


class Speaks(BaseHTTPRequestHandler):
    """Says who asked."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.client_address[0].encode())

    def log_message(self, *words):
        pass


@pytest.fixture
def service(pair):
    """An HTTP server on the gateway, at a port of the kernel's choice."""
    with HTTPServer((pair.network.gateway, 0), Speaks) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_the_metadata_address_leads_to_this_clouds_service(pair, service):
    pair.network.metadata_port = service
    pair.open(pair.address(A))
    assert asks(pair, f"http://{METADATA}/latest/") == pair.address(A)
    pair.network.metadata_port = 0


def test_the_metadata_address_is_reached_whatever_the_firewall_says(pair, service):
    pair.network.metadata_port = service
    pair.network.guard([])
    assert asks(pair, f"http://{METADATA}/latest/") == pair.address(A)
    pair.network.metadata_port = 0


def test_of_this_machine_a_host_reaches_the_endpoint_only(pair, service):
    pair.network.endpoint_port = 0
    pair.open(pair.address(A))
    assert asks(pair, f"http://{pair.network.gateway}:{service}/", code=28) == ""
    pair.network.endpoint_port = service
    pair.open(pair.address(A))
    assert asks(pair, f"http://{pair.network.gateway}:{service}/") == pair.address(A)
    pair.network.endpoint_port = 0


def test_the_resolvers_address_leads_to_this_clouds_names(pair):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((pair.network.gateway, 0))
        server.settimeout(10)
        pair.network.names_port = server.getsockname()[1]
        pair.open(pair.address(A))
        asker = threading.Thread(
            target=pair.machines.run, args=("i-a", ["timeout", "1", "getent", "hosts", "db.local"])
        )
        asker.start()
        question, (who, _) = server.recvfrom(512)
        asker.join()
    pair.network.names_port = 0
    assert (who, b"\x02db\x05local" in question) == (pair.address(A), True)
    assert pair.said("i-a", "cat /etc/resolv.conf") == f"nameserver {NAMES}"


def test_a_second_network_object_finds_the_same_block(pair):
    assert RealNetwork(pair.place).up() == pair.block


def test_this_machine_forwards_for_the_clouds_wires_only(pair):
    link = pair.network.link(pair.address(A))
    conf = Path("/proc/sys/net/ipv4/conf")
    assert (conf / link / "forwarding").read_text() == "1\n"
    table = real.run(["nft", "list", "table", "inet", pair.place.prefix]).stdout.decode()
    assert 'oifname != "hy*" ct state new drop' in table or (conf.parent / "ip_forward").read_text() == "1\n"


def test_plugging_again_repairs_what_is_half_there(pair):
    pair.open(pair.address(A), inbound=(SSH,))
    real.run(["ip", "link", "del", pair.network.link(pair.address(A))])
    pair.network.plug("i-a", pair.address(A))
    assert pair.ssh("i-a", A, "true").returncode == 0


def test_down_leaves_nothing(pair):
    pair.network.down()
    assert (network.traces(pair.place.prefix), RealNetwork(pair.place).up()) == ([], pair.block)
