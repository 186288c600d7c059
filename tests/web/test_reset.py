"""A forgotten password: who gets a mail, what the link is good for, and what the page tells a stranger."""

import re

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password
from django.core import mail

from tests.web.conftest import Browser
from webapp.users import accounts
from webapp.users.models import User
from webapp.users.tokens import reset_tokens

pytestmark = pytest.mark.django_db
NEW = "staple battery horse"


@pytest.fixture
def account(new_name, password):
    """An account nobody has signed in with yet, so that MySQL has no row of it."""
    name = new_name("Alice")
    return accounts.store().create(name, make_password(password), f"{name}@example.org")


def ask(browser, email):
    return browser.post("/password/forgotten/", {"email": email})


def link(number=-1):
    """The path in the mail with a link that was sent last."""
    found = [re.search(r"https://testserver(/password/new/\S+)", sent.body) for sent in mail.outbox]
    return [each[1] for each in found if each][number]


def follow(path):
    """A browser that stands before the form the link leads to, and the form's path; None when it does not count."""
    browser = Browser()
    answer = browser.get(path)
    return (browser, answer.url) if answer.status_code == 302 else (browser, None)


def sign_in(browser, name, password):
    return browser.post("/sign-in/", {"username": name, "password": password})


def choose(browser, path, password=NEW):
    return browser.post(path, {"new_password1": password, "new_password2": password})


def test_a_forgotten_password_is_replaced_by_the_link_in_the_mail(browser, account, password):
    assert ask(browser, account.email.upper()).url == "/password/forgotten/sent/"
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == ([account.email], f"A new password for {account.name}")
    theirs, path = follow(link())
    assert "token" not in path and path.endswith("/set-password/")
    assert choose(theirs, path).url == "/sign-in/"
    assert "Your password is changed" in theirs.get("/sign-in/").text
    assert authenticate(None, username=account.name, password=password) is None
    assert authenticate(None, username=account.name, password=NEW)


def test_it_ends_every_session(browser, account, password):
    sign_in(browser, account.name, password)
    ask(Browser(), account.email)
    choose(*follow(link()))
    assert browser.get("/password/").status_code == 302


def test_a_link_counts_once(browser, account):
    ask(browser, account.email)
    choose(*follow(link()))
    theirs, path = follow(link())
    assert path is None
    assert "does not count any more" in theirs.get(link()).text


def test_a_link_ends_with_a_change_of_password_or_address(browser, account):
    ask(browser, account.email)
    changed = accounts.store().change_password(account, make_password("another"))
    assert follow(link())[1] is None
    ask(browser, account.email)
    accounts.store().change(changed, email=f"new-{account.email}")
    assert follow(link())[1] is None


@pytest.mark.parametrize("before", [False, True])
def test_a_link_ends_with_the_next_sign_in_however_short_the_last_is_ago(browser, account, password, before):
    if before:
        sign_in(Browser(), account.name, password)
    ask(browser, account.email)
    assert follow(link())[1]
    sign_in(browser, account.name, password)
    assert follow(link())[1] is None


def test_a_stronger_hash_of_the_same_password_leaves_the_link_as_it_is(browser, account, password):
    ask(browser, account.email)
    accounts.store().rehash(account, make_password(password, hasher="pbkdf2_sha256"))
    assert follow(link())[1]


def test_a_link_ends_with_its_age(browser, account, settings):
    ask(browser, account.email)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert follow(link())[1] is None


def test_a_link_is_for_one_user(browser, account, new_name):
    ask(browser, account.email)
    token = link().rstrip("/").rpartition("/")[2]
    other = User.objects.create_user(new_name(), "", "something")
    assert not reset_tokens.check_token(other, token)
    assert reset_tokens.check_token(User.objects.get(username=account.name), token)


def test_a_link_outlives_its_key_as_long_as_that_is_named(browser, account, settings):
    ask(browser, account.email)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another " * 10
    assert follow(link())[1]
    settings.SECRET_KEY_FALLBACKS = []
    assert follow(link())[1] is None


@pytest.fixture(params=["unknown", "locked", "locked out here", "no password", "no account's"])
def nobody_s(request, account, new_name):
    """An address to which no mail is to go."""
    match request.param:
        case "unknown":
            return f"{new_name()}@example.org"
        case "locked":
            accounts.store().change(account, active=False)
        case "locked out here":
            User.objects.for_account(account)
            User.objects.filter(account_id=account.id).update(is_active=False)
        case "no password":
            accounts.store().change(account, password=make_password(None))
        case "no account's":
            accounts.store().delete(account)
    return account.email


def test_nobody_else_gets_a_mail_and_the_page_tells_nothing(browser, account, nobody_s, new_name):
    answer = ask(browser, nobody_s)
    assert mail.outbox == []
    name = new_name()
    accounts.store().create(name, make_password("x"), f"{name}@example.org")
    known = ask(Browser(), f"{name}@example.org")
    assert len(mail.outbox) == 1
    assert (answer.status_code, answer.url, answer.content) == (known.status_code, known.url, known.content)
    assert browser.get(answer.url).content == Browser().get(known.url).content


def test_an_unknown_address_costs_as_many_requests_as_a_known_one(browser, account, gate, new_name):
    with gate.counting() as known:
        ask(browser, account.email)
    with gate.counting() as unknown:
        ask(browser, f"{new_name()}@example.org")
    assert known == unknown == ["GetAttributes", "GetAttributes"]


def test_the_link_leads_to_the_public_address_whatever_host_was_asked(browser, account, settings):
    settings.ALLOWED_HOSTS = ["*"]
    browser.post("/password/forgotten/", {"email": account.email}, headers={"host": "evil.example"})
    assert "evil" not in mail.outbox[-1].body
    assert link()


def test_a_link_of_somebody_locked_out_since_counts_no_more(browser, account):
    ask(browser, account.email)
    accounts.store().lock(account.name)
    assert follow(link())[1] is None


def test_a_weak_password_is_refused(browser, account):
    ask(browser, account.email)
    theirs, path = follow(link())
    assert "new_password2" in choose(theirs, path, "short").context["form"].errors
    assert choose(theirs, path).status_code == 302


@pytest.mark.parametrize(
    "path", ["/password/new/x/y/", "/password/new/OTk5OTk5/set-password/", "/password/new/__/a-b/"]
)
def test_a_link_that_was_never_sent(browser, path):
    assert "does not count any more" in browser.get(path).text


def test_simpledb_out_of_reach_keeps_the_address_typed_and_sends_nothing(browser, account, gate):
    with gate.shut():
        page = ask(browser, account.email)
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert account.email in page.text
    assert mail.outbox == []
    assert ask(browser, account.email).status_code == 302


def test_simpledb_out_of_reach_leaves_the_link_as_it_is(browser, account, gate):
    ask(browser, account.email)
    theirs, path = follow(link())
    with gate.shut():
        assert choose(theirs, path).status_code == 503
    assert choose(theirs, path).status_code == 302
