"""The worker that rolls up clicks is deployed beside the application, with the same settings and secrets."""

import re

import pytest

from fabfile import stages
from fabfile.deploy import CREDENTIALS, ROLLER, ROOT, Release
from fabfile.engine.operations import Directory, File, Service, User

UNIT = "/etc/systemd/system/hydra-links.service"


@pytest.fixture
def release():
    return stages.LIVE.of(Release)[0]


@pytest.fixture
def operations(release):
    secrets = {name: f"value of {name}" for name, _ in release.secrets}
    return release.operations("us-west-2", "192.0.2.1", ("db", 3306), secrets)


def unit(operations, path):
    (text,) = [each.content for each in operations if isinstance(each, File) and each.path == path]
    return text


def settings(text, *names):
    return sorted(line for line in text.splitlines() if line.partition("=")[0] in names)


def test_the_worker_is_told_what_the_application_is_told_and_may_no_more(operations):
    worker, web = unit(operations, UNIT), unit(operations, UNIT.replace("links", "web"))
    same = (
        "User",
        "Group",
        "WorkingDirectory",
        "EnvironmentFile",
        "LoadCredential",
        "ProtectSystem",
        "NoNewPrivileges",
    )
    assert settings(worker, *same) == settings(web, *same)
    assert "{" not in worker


def test_systemd_never_gives_up_starting_either(operations):
    for path in (UNIT, UNIT.replace("links", "web")):
        assert settings(unit(operations, path), "Restart", "StartLimitIntervalSec") == [
            "Restart=always",
            "StartLimitIntervalSec=0",
        ]


def test_it_runs_a_command_that_is_there(operations):
    command = re.search(r"ExecStart=\S+/python (\S+) (\S+) --every 60$", unit(operations, UNIT), re.M)
    assert (ROOT / command[1]).exists()
    assert list(ROOT.glob(f"webapp/*/management/commands/{command[2]}.py"))


def test_it_is_started_after_the_migrations_and_anew_for_a_new_release(release, operations):
    (service,) = [each for each in operations if isinstance(each, Service) and each.unit == "hydra-links.service"]
    told = {"/srv/hydra/current", "/etc/hydra/web.env", UNIT, *(f"{CREDENTIALS}/{name}" for name, _ in release.secrets)}
    assert set(service.restart_for) == told
    says = [str(getattr(each, "says", each)) for each in operations]
    assert says.index("migrate the database") < operations.index(service)
    (stop,) = release.teardown(None)
    assert "hydra-links" in str(stop)


def test_the_secrets_of_the_release_before_stay_until_this_one_answers(operations):
    """Its units name them: after a deploy that failed half way, it could not be started again without them."""
    says = [str(getattr(each, "says", each)) for each in operations]
    assert says.index("see that it answers") < says.index("remove secrets that it needs no longer")


STANDS_IN = """#!/bin/sh
echo "$*" "$(cat "$CREDENTIALS_DIRECTORY"/*)" > /tmp/told
trap 'exit 0' TERM
while :; do sleep 0.1; done
"""


@pytest.mark.hosts
def test_systemd_starts_it_with_its_secrets_and_stops_it_when_told(machine, pool):
    release = stages.LOCAL.of(Release)[0]
    wanted = (
        User("hydra", home="/srv/hydra"),
        *(Directory(path) for path in ("/srv/hydra", "/etc/hydra", "/srv/hydra/current")),
        Directory(CREDENTIALS, mode=0o700),
        *(File(f"{CREDENTIALS}/{name}", f"<{name}>", mode=0o600) for name, _ in release.secrets),
        File("/etc/hydra/web.env", "WORKERS=2\n"),
        Directory("/srv/hydra/current/.venv"),
        Directory("/srv/hydra/current/.venv/bin"),
        File("/srv/hydra/current/.venv/bin/python", STANDS_IN, mode=0o755),
        File(UNIT, release.unit(ROLLER)),
        Service("hydra-links"),
    )
    pool.apply(machine, wanted)
    assert {outcome.state for outcome in pool.facts(machine, wanted)} == {"ok"}
    where = "/tmp/systemd-private-*-hydra-links.service-*/tmp/told"
    told = pool.run(machine, f"for i in $(seq 100); do test -s {where} && break; sleep 0.1; done; cat {where}").out
    assert "webapp/manage.py rolluplinks --every 60" in told
    assert all(f"<{name}>" in told for name, _ in release.secrets)
    stopped = pool.run(machine, "systemctl stop hydra-links; systemctl show -P Result hydra-links").out
    assert stopped.strip() == "success"
