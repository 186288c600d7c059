"""The administration: rows in MySQL together with accounts in SimpleDB."""

import re

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.web.conftest import Browser
from webapp.headers import CONTENT_SECURITY_POLICY
from webapp.users import accounts
from webapp.users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(browser, new_name, password):
    """The browser of somebody who may do everything, signed in."""
    name = new_name("root")
    User.objects.create_superuser(name, "", password)
    assert browser.post("/admin/login/", {"username": name, "password": password, "next": "/admin/"}).url == "/admin/"
    browser.name = name
    return browser


@pytest.fixture
def other(new_name, password):
    """Somebody who has been seen here."""
    name = new_name("Other")
    return User.objects.create_user(name, f"{name}@example.org", password)


def form_of(user, **changes):
    """What the page for changing a user sends."""
    fields = {"email": user.email, "is_active": user.is_active, "is_staff": user.is_staff, **changes}
    return {name: "on" if value is True else value for name, value in fields.items() if value is not False}


def change(browser, user, **changes):
    return browser.post(f"/admin/users/user/{user.pk}/change/", form_of(user, **changes))


def fresh(user):
    return User.objects.get(pk=user.pk)


def test_only_staff_may_enter(browser, other, password):
    page = browser.post("/admin/login/", {"username": other.username, "password": password}, follow=True)
    assert "for a staff account" in page.text
    assert browser.get("/admin/users/user/").status_code == 302
    other.is_staff = True
    other.save()
    assert (
        browser.post("/admin/login/?next=/admin/", {"username": other.username, "password": password}).url == "/admin/"
    )
    assert browser.get("/admin/users/user/").status_code == 403


def test_users_are_listed_and_found_in_any_capitals_and_by_address(root, other):
    assert other.username in root.get("/admin/users/user/").text
    for words in (other.username[:8].upper(), other.email.upper(), other.username[-6:]):
        page = root.get("/admin/users/user/", {"q": words})
        assert other in page.context["cl"].queryset, words
    assert root.get("/admin/users/user/", {"q": "nobody@example.org"}).context["cl"].result_count == 0


def test_a_list_of_users_asks_simpledb_once_for_whoever_looks_at_it(root, other, gate):
    root.get("/admin/users/user/")
    with gate.counting() as operations:
        root.get("/admin/users/user/")
    assert operations == ["GetAttributes"]


def test_adding_a_user_makes_an_account(root, new_name, password):
    name = new_name("Added")
    form = {"username": name, "email": f"{name}@example.org", "usable_password": "true"}
    answer = root.post("/admin/users/user/add/", {**form, "password1": password, "password2": password})
    user = User.objects.get(username=name)
    assert answer.url == f"/admin/users/user/{user.pk}/change/"
    assert authenticate(None, username=name, password=password) == user
    assert accounts.find(name).email == f"{name}@example.org"


def test_adding_a_user_without_a_password(root, new_name):
    name = new_name()
    root.post("/admin/users/user/add/", {"username": name, "email": "", "usable_password": "false"})
    assert not User.objects.get(username=name).has_usable_password()


def test_what_is_wrong_with_a_new_user_is_said_beside_its_field(root, other, password):
    form = {"username": other.username.upper(), "email": other.email.upper(), "usable_password": "true"}
    page = root.post("/admin/users/user/add/", {**form, "password1": password, "password2": password})
    errors = page.context["adminform"].form.errors
    assert errors == {
        "username": ["This name is taken."],
        "email": ["Another account has this e-mail address."],
    }
    page = root.post("/admin/users/user/add/", {**form, "username": "with blanks", "password1": "x", "password2": "y"})
    assert {"username", "password2"} <= set(page.context["adminform"].form.errors)


def test_address_flags_and_permissions_are_changed(root, other):
    permission = Permission.objects.earliest("pk").pk
    answer = change(root, other, email=f"new-{other.email}", is_staff=True, user_permissions=[permission])
    assert answer.status_code == 302
    assert (fresh(other).email, fresh(other).is_staff) == (f"new-{other.email}", True)
    assert [each.pk for each in fresh(other).user_permissions.all()] == [permission]
    assert accounts.store().by_email(f"new-{other.email}").id == other.account_id


def test_an_address_somebody_else_has_is_refused(root, other, new_name):
    taken = accounts.store().create(new_name(), "!", f"{new_name()}@example.org")
    page = change(root, other, email=taken.email)
    assert page.context["adminform"].form.errors == {"email": ["Another account has this e-mail address."]}
    assert fresh(other).email == other.email


def test_locking_out_here_and_locking_out_everywhere(root, other, password):
    change(root, other, is_active=False)
    assert (fresh(other).is_active, accounts.find(other.username).active) == (False, True)
    change(root, fresh(other), is_active=True, locked=True)
    assert (fresh(other).is_active, accounts.find(other.username).active) == (False, False)
    assert authenticate(None, username=other.username, password=password) is None
    page = root.get(f"/admin/users/user/{other.pk}/change/")
    assert page.context["adminform"].form.initial["locked"] is True
    change(root, fresh(other))
    assert authenticate(None, username=other.username, password=password) == other
    accounts.store().change(accounts.find(other.username), active=False)  # by another application
    change(root, fresh(other), is_active=False)
    assert (fresh(other).is_active, accounts.find(other.username).active) == (False, True)


@pytest.mark.parametrize(("action", "active"), [("lock", False), ("unlock", True)])
def test_many_accounts_are_locked_at_once(root, other, new_name, action, active):
    both = [other, User.objects.create_user(new_name())]
    root.post("/admin/users/user/", {"action": action, "_selected_action": [user.pk for user in both]})
    assert [accounts.find(user.username).active for user in both] == [active, active]


@pytest.mark.parametrize("how", ["the action", "the form"])
def test_a_lock_that_got_no_further_than_the_account_is_made_whole_by_locking_again(root, other, how):
    accounts.store().change(accounts.find(other.username), active=False)
    if how == "the action":
        root.post("/admin/users/user/", {"action": "lock", "_selected_action": [other.pk]})
    else:
        change(root, fresh(other), locked=True)
    assert (fresh(other).is_active, accounts.find(other.username).active) == (False, False)


def test_a_password_is_set_and_ends_the_user_s_sessions(root, other, password):
    theirs = Browser()
    theirs.post("/sign-in/", {"username": other.username, "password": password})
    new = "staple battery horse"
    form = {"password1": new, "password2": new, "usable_password": "true", "set-password": "x"}
    assert root.post(f"/admin/users/user/{other.pk}/password/", form).status_code == 302
    assert authenticate(None, username=other.username, password=new)
    assert theirs.get("/password/").status_code == 302


def test_whoever_sets_his_own_password_stays_signed_in(root):
    new = "staple battery horse"
    root.post("/admin/password_change/", {"old_password": "wrong", "new_password1": new, "new_password2": new})
    form = {"old_password": "correct horse battery", "new_password1": new, "new_password2": new}
    assert root.post("/admin/password_change/", form).url == "/admin/password_change/done/"
    assert root.get("/admin/").status_code == 200
    assert authenticate(None, username=root.name, password=new)


def test_deleting_a_user_deletes_his_account(root, other, password):
    assert root.post(f"/admin/users/user/{other.pk}/delete/", {"post": "yes"}).status_code == 302
    assert accounts.find(other.username) is None
    assert authenticate(None, username=other.username, password=password) is None
    assert not User.objects.filter(username=other.username).exists()


def test_a_user_whose_account_was_deleted_can_be_looked_at_and_deleted(root, other):
    accounts.store().delete(accounts.find(other.username))
    assert root.get(f"/admin/users/user/{other.pk}/change/").status_code == 200
    assert change(root, other, is_active=False).status_code == 302
    assert root.post(f"/admin/users/user/{other.pk}/delete/", {"post": "yes"}).status_code == 302


def test_a_password_for_an_account_deleted_meanwhile_is_a_sentence(root, other, password):
    accounts.store().delete(accounts.find(other.username))
    form = {"password1": password, "password2": password, "usable_password": "true", "set-password": "x"}
    page = root.post(f"/admin/users/user/{other.pk}/password/", form, follow=True)
    assert "was deleted. Nothing was saved" in page.text


@pytest.mark.parametrize("path", ["", "users/user/{pk}/change/"])
def test_simpledb_out_of_reach_is_a_503_and_signs_nobody_out(root, other, gate, path):
    page = f"/admin/{path.format(pk=other.pk)}"
    with gate.shut():
        answer = root.get(page)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "session" not in str(answer.cookies)
    assert root.get(page).status_code == 200


def test_nothing_is_saved_half_when_simpledb_goes_away(root, other, gate):
    root.get("/admin/")
    with gate.shut():
        assert change(root, other, is_staff=True).status_code == 503
        assert root.post(f"/admin/users/user/{other.pk}/delete/", {"post": "yes"}).status_code == 503
    assert not fresh(other).is_staff
    assert accounts.find(other.username)


@pytest.mark.parametrize(
    "path", ["", "login/", "users/user/", "users/user/add/", "users/user/{pk}/change/", "users/user/{pk}/password/"]
)
def test_no_page_needs_what_the_content_security_policy_forbids(root, other, path):
    page = (Browser() if path == "login/" else root).get(f"/admin/{path.format(pk=other.pk)}")
    assert page["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert page.status_code == 200
    scripts = re.findall(r"<script\b[^>]*>", page.text)
    assert all("src=" in script or "application/json" in script for script in scripts)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|(src|href)=\"(data|https?):", page.text)


def test_a_hash_is_never_shown_whole(root, other):
    account = accounts.store().change(accounts.find(other.username), password=make_password("something"))
    assert account.password not in root.get(f"/admin/users/user/{other.pk}/change/").text


def test_the_checks_find_nothing_wrong():
    call_command("check", fail_level="WARNING")


def test_an_action_takes_no_more_users_than_it_has_time_for(root, other, new_name, monkeypatch):
    users = [other, *(User.objects.create_user(new_name()) for _ in range(2))]
    form = {"action": "lock", "_selected_action": [other.pk], "select_across": "1"}
    monkeypatch.setattr("webapp.users.admin.MOST", 2)
    page = root.post("/admin/users/user/", form, follow=True)
    assert "At most 2 users at a time: nothing was done." in page.text
    assert all(accounts.find(user.username).active for user in users)


def test_pages_of_users_cost_as_much_for_many_as_for_few(root, other, new_name, gate):
    """Nothing is asked of SimpleDB for a user who is only listed, found, or about to be deleted."""

    def costs():
        found = []
        for page in ("", "?q=user", "?is_active__exact=1", "?all="):
            with gate.counting() as operations, CaptureQueriesContext(connection) as queries:
                assert root.get(f"/admin/users/user/{page}").status_code == 200
            found.append((len(operations), len(queries)))
        form = {"action": "delete_selected", "_selected_action": list(User.objects.values_list("pk", flat=True))}
        with gate.counting() as operations, CaptureQueriesContext(connection) as queries:
            assert "Are you sure" in root.post("/admin/users/user/", form).text
        return [*found, (len(operations), len(queries))]

    costs()
    few = costs()
    User.rows.bulk_create([User(username=new_name("user"), account_id=f"{number:032d}") for number in range(150)])
    assert costs() == few
    assert {operations for operations, _ in few} == {1}
