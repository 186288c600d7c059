"""What a release tells the application: its settings as an environment file, its secrets as credentials."""

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from fabfile import nginx, stages, vault
from fabfile.deploy import CREDENTIALS, Release
from fabfile.engine.errors import Refusal
from fabfile.engine.operations import File
from fabfile.engine.secret import Secret, revealed
from fabfile.engine.stage import Stage, make
from fabfile.engine.world import World
from fabfile.vault import RandomSecret
from tests.cloud.endpoint import REGION, endpoint
from tests.web.certificates import write_certificates


def told(release):
    """The settings that the application is given, by name."""
    text = release.environment(REGION, "192.0.2.1", ("db", 3306))
    return dict(line.split("=", 1) for line in text.splitlines())


@pytest.fixture
def live():
    return stages.LIVE.of(Release)[0]


def test_a_stage_on_the_internet_sends_its_mail(live):
    for release in (live, stages.STAGING.of(Release)[0]):
        assert told(release)["EMAIL_URL"].startswith("smtp://")
        assert "@" in told(release)["EMAIL_FROM"]
        assert "email_password" in dict(release.secrets)


def test_the_local_stage_prints_it_into_the_journal_and_needs_no_password():
    release = stages.LOCAL.of(Release)[0]
    assert told(release)["EMAIL_URL"] == "console:"
    assert "email_password" not in dict(release.secrets)


def test_names_and_proxies_are_as_stages_py_says(live):
    assert (told(live)["EXACT_NAMES"], told(live)["TRUSTED_PROXIES"]) == ("true", "1")
    other = replace(live, exact_names=False, trusted_proxies=2)
    assert (told(other)["EXACT_NAMES"], told(other)["TRUSTED_PROXIES"]) == ("false", "2")


def test_the_application_takes_these_settings(live, tmp_path, monkeypatch):
    from webapp.environment import Environment

    write_certificates(tmp_path)
    for name, value in (told(live) | {"MYSQL_CA": str(tmp_path / "ca.pem")}).items():
        monkeypatch.setenv(name, value)
    for name, _ in live.secrets:
        (tmp_path / name).write_text("x" * 60)
    environment = Environment(_secrets_dir=tmp_path)
    assert (environment.mail.host, environment.mail.user) == ("smtp.example.com", "hydra")
    assert environment.email_password.get_secret_value() == "x" * 60
    assert (environment.exact_names, environment.trusted_proxies) == (True, 1)


def test_the_password_is_a_credential_of_the_unit_and_in_no_other_file(live):
    secrets = {name: Secret(f"text of {name}") for name, _ in live.secrets}
    files = [it for it in live.operations(REGION, "192.0.2.1", ("db", 3306), secrets) if isinstance(it, File)]
    holding = [it.path for it in files if "text of email_password" in str(revealed(it.content))]
    assert holding == [f"{CREDENTIALS}/email_password"]
    assert f"LoadCredential=email_password:{CREDENTIALS}/email_password" in live.unit()


def test_the_address_of_a_client_reaches_the_application_behind_those_before_it(live):
    (site,) = [it for it in live.site() if isinstance(it, File) and it.path == nginx.SITE]
    assert "X-Forwarded-For $proxy_add_x_forwarded_for;" in site.content


@pytest.fixture(scope="module")
def stage():
    """A task's context, for a stage of one secret."""
    with endpoint() as cloud:
        stage = Stage("given", REGION, (RandomSecret("given-mail"),), precious=False)
        keys = (cloud.access_key, cloud.secret_key)
        stage.__dict__["world"] = World(REGION, endpoint=cloud.url, credentials=keys, patience=0.02)
        yield SimpleNamespace(config={"stage": stage}, stage=stage)


class TestAGivenSecret:
    def test_has_to_be_there_first(self, stage, monkeypatch):
        monkeypatch.setattr("sys.stdin", io.StringIO("from the provider\n"))
        with pytest.raises(Refusal, match="given-mail is not there yet: `fab given vault.create`"):
            vault.put.body(stage, "given-mail")

    def test_takes_the_place_of_the_random_one_and_is_not_shown(self, stage, monkeypatch, capsys):
        make(stage, RandomSecret)
        monkeypatch.setattr("sys.stdin", io.StringIO("from the provider\n"))
        vault.put.body(stage, "given-mail")
        make(stage, RandomSecret)
        assert vault.secret(stage.stage.world, "given-mail").reveal() == "from the provider"
        assert "from the provider" not in json.dumps(capsys.readouterr())

    def test_is_refused_when_empty_or_of_no_known_name(self, stage, monkeypatch):
        monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
        with pytest.raises(Refusal, match="No secret was given, nothing was changed"):
            vault.put.body(stage, "given-mail")
        with pytest.raises(Refusal, match="no secret given-male in this stage: it has given-mail"):
            vault.put.body(stage, "given-male")
