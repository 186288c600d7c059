"""The settings: all from the environment, all that is wrong said at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.web.servers import ROOT
from webapp.environment import Environment

EXAMPLE = ROOT / "webapp" / "environment.example"
PYTHON = Path(sys.executable)


def example(**changes):
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    values = dict(line.split("=", 1) for line in lines)
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


def run(*command, **environment):
    return subprocess.run(
        [str(part) for part in command],
        env={"PATH": os.environ["PATH"], **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )


def check(**environment):
    manage = ROOT / "webapp" / "manage.py"
    return run(PYTHON, manage, "check", "--deploy", "--fail-level", "WARNING", **environment)


def test_the_example_passes_the_deployment_check_with_nothing_silenced():
    done = check(**example())
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr


def test_the_example_names_every_setting():
    named = {line.lstrip("#").split("=")[0] for line in EXAMPLE.read_text().splitlines() if "=" in line}
    assert {name.upper() for name in Environment.model_fields} <= named


def test_all_that_is_missing_is_said_at_once_without_a_traceback():
    done = check()
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for name in example():
        assert f"  {name}: missing\n" in done.stderr
    assert "environment.example" in done.stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"SECRET_KEY": "too-short"}, "SECRET_KEY: "),
        ({"PUBLIC_URL": "www.example.org"}, "PUBLIC_URL: write it as https://"),
        ({"PUBLIC_URL": "http://10.0.0.1"}, "ALLOW_HTTP=true"),
        ({"MYSQL_PORT": "none"}, "MYSQL_PORT: "),
        ({"MYSQL_CA": "/no/such/file.pem"}, "MYSQL_CA: "),
        ({"REDIS_URL": "redis://:secret@host:6379/0"}, "REDIS_PASSWORD"),
        ({"USER_SHARDS": "0"}, "USER_SHARDS: "),
        ({"EXACT_NAMES": "perhaps"}, "EXACT_NAMES: "),
        ({"EMAIL_URL": "smtp://u:secret@host"}, "EMAIL_PASSWORD"),
        ({"MYSQL_PASSWORD": ""}, "MYSQL_PASSWORD: missing"),
        ({"PUBLIC_URL": "https://www.example.org:secret"}, "PUBLIC_URL: write it as https://"),
        ({"PUBLIC_URL": "https://ada:secret@www.example.org"}, "PUBLIC_URL: write it as https://"),
        ({"MYSQL_CA": "/etc/hostname"}, "MYSQL_CA: there is no certificate in this file"),
        ({"REDIS_URL": "redis://host:port/0"}, "REDIS_URL: write it as redis://"),
        ({"REDIS_URL": "redis://host:6379/first"}, "REDIS_URL: write it as redis://"),
        ({"EMAIL_URL": "smtp://host:99999"}, "EMAIL_URL: write it as smtp://"),
        ({"EMAIL_FROM": "nobody"}, "EMAIL_FROM: "),
        ({"AWS_REGION": "US West (Oregon)"}, "AWS_REGION: "),
        ({"SECRET_KEY": "", "CREDENTIALS_DIRECTORY": "/no/such"}, "CREDENTIALS_DIRECTORY: there is no folder /no/such"),
    ],
)
def test_what_is_wrong_is_said_by_name_and_never_by_value(monkeypatch, changes, said):
    for name, value in example(**changes).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        Environment.read()
    assert said in end.value.code
    assert "secret" not in end.value.code and "too-short" not in end.value.code


def test_secrets_may_be_files_that_systemd_hands_over(tmp_path):
    names = ["SECRET_KEY", "MYSQL_PASSWORD", "REDIS_PASSWORD"]
    for name in names:
        (tmp_path / name).write_text(example()[name] + "\n")
    done = check(**example(**dict.fromkeys(names)), CREDENTIALS_DIRECTORY=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_http_may_be_allowed_on_purpose():
    manage = ROOT / "webapp" / "manage.py"
    done = run(PYTHON, manage, "check", **example(PUBLIC_URL="http://10.0.0.1", ALLOW_HTTP="true"))
    assert done.returncode == 0, done.stderr


def test_gunicorn_ends_at_once_with_the_same_message():
    done = run(PYTHON.with_name("gunicorn"), "-c", ROOT / "webapp" / "gunicorn.conf.py")
    assert done.returncode == 1
    assert "SECRET_KEY: missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_shards_and_store_need_neither_django_nor_settings():
    code = "import sys, webapp.users.shards, webapp.users.store; sys.exit(any(m in sys.modules for m in %r))"
    done = run(PYTHON, "-c", code % (["django", "boto3", "botocore"],), PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
