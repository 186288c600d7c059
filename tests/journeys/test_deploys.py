"""Deploys with people on the site: a new release, bad ones, and one that sends mail."""

import json
import re
import select
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

from fabfile.localcloud import real
from script.visit import Browser
from tests.web.certificates import write_certificates

from . import post
from .clicks import Clicks
from .person import ROOT

pytestmark = pytest.mark.hosts

NAME, PASSWORD, NEW_PASSWORD = "Hedy", "hopping between frequencies", "eighty-eight of them"
MAIL_PASSWORD = "given by the provider"


class Checkout:
    """A copy of this one, to be changed; `fab` types a command there."""

    def __init__(self, folder, person):
        self.folder, self.person = folder, person
        for name in ("fabfile", "webapp"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "fabric.yaml", folder)

    def fab(self, line, **more):
        return self.person.fab(line, cwd=self.folder, **more)

    @contextmanager
    def changed(self, path, change):
        """While within, the file of that path is `change` of what it was (of an empty text, if it was not there)."""
        file = self.folder / path
        before = file.read_text() if file.exists() else ""
        file.write_text(change(before))
        yield
        file.write_text(before) if before else file.unlink()


@pytest.fixture(scope="module")
def checkout(ada, tmp_path_factory):
    """A copy of this checkout; what was deployed of it is taken out of service again."""
    yield Checkout(tmp_path_factory.mktemp("checkout"), ada)
    ada.fab("local deploy")


@pytest.fixture
def url(ada):
    """Where the application is."""
    return f"http://{ada.machines()[0]['PrivateIpAddress']}"


LAST_MIGRATION = sorted(path.stem for path in (ROOT / "webapp/links/migrations").glob("0*.py"))[-1]
WRONG_MIGRATION = f"""
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("links", "{LAST_MIGRATION}")]
    operations = [migrations.RunSQL("ALTER TABLE nothing_of_that_name ADD one INT")]
"""


def test_nobody_is_turned_away_while_a_release_is_put_in_service_nor_when_it_cannot_be(ada, checkout, url):
    said = ada.inside(ada.machines()[0]["InstanceId"])
    first = said("readlink /srv/hydra/current")
    with Clicks(f"{url}/sign-in/", rate=20, patience=60) as visits:
        # A new stylesheet is a new page of nginx's own, too.
        with checkout.changed("webapp/static/style.css", lambda text: text + "/* anew */\n"):
            checkout.fab("local deploy")
            good = said("readlink /srv/hydra/current")
        with checkout.changed("webapp/wsgi.py", lambda text: text + "import nothing_of_that_name\n"):
            told = checkout.fab("local deploy", code=1).all
        assert "No module named 'nothing_of_that_name'" in told and "cannot start" in told
        with checkout.changed("webapp/links/migrations/9999_wrong.py", lambda _: WRONG_MIGRATION):
            told = checkout.fab("local deploy", code=1).all
        assert "migrate the database" in told and "nothing_of_that_name' doesn't exist" in told
    assert {visit.status for visit in visits.made} == {200} and len(visits.made) > 50
    assert said("readlink /srv/hydra/current") == good != first


@pytest.fixture
def mails(ada, tmp_path):
    """A mail server beside the machine; reads the next mail. The machine trusts who signed its certificate."""
    (machine,) = ada.machines()
    id, address = machine["InstanceId"], machine["PrivateIpAddress"]
    write_certificates(tmp_path, address)
    trusted = "/usr/local/share/ca-certificates/of-a-test.crt"
    said = ada.inside(id)
    said(f"cat > {trusted}; update-ca-certificates", feed=(tmp_path / "ca.pem").read_bytes())
    # A machine reaches nothing of this one but its cloud: so the server is in the machine's network.
    network = ["ip", "netns", "exec", real.drivers(ada.place)[0].namespace(id)]
    server = [*network, sys.executable, "-m", "tests.journeys.post", address, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(server, cwd=ROOT, bufsize=0, **pipes) as process:
        process.stdin.write(MAIL_PASSWORD.encode() + b"\n")
        assert process.stdout.readline() == b"ready\n"
        yield lambda: next_line(process)
        process.kill()
    said(f"rm {trusted}; update-ca-certificates --fresh")
    ada.client("secretsmanager").delete_secret(SecretId="hydra/local/local-mail", ForceDeleteWithoutRecovery=True)


def next_line(process):
    """What it prints next, once it does."""
    assert select.select([process.stdout], [], [], 60)[0], "no mail came"
    return json.loads(process.stdout.readline())


def sending_mail(stages, host):
    """stages.py as somebody writes it who has a mail server for the stage `local`."""
    for old, new in {
        'RandomSecret("local-django", length=60),': '{} RandomSecret("local-mail"),',
        'email_url="console:",': f'email_url="smtp://{post.USER}@{host}:587", email_from="hydra@example.com",',
        '("secret_key", "local-django"),': '{} ("email_password", "local-mail"),',
    }.items():
        assert stages.count(old) == 1
        stages = stages.replace(old, new.replace("{}", old))
    return stages


def test_with_a_mail_server_in_stages_py_a_forgotten_password_is_replaced_by_mail(ada, mails, checkout, url):
    with checkout.changed("fabfile/stages.py", lambda text: sending_mail(text, url.removeprefix("http://"))):
        checkout.fab("local vault.create")
        checkout.fab("local vault.put local-mail", feed=MAIL_PASSWORD + "\n")
        checkout.fab("local deploy")
    ada.fab(f"local sdb.adduser {NAME} --email hedy@example.org --password-stdin", feed=PASSWORD + "\n")

    visitor = Browser(url)
    visitor.submit("/password/forgotten/", email="hedy@example.org")
    mail = mails()
    assert (mail["from"], mail["to"]) == ("hydra@example.com", "hedy@example.org")
    link = re.search(rf"{url}(/password/new/\S+)", mail["text"])[1]
    token = link.split("/")[-2]
    visitor.get(link)
    visitor.submit(link.replace(token, "set-password"), new_password1=NEW_PASSWORD, new_password2=NEW_PASSWORD)
    assert "password" in mails()["subject"]
    with pytest.raises(SystemExit):
        Browser(url).sign_in(NAME, PASSWORD)
    Browser(url).sign_in(NAME, NEW_PASSWORD)

    said = ada.inside(ada.machines()[0]["InstanceId"])
    logs = said("journalctl --no-pager; cat /var/log/nginx/*.log")
    assert "/password/new/" in logs and token not in logs and MAIL_PASSWORD not in logs
