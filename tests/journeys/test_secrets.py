"""The stage's secrets, once it is built and in service: where they have to be, and nowhere else."""

import json

import pytest

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def secrets(ada):
    """{name: text} of every secret of the stage: the application's three, the database's master password, our key."""
    vault = ada.client("secretsmanager")
    texts = {it["Name"]: it["ARN"] for it in vault.list_secrets()["SecretList"]}
    found = {name: vault.get_secret_value(SecretId=arn)["SecretString"] for name, arn in texts.items()}
    found = {name: json.loads(text)["password"] if text.startswith("{") else text for name, text in found.items()}
    assert len(found) == 4 and all(len(text) >= 20 for text in found.values()), sorted(found)
    private = (ada.home / ".ssh/hydra-local").read_text().splitlines()[1]
    return found | {"the operator's key": ada.endpoint.secret_key, "our private SSH key": private}


def those_in(secrets, text):
    """The names of the secrets that this text holds."""
    return [name for name, secret in secrets.items() if secret in text]


def test_no_command_line_held_one_while_the_stage_was_built(ada, secrets):
    lines = b"\n".join(ada.command_lines).decode(errors="replace")
    assert "systemd-nspawn" in lines and "redis-server" in lines and "gunicorn" in lines
    assert those_in(secrets, lines) == []


def test_nothing_that_was_printed_holds_one(ada, secrets):
    for line in ("plan --json", "cloud.status --json", "rds.status --json", "vault.status"):
        ada.fab(f"local {line}")
    ada.fab("local destroy --plan --json", code=2)
    assert those_in(secrets, "\n".join(told.all for told in ada.told)) == []


def test_no_log_of_the_cloud_holds_one(ada, secrets):
    home = ada.place.home
    logs = [home / "cloud.log", *home.glob("machines/*/console.log")]
    assert len(logs) == 3
    assert {log: those_in(secrets, log.read_text(errors="replace")) for log in logs} == {log: [] for log in logs}


def test_on_the_machine_they_are_only_in_files_that_none_but_their_service_may_read(ada, secrets):
    said = ada.inside(ada.machines()[0]["InstanceId"])
    held = "\n".join(secrets.values()).encode()
    folders = "/etc /srv /home /root /tmp /var/log /var/tmp /run /opt /usr/local"
    found = said(f"umask 077; cat > /dev/shm/held; grep -rlaFs -f /dev/shm/held {folders}; rm /dev/shm/held", feed=held)
    files = sorted(name for name in found.splitlines() if not name.startswith("/run/credentials/"))
    assert files == [
        "/etc/hydra/credentials/mysql_password",
        "/etc/hydra/credentials/redis_password",
        "/etc/hydra/credentials/secret_key",
        "/etc/hydra/mysql.cnf",
        "/etc/redis/hydra.conf",
    ]
    assert set(said(f"stat -c '%a %U' {' '.join(files)}").splitlines()) == {"600 root", "640 root"}
    assert those_in(secrets, said("journalctl --no-pager -o cat")) == []


def test_no_process_on_the_machine_has_one_in_its_environment(ada, secrets):
    said = ada.inside(ada.machines()[0]["InstanceId"])
    assert those_in(secrets, said("cat /proc/[0-9]*/environ | tr '\\0' '\\n'; systemctl show-environment")) == []
