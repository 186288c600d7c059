"""What a load balancer and a browser's defences are told."""

import platform
import re
import signal
import threading
from pathlib import Path

import django
import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.templatetags.static import static

from tests.web.conftest import Browser
from webapp.health.middleware import release
from webapp.health.probes import ASKERS, QUESTIONS
from webapp.outage import store_away
from webapp.sessions.connection import connection as redis

pytestmark = pytest.mark.django_db


def test_alive_answers_any_host_without_tls_and_touches_no_store(client, gate, django_assert_num_queries):
    with gate.counting() as operations, django_assert_num_queries(0):
        answer = client.get("/healthz", headers={"host": "10.0.0.7"})
    assert (answer.status_code, answer.text, operations) == (200, "ok\n", [])


def test_ready_names_each_store_with_its_latency(client):
    answer = client.get("/readyz", headers={"host": "10.0.0.7"})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["ready"], told["down"]) == (True, [])
    assert set(told["stores"]) == set(QUESTIONS)
    assert all(store["ok"] and store["milliseconds"] > 0 for store in told["stores"].values())


def test_not_ready_says_which_store_is_down(client, gate, servers):
    servers.processes["redis"].send_signal(signal.SIGSTOP)
    try:
        with gate.shut():
            answer = client.get("/readyz")
    finally:
        servers.processes["redis"].send_signal(signal.SIGCONT)
    assert answer.status_code == 503
    assert answer.json()["down"] == ["simpledb", "redis"]
    assert answer.json()["stores"]["simpledb"]["error"] == "Unavailable"


def test_stores_are_asked_at_the_same_time(client, monkeypatch):
    all_asked = threading.Barrier(len(QUESTIONS), timeout=30)
    for store in QUESTIONS:
        monkeypatch.setitem(QUESTIONS, store, all_asked.wait)
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("store", ["mysql", "simpledb"])
def test_a_store_that_hangs_is_down_before_the_load_balancer_gives_us_up(client, servers, store):
    process = servers.processes[servers.engine if store == "mysql" else store]
    process.send_signal(signal.SIGSTOP)
    try:
        answer = client.get("/readyz")
    finally:
        process.send_signal(signal.SIGCONT)
    assert (answer.status_code, answer.json()["down"]) == (503, [store])


def test_however_many_ask_a_store_that_hangs_they_share_one_question(servers):
    servers.processes["simpledb"].send_signal(signal.SIGSTOP)
    try:
        first = ASKERS["simpledb"].ask()
        assert all(ASKERS["simpledb"].ask() is first for _ in range(12))
        assert ASKERS["mysql"].ask().result().error == ""
    finally:
        servers.processes["simpledb"].send_signal(signal.SIGCONT)
    first.result()
    assert ASKERS["simpledb"].ask() is not first


def test_a_database_that_takes_our_password_no_more_is_out_of_reach():
    elsewhere = connection.copy()
    elsewhere.settings_dict["PASSWORD"] = "the one before"
    with pytest.raises(OperationalError) as error:
        elsewhere.ensure_connection()
    assert store_away(error.value) == "MySQL"


def test_the_version_names_the_release_and_to_neighbours_what_it_is_made_of(client):
    told = client.get("/version", headers={"host": "10.0.0.7"}).json()
    assert told == {
        "release": "checkout",
        "django": django.get_version(),
        "python": platform.python_version(),
    }
    assert client.get("/version", REMOTE_ADDR="93.184.216.34").json() == {"release": "checkout"}


def test_a_release_is_called_after_its_folder(monkeypatch):
    monkeypatch.setattr("webapp.health.middleware.ROOT", Path("/srv/hydra/releases/0123456789ab"))
    assert release() == "0123456789ab"


def test_http_is_sent_to_https_and_unknown_hosts_are_refused(client, browser):
    answer = client.get("/sign-in/")
    assert (answer.status_code, answer.url) == (301, "https://testserver/sign-in/")
    assert browser.get("/sign-in/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("path", ["/", "/sign-in/", "/no-such-page"])
def test_every_page_carries_its_defences(browser, path):
    headers = browser.get(path).headers
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_cookies_are_for_https_and_not_for_scripts(browser, new_name, password):
    browser.post("/sign-up/", {"username": new_name(), "password1": password, "password2": password})
    assert {"__Host-sessionid", "__Host-csrftoken"} <= set(browser.cookies)
    assert all(name.startswith("__Host-") for name in browser.cookies)
    for cookie in browser.cookies.values():
        assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")
        assert cookie["samesite"] == "Lax"


def test_pages_need_nothing_from_elsewhere_and_nothing_inline(browser):
    page = browser.get("/sign-up/").text
    assert "http://" not in page and "https://" not in page
    assert "<style" not in page and "style=" not in page and " on" not in "".join(re.findall("<[^>]*>", page))
    assert all(tag.startswith('<script src="/static/') for tag in re.findall("<script[^>]*>", page))
    assert not re.findall("<script[^>]*>[^<]", page)


def test_a_page_that_is_not_there_is_said_kindly(browser):
    page = browser.get("/no-such-page")
    assert page.status_code == 404
    assert "There is nothing here" in page.text


def test_a_form_without_its_token_is_refused_kindly(password):
    page = Browser(enforce_csrf_checks=True).post("/sign-in/", {"username": "x", "password": password})
    assert page.status_code == 403
    assert "The form has expired" in page.text


def test_the_icon_that_browsers_look_for_by_themselves_is_ours(browser, django_assert_num_queries):
    browser.cookies["__Host-sessionid"] = "x" * 32  # with which a page would ask Redis who that is
    asked = lambda: redis().info("commandstats").get("cmdstat_get", {"calls": 0})["calls"]  # noqa: E731
    before = asked()
    with django_assert_num_queries(0):
        answer = browser.get("/favicon.ico")
    assert asked() == before
    assert (answer.status_code, answer.url) == (302, static("icon.svg"))
    assert answer["Cache-Control"] == "public, max-age=86400"
    assert not answer.cookies and "Vary" not in answer


def test_static_files_carry_a_hash_in_their_names(browser):
    assert f"{settings.STATIC_URL}style." in browser.get("/sign-in/").text
    assert list(settings.STATIC_ROOT.glob("style.*.css"))
