"""What every resource promises, tested once: plan, make, plan, make, tear down, against a real endpoint."""

import pytest

from fabfile import ec2
from fabfile.database import Database, ParameterGroup
from fabfile.ebs import Volume
from fabfile.ec2 import KeyPair, Machine
from fabfile.engine.plan import idle, walk
from fabfile.engine.world import World
from fabfile.firewalls import Admit, Firewall
from fabfile.roles import InstanceRole
from fabfile.sdb import Domain
from fabfile.stages import DEBIAN, SETTINGS, user_domains_only
from fabfile.vault import RandomSecret
from tests.cloud.endpoint import REGION, endpoint


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys")
    with endpoint() as cloud:
        yield World(
            REGION,
            key_file=str(keys / "key"),
            endpoint=cloud.url,
            credentials=(cloud.access_key, cloud.secret_key),
            patience=0.02,
        )


def wants(folder):
    """One resource of each kind, each after those it names."""
    return [
        KeyPair("test-key", f"{folder}/hydra-test"),
        Firewall("test-web", (Admit(22, ("10.0.0.0/8",)), Admit(80, ("0.0.0.0/0",)))),
        Firewall("test-db", (Admit(3306, firewalls=("test-web",)),)),
        InstanceRole("test-web", user_domains_only("test")),
        RandomSecret("test-mysql"),
        ParameterGroup("test-mysql84", "mysql8.4", SETTINGS),
        Database("test-db", "8.4", "db.t4g.micro", 20, "test-mysql84", ("test-db",), protected=False, keep=False),
        Domain("test-users-00"),
        Machine("test-web", DEBIAN, "t3.small", f"{REGION}a", key="test-key", role="test-web", firewalls=("test-web",)),
        Volume("test-data", f"{REGION}a", 10),
    ]


KINDS = [f"{want}".replace(" ", "-") for want in wants("/nowhere")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def want(request, folder):
    return wants(folder)[request.param]


def plan(world, want):
    return walk(want.plan(want.look(world)), idle)


def make(world, want):
    return walk(want.plan(want.look(world)), world.do)


each = pytest.mark.parametrize("want", range(len(KINDS)), ids=KINDS, indirect=True)


class TestEveryResource:
    """In building order: the tests of a kind find made what those before it have made."""

    @each
    def test_is_planned_then_made_once_and_then_left_alone(self, world, want):
        assert not want.look(world), "nothing is there at first"
        planned = plan(world, want)
        assert planned and not want.look(world), "a plan says what it would take, and changes nothing"

        made = make(world, want)
        assert [step.says for step in made] == [step.says for step in planned], "what was planned is what is done"

        assert want.look(world)
        assert plan(world, want) == []
        assert make(world, want) == []

    @pytest.mark.parametrize("want", list(range(len(KINDS)))[::-1], ids=KINDS[::-1], indirect=True)
    def test_is_gone_once_torn_down(self, world, want):
        seen = want.look(world)
        planned = walk(want.teardown(seen), idle)
        assert planned and want.look(world), "a plan of tearing down takes nothing away"

        walk(want.teardown(seen), world.do)

        assert not want.look(world)


def test_a_machine_is_known_by_its_tags_and_has_its_key_pinned(world, folder):
    machine = wants(folder)[8]
    for it in wants(folder)[:4]:
        make(world, it)
    make(world, machine)

    host = world.host("test-web")

    assert host.host_keys[0].startswith("ssh-ed25519 ")
    assert host.address == ec2_address(world)


def ec2_address(world):
    found = world.read("ec2", "describe_instances", InstanceIds=[ec2.machine_id(world, "test-web")])
    return found["Reservations"][0]["Instances"][0]["PrivateIpAddress"]


def test_a_look_may_not_change_anything(world):
    with pytest.raises(ValueError, match="yield it from a plan"):
        world.read("ec2", "create_volume")
