"""The engine and the backend in a Django project that is not ours: a few settings of its own, users of its own."""

import os
import subprocess
import sys

import pytest
from django.contrib.auth.hashers import make_password

from tests.web.servers import ROOT
from webapp.users import accounts

SETTINGS = """
SECRET_KEY = "a key of another project, as long as it likes to be"
ALLOWED_HOSTS = ["testserver"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
ROOT_URLCONF = "pages"
ENVIRONMENT = "production"  # a name that others use too
SESSION_ENGINE = "webapp.sessions.store"
AUTHENTICATION_BACKENDS = ["webapp.users.backend.SimpleDBBackend"]
"""
PAGES = """
from django.contrib.auth import authenticate
from django.http import HttpResponse
from django.urls import path

def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse(str(request.session["count"]))

async def acount(request):
    await request.session.aset("count", await request.session.aget("count", 0) + 1)
    return HttpResponse(str(await request.session.aget("count")))

def sign_in(request):
    authenticate(request, username="nobody-here", password="wrong")
    return HttpResponse("no")

urlpatterns = [path("count/", count), path("acount/", acount), path("sign-in/", sign_in)]
"""
START = "import django; django.setup(); from django.test import Client; browser = Client();"
COUNT = "print(*[browser.get(page).content.decode() for page in ('/count/', '/acount/', '/count/')])"
SIGN_IN = """
from django.core.management import call_command
from django.contrib.auth import authenticate, get_user
call_command("migrate", verbosity=0)
for word in ("wrong", {password!r}):
    print(browser.login(username={name!r}, password=word))
browser.get("/count/")
from django.http import HttpRequest
request = HttpRequest()
request.session, request.META = browser.session, {{"REMOTE_ADDR": "192.0.2.7"}}
print(get_user(request), authenticate(request, username={name!r}, password={password!r}))
"""


OURS = """
MIDDLEWARE = [
    "webapp.outage.OutageMiddleware",
    "webapp.limits.middleware.LimitsMiddleware",
    "webapp.sessions.middleware.SessionMiddleware",
]
"""
AWAY = """
browser.cookies["sessionid"] = "a" * 32
answer = browser.get("/count/")
print(answer.status_code, answer.headers["Retry-After"], answer.content.decode())
"""
OFTEN = """
answers = [browser.get("/sign-in/") for _ in range(9)]
print(*[answer.status_code for answer in answers], answers[-1].headers["Retry-After"] > "0")
"""


@pytest.fixture
def elsewhere(tmp_path):
    """Runs code in that project, with more settings and with an environment; gives what became of it."""
    (tmp_path / "pages.py").write_text(PAGES)

    def run(code, more="", **environment):
        (tmp_path / "theirs.py").write_text(SETTINGS + more)
        path = f"{ROOT}{os.pathsep}{tmp_path}"
        environment |= {"PATH": os.environ["PATH"], "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "theirs"}
        words = [sys.executable, "-c", START + code]
        return subprocess.run(words, env=environment, cwd="/", capture_output=True, text=True, timeout=60)

    return run


def test_sessions_need_to_be_told_of_redis_alone_by_the_environment(elsewhere, servers):
    redis = {name: value for name, value in servers.environment.items() if name.startswith("REDIS_")}
    done = elsewhere(COUNT, **redis)
    assert done.stdout.split() == ["1", "2", "3"], done.stderr


def test_or_by_settings(elsewhere, servers):
    redis = {name: value for name, value in servers.environment.items() if name.startswith("REDIS_")}
    more = "".join(f"{name} = {value!r}\n" for name, value in redis.items())
    done = elsewhere(COUNT, more, REDIS_URL="redis://127.0.0.1:1/0")
    assert done.stdout.split() == ["1", "2", "3"], done.stderr


def test_a_project_that_names_no_redis_is_told_to(elsewhere):
    done = elsewhere(COUNT)
    assert "ImproperlyConfigured: Django's settings or the environment must say:\n  REDIS_URL: missing" in done.stderr


def test_who_has_an_account_signs_in_to_a_project_with_users_of_its_own(elsewhere, servers, new_name, password):
    name = new_name()
    accounts.store().create(name, make_password(password, hasher="pbkdf2_sha256"))
    done = elsewhere(SIGN_IN.format(name=name, password=password), **servers.environment, **servers.aws)
    assert done.stdout.split() == ["False", "True", name, name], done.stderr


def test_our_middleware_answers_503_where_there_is_no_page_for_it(elsewhere):
    done = elsewhere(AWAY, OURS, REDIS_URL="redis://127.0.0.1:1/0")
    assert done.stdout.startswith("503 5 Redis cannot be reached just now."), done.stderr


def test_and_429_to_who_tries_too_often(elsewhere, servers):
    done = elsewhere(OFTEN, OURS, **servers.environment, **servers.aws)
    assert done.stdout.split() == ["200"] * 5 + ["429"] * 4 + ["True"], done.stderr
