"""An account and all that is its owner's go together, wherever the deletion is cut off."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models.signals import post_delete

from tests.web.conftest import Browser
from tests.web.test_api import signed_in
from webapp.api.models import ApiToken
from webapp.links.models import Link
from webapp.users import accounts
from webapp.users.models import User
from webapp.users.shards import domains

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "correct horse battery"


@pytest.fixture
def user(new_name):
    """Somebody with a session, a token, a link and an address."""
    name = new_name("Zoë")
    user = User.objects.create_user(name, f"{name[4:]}@example.org", SECRET)
    Link.objects.create(owner=user, slug=name[4:], target="https://example.com/")
    signed_in(name, SECRET)
    return user


@pytest.fixture
def owner(user):
    browser = Browser(raise_request_exception=False)
    browser.post("/sign-in/", {"username": user.username, "password": SECRET})
    return browser


def delete(owner):
    return owner.post("/account/delete/", {"password": SECRET})


def left(user):
    """What is left of him: accounts, addresses, rows, links, tokens."""
    account = accounts.find(user.username)
    return [
        account is not None and account.id == user.account_id,
        accounts.by_email(user.email) is not None,
        User.objects.filter(pk=user.pk).exists(),
        Link.objects.filter(owner=user.pk).exists(),
        ApiToken.objects.filter(user=user.pk).exists(),
    ]


def orphans(*words):
    said = StringIO()
    call_command("deleteorphans", *words, stdout=said)
    return said.getvalue()


ALL, NONE = [True] * 5, [False] * 5


def test_the_store_may_go_away_before_any_of_the_calls_and_a_second_try_ends_it(user, owner, gate):
    for calls in range(20):
        gate.let(calls)
        try:
            answer = delete(owner)
        finally:
            gate.let(None)
        if answer.status_code != 503:
            break
        assert left(user) == ALL, f"away after {calls} calls: deleted by half"
    assert answer.url == "/" and calls > 2
    assert left(user) == NONE


def test_a_process_that_dies_with_the_account_deleted_and_the_row_not_leaves_nobody_in_and_can_be_mended(
    user, owner, new_name
):
    accounts.store().create(new_name(), "")  # somebody else

    def die(sender, **_):
        raise SystemExit

    post_delete.connect(die, sender=User)
    try:
        with pytest.raises(SystemExit):
            delete(owner)
    finally:
        post_delete.disconnect(die, sender=User)
    assert left(user) == [False, False, True, True, True]
    assert not owner.get("/").context["user"].is_authenticated
    assert f"{user.username} has no account any more." in orphans()
    assert left(user) == [False, False, True, True, True]
    assert orphans("--delete").startswith(f"{user.username} is deleted.")
    assert left(user) == NONE


def test_whoever_has_the_name_by_now_keeps_it_and_his_row(user):
    accounts.store().delete(accounts.find(user.username))
    heir = User.objects.create_user(user.username, user.email, SECRET)
    orphans("--delete")
    assert not User.objects.filter(pk=user.pk).exists()
    assert User.objects.get(pk=heir.pk).account == accounts.find(user.username)


def test_whoever_has_an_account_is_no_orphan_and_without_simpledb_nobody_is(user, gate):
    assert orphans("--delete") == "Every user has an account.\n"
    with gate.shut(), pytest.raises(CommandError, match="it again"):
        call_command("deleteorphans", "--delete")
    assert left(user) == ALL


@pytest.fixture
def no_accounts(settings):
    """A function; from then on the application looks for accounts where there are none."""

    def look_elsewhere():
        there = {"user_domains": "nobodys", "user_shards": 1}
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=there)
        for name in domains("nobodys", 1):
            accounts.store().calls("create_domain", name)
        accounts.store.cache_clear()

    yield look_elsewhere
    accounts.store.cache_clear()


def test_where_there_is_no_account_at_all_nobody_is_taken_for_an_orphan(user, no_accounts):
    no_accounts()
    with pytest.raises(CommandError, match="Nothing is deleted; see whether USER_DOMAINS is right"):
        orphans("--delete")
    assert left(user)[2:] == [True, True, True]


def test_the_administration_deletes_many_each_by_himself(user, new_name, gate):
    root, other = User.objects.create_superuser(new_name("root"), "", SECRET), User.objects.create_user(new_name())
    browser = Browser()
    browser.post("/admin/login/", {"username": root.username, "password": SECRET})
    both = User.objects.filter(pk__in=[user.pk, other.pk]).order_by("-pk")
    form = {"action": "delete_selected", "_selected_action": [each.pk for each in both], "post": "yes"}
    whole = []
    for calls in range(30):
        gate.let(calls)
        try:
            answer = browser.post("/admin/users/user/", form)
        finally:
            gate.let(None)
        rows = {each.pk for each in both.all()}
        assert rows == {each.pk for each in (user, other) if accounts.find(each.username)}, calls
        whole.append(len(rows))
        if answer.status_code != 503:
            break
    assert sorted(set(whole), reverse=True) == [2, 1, 0]
