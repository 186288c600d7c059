"""Django's functions around a session on our backend: who is let in, who is told, and what ends it."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth import (
    aauthenticate,
    aget_user,
    alogin,
    alogout,
    aupdate_session_auth_hash,
    authenticate,
    get_user,
    login,
    signals,
)
from django.contrib.auth.backends import BaseBackend
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import AsyncRequestFactory
from django.test.utils import CaptureQueriesContext

from tests.web.conftest import Browser
from webapp.sessions.store import SessionStore
from webapp.users import accounts
from webapp.users.backend import SimpleDBBackend
from webapp.users.models import User

pytestmark = pytest.mark.django_db
OURS = "webapp.users.backend.SimpleDBBackend"
MODELS = "django.contrib.auth.backends.ModelBackend"


class Refusing(BaseBackend):
    """Turns everybody away for good."""

    def authenticate(self, request, **credentials):
        raise PermissionDenied


@pytest.fixture
def user(new_name, password):
    """A user who has never signed in."""
    return User.objects.create_user(new_name("Alice"), "", password)


@pytest.fixture
def told():
    """The signals of sign-ins and sign-outs, in order."""
    seen = []

    def note_as(name):
        return lambda **said: seen.append((name, said))

    receivers = {name: note_as(name) for name in ("user_logged_in", "user_login_failed", "user_logged_out")}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    yield seen
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver)


def request_with(factory, store=None):
    request = factory.get("/")
    request.session = store or SessionStore()
    return request


def again(factory, request):
    """Another request of the same session."""
    return request_with(factory, SessionStore(request.session.session_key))


def test_who_is_denied_before_us_does_not_reach_us(user, password, settings, gate, told, hasher):
    settings.AUTHENTICATION_BACKENDS = ["tests.web.test_logins.Refusing", OURS]
    hasher.runs.clear()
    with gate.counting() as operations:
        assert authenticate(None, username=user.username, password=password) is None
    assert (operations, hasher.runs, [name for name, _ in told]) == ([], [], ["user_login_failed"])


def test_our_own_refusal_lets_the_next_backend_try(user, settings, told):
    settings.AUTHENTICATION_BACKENDS = [OURS, "tests.web.test_logins.Refusing"]
    assert authenticate(None, username=user.username, password="wrong") is None
    assert len(told) == 1


@pytest.mark.parametrize("backends", [[OURS], [OURS, MODELS], [MODELS, OURS]])
def test_a_wrong_password_and_an_unknown_name_cost_one_run_of_the_hasher(user, settings, hasher, backends, gate):
    settings.AUTHENTICATION_BACKENDS = backends
    for name in (user.username, f"no-{user.username}"):
        hasher.runs.clear()
        with gate.counting() as operations, CaptureQueriesContext(connection) as queries:
            assert authenticate(None, username=name, password="wrong") is None
        assert (len(hasher.runs), operations, len(queries)) == (1, ["GetAttributes"], len(backends) - 1)


def test_sign_in_and_out_are_told_once_each_with_request_and_user(browser, user, password, told):
    browser.post("/sign-in/", {"username": user.username, "password": "wrong"})
    browser.post("/sign-in/", {"username": user.username, "password": password})
    browser.post("/sign-out/")
    assert [name for name, _ in told] == ["user_login_failed", "user_logged_in", "user_logged_out"]
    failed, entered, left = (said for _, said in told)
    assert failed["credentials"] == {"username": user.username, "password": "********************"}
    assert all(said["request"].path.startswith("/sign-") for said in (failed, entered, left))
    assert entered["user"] == left["user"] == user
    assert accounts.find(user.username).last_login


def test_a_sign_in_on_the_page_is_one_request_and_one_query_once_it_is_noted(browser, user, password, gate):
    form = {"username": user.username, "password": password}
    browser.post("/sign-in/", form)
    with gate.counting() as operations, CaptureQueriesContext(connection) as queries:
        assert Browser().post("/sign-in/", form).status_code == 302
    assert operations == ["GetAttributes"]
    assert [query["sql"].split()[0] for query in queries] == ["SELECT"]


def test_known_and_unknown_names_cost_alike_on_the_page(user, gate):
    costs = []
    for name in (user.username, user.username.upper(), f"no-{user.username}"):
        with gate.counting() as operations, CaptureQueriesContext(connection) as queries:
            Browser().post("/sign-in/", {"username": name, "password": "wrong"})
        costs.append((operations, [query["sql"].split()[0] for query in queries]))
    assert costs == [(["GetAttributes"], ["SELECT"])] * 3


def test_the_first_sign_in_alone_writes_to_mysql(new_name, password, hasher):
    account = accounts.store().create(new_name(), hasher().encode(password, "salt of this test"))
    form = {"username": account.name, "password": password}
    with CaptureQueriesContext(connection) as first:
        Browser().post("/sign-in/", form)
    with CaptureQueriesContext(connection) as second:
        Browser().post("/sign-in/", form)
    assert any(query["sql"].startswith("INSERT") for query in first)
    assert [query["sql"].split()[0] for query in second] == ["SELECT"]


def test_another_user_s_session_is_emptied_at_sign_in(browser, user, new_name, password):
    browser.post("/sign-in/", {"username": user.username, "password": password})
    session = browser.session
    session["basket"] = "apples"
    session.save()
    other = User.objects.create_user(new_name(), "", password)
    browser.post("/sign-in/", {"username": other.username, "password": password})
    assert "basket" not in browser.session
    assert not SessionStore().exists(session.session_key)


def test_signing_out_destroys_the_stored_session(browser, user, password):
    browser.post("/sign-in/", {"username": user.username, "password": password})
    key = browser.session.session_key
    browser.post("/sign-out/")
    assert not SessionStore().exists(key)


@pytest.mark.parametrize("backend", [None, OURS])
def test_a_user_can_be_signed_in_without_a_password(browser, user, backend):
    browser.force_login(user, backend=backend)
    assert browser.get("/").context["user"] == user
    assert browser.session["_auth_user_backend"] == OURS


def test_a_session_of_a_backend_that_is_gone_is_nobody_s(browser, user, password, settings):
    browser.post("/sign-in/", {"username": user.username, "password": password})
    settings.AUTHENTICATION_BACKENDS = [MODELS]
    assert browser.get("/").context["user"].is_anonymous
    settings.AUTHENTICATION_BACKENDS = [OURS]
    assert browser.get("/").context["user"] == user


@pytest.mark.parametrize("key", [0, -1, 10**30, "x", "", None, [], "1; DROP TABLE users_user"])
def test_a_key_that_is_no_user_s_is_nobody_s(key):
    assert SimpleDBBackend().get_user(key) is None


def test_the_key_goes_through_the_session_and_back(user):
    assert SimpleDBBackend().get_user(user._meta.pk.value_to_string(user)) == user


@pytest.mark.django_db(transaction=True)
def test_async_gives_the_same_as_sync(user, password, told, settings):
    async def story():
        factory = AsyncRequestFactory()
        request = request_with(factory)
        assert await aauthenticate(request, username=user.username, password="wrong") is None
        found = await aauthenticate(request, username=user.username, password=password)
        await alogin(request, found)
        await request.session.asave()
        key = request.session.session_key
        seen = await aget_user(again(factory, request))
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another " * 10
        turned = again(factory, request)
        rotated = await aget_user(turned)  # which stamps it with the new key
        await turned.session.asave()
        settings.SECRET_KEY_FALLBACKS = []
        request = again(factory, turned)
        request.user = found
        found.set_password("another one")
        await found.asave()
        await aupdate_session_auth_hash(request, found)
        await request.session.asave()
        kept = await aget_user(again(factory, request))
        await alogout(request)
        gone = await aget_user(request)
        return seen, rotated, kept, gone, key

    seen, rotated, kept, gone, key = asyncio.run(story())
    assert seen == rotated == kept == user
    assert gone.is_anonymous
    assert not SessionStore().exists(key)
    assert [name for name, _ in told] == ["user_login_failed", "user_logged_in", "user_logged_out"]


@pytest.mark.django_db(transaction=True)
def test_async_ends_a_session_with_the_account_too(rf, user):
    request = request_with(rf)
    login(request, user, backend=OURS)
    request.session.save()
    assert asyncio.run(aget_user(again(rf, request))) == user
    accounts.store().lock(user.username)
    assert asyncio.run(aget_user(again(rf, request))).is_anonymous
    assert get_user(again(rf, request)).is_anonymous


@pytest.mark.django_db(transaction=True)
def test_threads_do_not_mix_users(new_name, password):
    users = [User.objects.create_user(new_name(), "", f"{password} {number}") for number in range(4)]
    start = threading.Barrier(8)

    def sign_in(number):
        user = users[number % 4]
        try:
            start.wait(10)
            seen = set()
            for _ in range(5):
                browser = Browser()
                browser.post("/sign-in/", {"username": user.username, "password": f"{password} {number % 4}"})
                page = browser.get("/").text
                seen.add(tuple(other.username in page for other in users))
            return seen == {tuple(other == user for other in users)}
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(sign_in, range(8)))


@pytest.mark.parametrize(
    ("change", "folded"),
    [
        (str.upper, True),
        (lambda name: name.replace("s", "\N{FULLWIDTH LATIN SMALL LETTER S}"), True),
        (lambda name: name.replace("ss", "ß"), True),
        (lambda name: name.replace("i", "ı"), False),  # dotless
        (lambda name: name.replace("i", "İ"), False),
        (lambda name: name.replace("é", "e"), False),
        (lambda name: name + " ", False),
        (lambda name: name + "\0", False),
        (lambda name: name.replace("s", "_"), False),
        (lambda name: "%", False),
    ],
)
def test_a_similar_name_gets_in_only_where_names_need_not_be_exact_and_is_the_same_account(
    new_name, password, settings, change, folded
):
    user = User.objects.create_user(new_name("missié"), "", password)
    typed = change(user.username)
    assert typed != user.username
    assert authenticate(None, username=typed, password=password) is None
    settings.EXACT_NAMES = False
    found = authenticate(None, username=typed, password=password)
    assert found == (user if folded else None)
    assert authenticate(None, username=typed, password="wrong") is None
    assert User.objects.filter(account_id=user.account_id).count() == 1


def test_capitals_do_not_matter_on_the_page_where_names_need_not_be_exact(browser, user, password, settings):
    settings.EXACT_NAMES = False
    browser.post("/sign-in/", {"username": user.username.upper(), "password": password})
    assert browser.get("/").context["user"].username == user.username
