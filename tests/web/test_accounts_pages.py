"""Signing up, in and out, and a new password, as a browser sees it."""

import asyncio
import re

import pytest
from django.contrib.auth import aget_user
from django.contrib.auth.hashers import make_password
from django.test import AsyncClient, AsyncRequestFactory

from tests.web.conftest import Browser
from webapp.users import accounts
from webapp.users.models import User

pytestmark = pytest.mark.django_db


def sign_up(browser, name, password, **more):
    form = {"username": name, "email": "", "password1": password, "password2": password, **more}
    return browser.post("/sign-up/", form)


def sign_in(browser, name, password, query=""):
    return browser.post(f"/sign-in/{query}", {"username": name, "password": password})


def signed_in_as(browser):
    user = browser.get("/").context["user"]
    return user.username if user.is_authenticated else None


@pytest.fixture
def name(new_name, password):
    """The name of an account that has signed up and gone away."""
    name = new_name("Zoë")
    sign_up(Browser(), name, password)
    return name


def test_whoever_signs_up_is_signed_in_and_has_an_account_and_a_row(browser, new_name, password):
    name = new_name("Zoë")
    email = f"{new_name('zoe')}@example.org"
    answer = sign_up(browser, name, password, email=email)
    assert (answer.status_code, answer.url) == (302, "/")
    assert signed_in_as(browser) == name
    account = accounts.find(name)
    assert (account.name, account.email, account.active) == (name, email, True)
    assert account.password.startswith("argon2$")
    assert User.objects.get(username=name).account_id == account.id


@pytest.mark.parametrize("spelling", [str, str.upper])
def test_a_taken_name_is_said_beside_the_field_and_what_was_typed_stays(browser, name, password, spelling):
    page = sign_up(browser, spelling(name), password, email="kept@example.org")
    assert page.context["form"].errors == {"username": ["This name is taken."]}
    assert "kept@example.org" in page.text
    assert signed_in_as(browser) is None


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "a name with blanks"}, "username"),
        ({"username": "x" * 151}, "username"),
        ({"email": "not an address"}, "email"),
        ({"password2": "something else"}, "password2"),
        ({"password1": "short", "password2": "short"}, "password2"),
        ({"password1": "password123", "password2": "password123"}, "password2"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(browser, new_name, password, wrong, field):
    page = sign_up(browser, new_name(), password, **wrong)
    assert page.status_code == 200
    assert list(page.context["form"].errors) == [field]


def test_a_password_like_the_name_is_refused(browser, new_name):
    name = new_name("longname")
    assert "password2" in sign_up(browser, name, name + "1").context["form"].errors


def test_a_name_is_called_the_same_at_sign_up_and_at_sign_in(browser):
    labels = [browser.get(path).context["form"].fields["username"].label for path in ("/sign-up/", "/sign-in/")]
    assert labels == ["Username", "Username"]


def test_signing_in_and_out(browser, name, password):
    assert sign_in(browser, name, password).url == "/"
    assert signed_in_as(browser) == name
    assert browser.post("/sign-out/").url == "/"
    assert signed_in_as(browser) is None


def test_the_address_of_signing_out_asks_and_its_button_signs_out(name, password):
    browser = Browser(enforce_csrf_checks=True)
    assert browser.get("/sign-out/").url == "/"
    token = lambda page: re.search(r'<main.*name="csrfmiddlewaretoken" value="(\w+)"', page.text, re.S)[1]  # noqa: E731
    form = {"username": name, "password": password, "csrfmiddlewaretoken": token(browser.get("/sign-in/"))}
    browser.post("/sign-in/", form, headers={"Referer": "https://testserver/sign-in/"})
    page = browser.get("/sign-out/")
    assert (page.status_code, browser.head("/sign-out/").status_code) == (200, 200)
    assert "no-store" in page["Cache-Control"]
    assert '<form method="post" action="/sign-out/">' in page.text.partition("<main")[2]
    assert signed_in_as(browser) == name
    headers = {"Referer": "https://testserver/sign-out/"}
    assert browser.post("/sign-out/", {"csrfmiddlewaretoken": token(page)}, headers=headers).url == "/"
    assert signed_in_as(browser) is None


@pytest.mark.parametrize(
    ("method", "path", "words", "allowed"),
    [
        ("post", "/favicon.ico", "This address can only be looked at", {"GET", "HEAD"}),
        ("delete", "/l/bbbbbbbbbb", "This address can only be looked at", {"GET", "HEAD"}),
        ("delete", "/tokens/", "takes a form of ours", {"GET", "HEAD", "POST"}),
        ("get", "/admin/logout/", "a button on one of our pages leads to it", {"POST", "OPTIONS"}),
    ],
)
def test_an_address_asked_in_a_way_it_does_not_answer_says_so_on_a_page(
    browser, new_name, method, path, words, allowed
):
    browser.force_login(User.objects.create_superuser(new_name()), "webapp.users.backend.SimpleDBBackend")
    page = getattr(browser, method)(path)
    assert (page.status_code, set(page["Allow"].split(", "))) == (405, allowed)
    assert page["Content-Type"] == "text/html; charset=utf-8"
    assert int(page["Content-Length"]) == len(page.content)
    assert words in page.text and "<h1>Not in this way</h1>" in page.text


def test_every_refusal_looks_the_same(browser, name, new_name, password):
    locked = accounts.store().create(new_name(), make_password(password), active=False)
    pages = [
        sign_in(browser, *who)
        for who in [(name, "wrong"), (new_name(), password), (locked.name, password), (name.upper(), password)]
    ]
    alike = {re.sub(r'value="[^"]*"', "", page.text) for page in pages}
    assert {page.status_code for page in pages} == {200}
    assert len(alike) == 1
    assert "Please enter a correct username and password" in alike.pop()


def test_a_name_may_be_typed_in_any_unicode_form(browser, name, password):
    sign_in(browser, name.replace("ë", "e\u0308"), password)
    assert signed_in_as(browser) == name


def test_a_redirect_to_another_host_is_refused(browser, name, password):
    assert sign_in(browser, name, password, "?next=https://evil.example/").url == "/"
    assert sign_in(browser, name, password, "?next=/password/").url == "/password/"


def test_pages_for_users_send_others_to_sign_in(browser):
    assert browser.get("/password/").url == "/sign-in/?next=/password/"


def test_a_new_password_keeps_this_session_and_ends_all_others(browser, name, password):
    other = Browser()
    sign_in(browser, name, password)
    sign_in(other, name, password)
    new = "staple battery horse"
    form = {"old_password": password, "new_password1": new, "new_password2": new}
    assert browser.post("/password/", form).url == "/"
    assert "Your password is changed" in browser.get("/").text
    assert signed_in_as(browser) == name
    assert signed_in_as(other) is None
    assert sign_in(other, name, password).status_code == 200
    assert sign_in(other, name, new).status_code == 302


def test_a_new_password_asks_for_the_old_one(browser, name, password):
    sign_in(browser, name, password)
    form = {"old_password": "wrong", "new_password1": "staple battery", "new_password2": "staple battery"}
    assert "old_password" in browser.post("/password/", form).context["form"].errors


def test_a_stronger_hash_of_the_same_password_ends_no_session(browser, name, password):
    other = Browser()
    sign_in(other, name, password)
    account = accounts.find(name)
    accounts.store().rehash(account, make_password(password, hasher="pbkdf2_sha256"))
    sign_in(browser, name, password)
    assert accounts.find(name).password.startswith("argon2$")
    assert signed_in_as(other) == name


@pytest.mark.parametrize("end", ["locked", "deleted", "locked out here", "changed elsewhere"])
def test_a_session_ends_with_its_account(browser, name, password, end):
    sign_in(browser, name, password)
    account = accounts.find(name)
    match end:
        case "locked":
            accounts.store().change(account, active=False)
        case "deleted":
            accounts.store().delete(account)
        case "locked out here":
            User.objects.filter(username=name).update(is_active=False)
        case "changed elsewhere":
            accounts.store().change_password(account, make_password("another"))
    assert signed_in_as(browser) is None


def test_a_new_secret_key_keeps_sessions_as_long_as_the_old_one_is_named(browser, name, password, settings):
    sign_in(browser, name, password)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another " * 10
    assert signed_in_as(browser) == name
    settings.SECRET_KEY_FALLBACKS = []
    assert signed_in_as(browser) == name  # stamped with the new key on the way
    settings.SECRET_KEY = "yet another " * 10
    assert signed_in_as(browser) is None


@pytest.mark.django_db(transaction=True)
def test_an_async_server_gives_the_same_user(name, password):
    async def visit():
        browser = AsyncClient()
        signed_in = await browser.alogin(username=name, password=password)
        request = AsyncRequestFactory().get("/")
        request.session = await browser.asession()
        user = await aget_user(request)
        await browser.alogout()
        request.session = await browser.asession()
        return signed_in, user, await aget_user(request)

    signed_in, user, nobody = asyncio.run(visit())
    assert signed_in
    assert user.username == name
    assert nobody.is_anonymous


def test_signing_in_gives_a_new_session_key_and_keeps_what_was_there(browser, name, password):
    session = browser.session
    session["basket"] = "apples"
    session.save()
    before = session.session_key
    sign_in(browser, name, password)
    assert browser.session["basket"] == "apples"
    assert browser.session.session_key != before


def test_the_first_page_names_what_each_store_holds(browser, name, password):
    sign_in(browser, name, password)
    browser.get("/")
    facts = {store["name"]: dict(store["facts"]) for store in browser.get("/").context["stores"]}
    user = User.objects.get(username=name)
    assert facts["MySQL"]["Your row"] == f"users_user {user.pk}"
    assert "MariaDB" in facts["MySQL"]["Server"]
    assert re.fullmatch(r"test-users-0[0-9a-f]", facts["SimpleDB"]["Domain"])
    assert facts["Redis"]["Your visits"] == 2
    assert browser.session.session_key not in facts["Redis"]["Session"]


def test_the_last_sign_in_is_noted_with_the_account(browser, name, password):
    sign_in(browser, name, password)
    assert accounts.find(name).last_login


def test_sign_in_without_simpledb_asks_to_try_again_and_never_says_wrong(browser, name, password, gate):
    with gate.shut():
        page = sign_in(browser, name, password)
    assert page.status_code == 503
    assert page["Retry-After"] == "5"
    assert "Please try again in a moment" in page.text
    assert "correct username" not in page.text
    assert sign_in(browser, name, password).status_code == 302


def test_sign_up_without_simpledb_asks_to_try_again(browser, new_name, password, gate):
    name = new_name()
    with gate.shut():
        assert sign_up(browser, name, password).status_code == 503
    assert sign_up(browser, name, password).status_code == 302


def test_an_outage_of_simpledb_signs_nobody_out(browser, name, password, gate):
    sign_in(browser, name, password)
    with gate.shut():
        page = browser.get("/")
    assert page.status_code == 503
    assert "session" not in str(page.cookies)
    assert signed_in_as(browser) == name
