"""What an owner is told by mail: another e-mail address and another password, by whichever way they came."""

import re

import pytest
from django.contrib.auth import authenticate
from django.core import mail

from tests.web.conftest import Browser
from tests.web.test_api import signed_in
from webapp.users import accounts
from webapp.users.models import User
from webapp.users.views import BACKEND

pytestmark = pytest.mark.django_db
SECRET, NEW = "correct horse battery", "staple battery horse"


@pytest.fixture
def address(new_name):
    """Gives addresses that nobody has."""
    return lambda: f"{new_name('zoe')}@example.org"


@pytest.fixture
def user(new_name, address):
    return User.objects.create_user(new_name("Zoë"), address(), SECRET)


@pytest.fixture
def owner(user):
    """A browser signed in as that user."""
    browser = Browser()
    browser.post("/sign-in/", {"username": user.username, "password": SECRET})
    return browser


def change(owner, email, password=SECRET):
    return owner.post("/account/email/", {"email": email, "password": password})


def confirm(browser):
    """Follow the link in the last mail, and click."""
    path = link()
    assert browser.get(path).status_code == 200
    return browser.post(path)


def link():
    return re.search(r"https://testserver(/account/\S+)", mail.outbox[-1].body)[1]


def test_the_page_shows_the_address_and_asks_for_the_password(owner, user, address):
    assert user.email in owner.get("/account/email/").text
    new = address()
    page = change(owner, new, "wrong")
    assert page.context["form"].errors == {"password": ["That is not your password."]}
    assert new in page.text and accounts.find(user.username).email == user.email
    assert change(owner, new).url == "/"
    assert f"A mail is on its way to {new}" in owner.get("/").text
    assert accounts.find(user.username).email == user.email
    assert confirm(Browser()).url == "/"
    assert accounts.find(user.username).email == new


@pytest.mark.parametrize("way", ["page", "API"])
def test_the_old_address_is_told_once_the_new_one_is_confirmed(owner, user, address, mailoutbox, way):
    old, new = user.email, address()
    if way == "page":
        change(owner, new)
    else:
        answer = signed_in(user.username)("patch", "/account", {"email": new, "password": SECRET})
        assert (answer.status_code, answer.json()["email"]) == (202, old)
    assert [told.to for told in mailoutbox] == [[new]]
    confirm(Browser())
    told = mailoutbox[1]
    assert told.to == [old]
    assert "another e-mail address" in told.body and "https://testserver/password/" in told.body
    assert new not in told.body


def test_nobody_is_told_when_there_was_none_or_it_is_the_same(owner, user, address, mailoutbox):
    change(owner, user.email.upper())
    assert mailoutbox == []
    change(owner, "")
    assert "no e-mail address any more" in mailoutbox.pop().body
    change(owner, address())
    confirm(owner)
    assert len(mailoutbox) == 1


def test_what_is_wrong_is_said_beside_the_field(owner, new_name, address):
    taken = User.objects.create_user(new_name(), address(), SECRET).email
    for wrong, said in [
        (taken, "Another account has this e-mail address."),
        ("nobody", "Enter a valid email address."),
    ]:
        page = change(owner, wrong)
        assert page.context["form"].errors == {"email": [said]}
        assert page.status_code == 200 and wrong in page.text


def test_a_store_that_is_away_changes_nothing_and_keeps_what_was_typed(owner, user, address, gate, mailoutbox):
    new = address()
    gate.let(2)  # who he is, and that the password is right
    try:
        page = change(owner, new)
    finally:
        gate.let(None)
    assert page.status_code == 503
    assert new in page.text and SECRET not in page.text
    assert accounts.find(user.username).email == user.email
    assert mailoutbox == []


def test_only_who_is_signed_in_may(browser):
    assert browser.get("/account/email/").url == "/sign-in/?next=/account/email/"


def test_a_link_counts_once_and_for_a_day(owner, address, monkeypatch):
    change(owner, address())
    monkeypatch.setattr("webapp.users.address_links.AGE", -1)
    assert "does not count any more" in confirm(Browser()).text
    monkeypatch.undo()
    path = link()
    assert "does not count any more" in Browser().get(path[:-2] + "/").text
    assert confirm(Browser()).url == "/"
    assert "does not count any more" in Browser().get(path).text


@pytest.mark.parametrize("since", ["another password", "another address", "locked", "deleted", "taken"])
def test_a_link_ends_with_what_it_stands_on(owner, user, address, new_name, since):
    change(owner, address())
    path, store, account = link(), accounts.store(), accounts.find(user.username)
    new = re.search(r"Use (\S+)<", Browser().get(path).text)[1]
    match since:
        case "another password":
            store.change_password(account, account.password)
        case "another address":
            store.change(account, email=address())
        case "locked":
            store.lock(account.name)
        case "deleted":
            store.delete(account)
        case "taken":
            store.create(new_name(), "!", new)
    before = accounts.find(user.username)
    assert "does not count any more" in Browser().post(path).text
    assert accounts.find(user.username) == before


def test_a_link_that_meets_an_outage_counts_afterwards(owner, user, address, gate):
    change(owner, address())
    for calls in (0, 1):
        gate.let(calls)
        try:
            assert Browser().post(link()).status_code == 503
        finally:
            gate.let(None)
    assert confirm(Browser()).url == "/"


@pytest.mark.usefixtures("still")
def test_nobody_is_flooded_with_mails_by_asking_for_his_address(owner, address, mailoutbox):
    victim = address()
    answers = [change(owner, victim).status_code for _ in range(4)]
    assert answers == [302, 302, 302, 429] and len(mailoutbox) == 3


def by_page(user):
    browser = Browser()
    browser.post("/sign-in/", {"username": user.username, "password": SECRET})
    form = {"old_password": SECRET, "new_password1": NEW, "new_password2": NEW}
    assert browser.post("/password/", form).url == "/"


def by_api(user):
    body = {"password": SECRET, "new_password": NEW}
    assert signed_in(user.username)("put", "/account/password", body).status_code == 204


def by_mail(user):
    browser = Browser()
    browser.post("/password/forgotten/", {"email": user.email})
    path = re.search(r"https://testserver(/\S+)", mail.outbox.pop().body)[1]
    assert browser.post(browser.get(path).url, {"new_password1": NEW, "new_password2": NEW}).url == "/sign-in/"


def by_administration(user):
    browser = Browser()
    browser.force_login(User.objects.create_superuser(f"root-{user.username}", "", SECRET), backend=BACKEND)
    form = {"usable_password": "true", "password1": NEW, "password2": NEW}
    assert browser.post(f"/admin/users/user/{user.pk}/password/", form).status_code == 302


@pytest.mark.parametrize("change_password", [by_page, by_api, by_mail, by_administration])
def test_a_new_password_is_told_to_its_owner_and_what_to_do_if_it_was_not_him(user, mailoutbox, change_password):
    change_password(user)
    (told,) = mailoutbox
    assert (told.to, told.subject) == ([user.email], f"The password of {user.username} was changed")
    assert "https://testserver/password/forgotten/" in told.body
    assert SECRET not in told.body and NEW not in told.body


def test_an_administrator_who_replaces_an_address_tells_the_old_one(user, address, mailoutbox):
    browser, old = Browser(), user.email
    browser.force_login(User.objects.create_superuser(f"root-{user.username}", "", SECRET), backend=BACKEND)
    page = f"/admin/users/user/{user.pk}/change/"
    assert browser.post(page, {"email": address(), "is_active": "on"}).status_code == 302
    assert [told.to for told in mailoutbox] == [[old]]
    browser.post(page, {"email": User.objects.get(pk=user.pk).email, "is_active": "on", "is_staff": "on"})
    assert len(mailoutbox) == 1


def test_nobody_is_told_who_has_no_address(new_name, mailoutbox):
    by_page(User.objects.create_user(new_name(), "", SECRET))
    assert mailoutbox == []


@pytest.fixture
def no_mail(settings, tmp_path):
    """A function; from then on no mail can be sent."""

    def away():
        (tmp_path / "a file").touch()
        settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
        settings.EMAIL_FILE_PATH = str(tmp_path / "a file" / "in it")

    return away


def test_nobody_is_sent_to_look_for_a_mail_that_could_not_be_sent(owner, user, address, no_mail, settings, caplog):
    app, new, mails = signed_in(user.username), address(), settings.EMAIL_BACKEND
    no_mail()
    page = change(owner, new)
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert new in page.text and "on its way" not in owner.get("/account/email/").text
    assert app("patch", "/account", {"email": new, "password": SECRET}).status_code == 503
    assert "Mail is out of reach" in caplog.text and new not in caplog.text
    settings.EMAIL_BACKEND = mails
    assert [change(owner, new).status_code for _ in range(3)] == [302] * 3, "what failed was no try"


def test_a_mail_that_cannot_be_sent_undoes_nothing(user, no_mail, caplog):
    no_mail()
    by_page(user)
    assert authenticate(None, username=user.username, password=NEW) == user
    assert "could not be sent" in caplog.text and user.email not in caplog.text
