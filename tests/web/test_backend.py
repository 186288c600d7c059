"""The authentication backend: who gets in, at what cost, and what a session survives."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth import aauthenticate, authenticate, get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.contrib.auth.signals import user_login_failed
from django.core.management import call_command
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.views.debug import get_exception_reporter_filter

from tests.web.hashers import CountingHasher
from webapp.users import accounts
from webapp.users.models import User
from webapp.users.shards import InvalidName
from webapp.users.store import Changed, Unavailable

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(new_name, password):
    """An account nobody has signed in with yet."""
    name = new_name("Alice")
    made = accounts.store().create(name, make_password(password), f"{name}@example.org")
    CountingHasher.runs.clear()
    return made


@pytest.fixture
def failures():
    """What user_login_failed was sent with."""
    seen = []

    def note(sender, credentials, request, **_):
        seen.append((credentials, request))

    user_login_failed.connect(note)
    yield seen
    user_login_failed.disconnect(note)


def test_the_right_password_gives_the_user_and_his_row(account, password):
    user = authenticate(None, username=account.name, password=password)
    assert isinstance(user, get_user_model())
    assert (user.username, user.account_id, user.email) == (account.name, account.id, account.email)
    assert user.backend == "webapp.users.backend.SimpleDBBackend"


@pytest.mark.parametrize("request_", [None, RequestFactory().get("/")])
def test_the_request_may_be_anything(account, password, request_):
    assert authenticate(request_, username=account.name, password=password)


def test_only_the_first_sign_in_writes_to_mysql(account, password):
    authenticate(None, username=account.name, password=password)
    with CaptureQueriesContext(connection) as queries:
        assert authenticate(None, username=account.name, password=password)
    assert [query["sql"].split()[0] for query in queries] == ["SELECT"]


def test_a_wrong_password_gives_nobody_and_one_signal_with_clean_credentials(account, failures):
    request = RequestFactory().post("/sign-in/")
    assert authenticate(request, username=account.name, password="wrong") is None
    ((credentials, seen_request),) = failures
    assert credentials == {"username": account.name, "password": "********************"}
    assert seen_request is request


@pytest.mark.parametrize("change", [str.swapcase, lambda name: name + " ", lambda name: name.replace("A", "\uff21")])
def test_a_similar_name_is_another_name(account, password, change):
    assert authenticate(None, username=change(account.name), password=password) is None


@pytest.mark.parametrize("name", ["", "a\0b", "' or '1'='1", "%", "x" * 5000, "\ud800"])
def test_a_name_that_can_be_nobodys_is_an_ordinary_refusal(name, hasher):
    assert authenticate(None, username=name, password="anything") is None
    assert len(hasher.runs) == 1


@pytest.mark.parametrize("password", ["", " leading and trailing ", "пароль", "x" * 10_000, "nul\0inside"])
def test_a_password_counts_byte_for_byte(new_name, password):
    made = accounts.store().create(new_name(), make_password(password))
    assert authenticate(None, username=made.name, password=password)
    assert authenticate(None, username=made.name, password=password + " ") is None


def test_half_a_character_is_an_ordinary_wrong_password(account, hasher):
    assert authenticate(None, username=account.name, password="\ud800") is None
    assert len(hasher.runs) == 1


@pytest.mark.parametrize("wrong", [1, True, 1.5, ["a"], {"a": 1}])
def test_what_is_no_text_is_an_ordinary_refusal(account, hasher, wrong, password):
    for credentials in ({"username": account.name, "password": wrong}, {"username": wrong, "password": password}):
        hasher.runs.clear()
        assert authenticate(None, **credentials) is None
        assert len(hasher.runs) == 1


def test_the_hash_itself_is_no_password(account):
    assert authenticate(None, username=account.name, password=account.password) is None


def test_foreign_credentials_cost_nothing(gate, hasher):
    with gate.counting() as operations:
        assert authenticate(None, token="x") is None
        assert authenticate(None, username=None, password="x") is None
        assert authenticate(None, username="x", password=None) is None
    assert (operations, hasher.runs) == ([], [])


@pytest.fixture(params=["right", "wrong", "unknown", "inactive", "locked out here", "unusable", "garbage", "capitals"])
def attempt(request, account, password, new_name):
    """A user name and a password of each kind of sign-in there is."""
    User.objects.for_account(account)
    match request.param:
        case "wrong":
            return account.name, "wrong"
        case "unknown":
            return new_name(), password
        case "inactive":
            accounts.store().change(account, active=False)
        case "locked out here":
            User.objects.filter(account_id=account.id).update(is_active=False)
        case "unusable":
            accounts.store().change(account, password=make_password(None))
        case "garbage":
            accounts.store().change(account, password="garbage")
        case "capitals":
            return account.name.upper(), password
    return account.name, password


def test_every_attempt_costs_one_request_and_one_run_of_the_hasher(request, attempt, gate, hasher):
    name, password = attempt
    hasher.runs.clear()
    with gate.counting() as operations:
        user = authenticate(None, username=name, password=password)
    assert (user is not None) == request.node.name.endswith("[right]")
    assert operations == ["GetAttributes"]
    assert len(hasher.runs) == 1


@pytest.mark.django_db(transaction=True)
def test_async_gives_the_same_answers_at_the_same_cost(request, attempt, gate, hasher):
    name, password = attempt
    hasher.runs.clear()
    with gate.counting() as operations:
        user = asyncio.run(aauthenticate(None, username=name, password=password))
    assert (user is not None) == request.node.name.endswith("[right]")
    assert operations == ["GetAttributes"]
    assert len(hasher.runs) == 1


@pytest.mark.django_db(transaction=True)
def test_async_never_hashes_on_the_event_loop(account, password, new_name, hasher):
    async def sign_in():
        user = await aauthenticate(None, username=account.name, password=password)
        await aauthenticate(None, username=account.name, password="wrong")
        await aauthenticate(None, username=new_name(), password=password)
        await user.acheck_password(password)
        return threading.current_thread()

    loop = asyncio.run(sign_in())
    assert len(hasher.runs) == 4
    assert loop not in hasher.runs


def test_the_row_alone_never_lets_anyone_in(account, password):
    authenticate(None, username=account.name, password=password)
    assert ModelBackend().authenticate(None, username=account.name, password=password) is None


def test_permissions_come_from_the_row(account, password):
    user = authenticate(None, username=account.name, password=password)
    user.user_permissions.add(Permission.objects.get(codename="change_user"))
    again = authenticate(None, username=account.name, password=password)
    assert again.has_perm("users.change_user")
    assert not again.has_perm("users.delete_user")


def test_a_store_out_of_reach_is_no_wrong_password(account, password, gate, failures):
    with gate.shut(), pytest.raises(Unavailable):
        authenticate(None, username=account.name, password=password)
    assert failures == []


def test_an_outdated_hash_is_replaced_at_sign_in_and_nothing_else(account, password):
    old = accounts.store().change(account, password=make_password(password, hasher="pbkdf2_sha256"))
    user = authenticate(None, username=account.name, password=password)
    new = accounts.find(account.name)
    assert new.password.startswith("argon2$")
    assert (new.stamp, new.updated, new.email, new.id) == (old.stamp, old.updated, old.email, old.id)
    assert user.account == new
    assert authenticate(None, username=account.name, password=password)


@pytest.mark.django_db(transaction=True)
def test_six_first_sign_ins_at_once_all_get_in_and_make_one_row(account, password):
    accounts.store().change(account, password=make_password(password, hasher="pbkdf2_sha256"))

    def sign_in(_):
        try:
            return authenticate(None, username=account.name, password=password).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        rows = set(pool.map(sign_in, range(6)))
    assert rows == {User.objects.get(account_id=account.id).pk}
    assert accounts.find(account.name).password.startswith("argon2$")


def test_an_outdated_hash_stays_when_the_password_is_wrong(account, password):
    old = accounts.store().change(account, password=make_password(password, hasher="pbkdf2_sha256"))
    assert authenticate(None, username=account.name, password="wrong") is None
    assert accounts.find(account.name) == old


def test_a_password_changed_while_the_hash_is_strengthened_wins(account, password):
    read = accounts.store().change(account, password=make_password(password, hasher="pbkdf2_sha256"))
    changed = accounts.store().change_password(read, make_password("another one"))
    assert accounts.verify(read, password) == read
    assert accounts.find(account.name) == changed


def test_whoever_registers_a_deleted_name_inherits_nothing(account, password):
    before = authenticate(None, username=account.name, password=password)
    User.objects.filter(pk=before.pk).update(is_superuser=True)
    accounts.store().delete(account)
    accounts.store().create(account.name, make_password("of somebody else"))
    after = authenticate(None, username=account.name, password="of somebody else")
    assert after.pk != before.pk
    assert not after.is_superuser
    before.refresh_from_db()
    assert not before.is_active


def test_whoever_signs_up_under_a_deleted_name_inherits_nothing(account, password):
    before = authenticate(None, username=account.name, password=password)
    accounts.store().delete(account)
    after = User.objects.create_user(account.name, "", "of somebody else")
    assert after.pk != before.pk
    assert User.objects.get(username=account.name) == after


def test_django_s_own_way_of_setting_a_password_reaches_the_account(account, password):
    user = authenticate(None, username=account.name, password=password)
    user.set_password("a new password")
    user.save()
    assert User.objects.get(pk=user.pk).check_password("a new password")
    assert not User.objects.get(pk=user.pk).check_password(password)
    assert authenticate(None, username=account.name, password="a new password") == user


def test_a_new_address_reaches_the_account(account, password):
    user = authenticate(None, username=account.name, password=password)
    user.email = f"new-{account.email}"
    user.save(update_fields=["email"])
    assert accounts.find(account.name).email == f"new-{account.email}"
    assert User.objects.get(pk=user.pk).email == f"new-{account.email}"


def test_a_password_for_a_deleted_account_is_refused(account, password):
    user = authenticate(None, username=account.name, password=password)
    accounts.store().delete(account)
    user = User.objects.get(pk=user.pk)
    user.set_password("a new password")
    with pytest.raises(Changed):
        user.save()


def test_a_name_the_row_cannot_hold_is_refused_before_there_is_an_account(gate, password):
    with gate.counting() as operations, pytest.raises(InvalidName):
        User.objects.create_user("x" * 256, "", password)
    assert operations == []


def test_createsuperuser_makes_an_account_that_may_do_everything(new_name, password, monkeypatch):
    name = new_name()
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)
    call_command("createsuperuser", "--noinput", username=name, email="root@example.org", verbosity=0)
    user = authenticate(None, username=name, password=password)
    assert user.is_superuser
    assert user.has_perm("users.delete_user")


def test_a_user_without_a_password_cannot_sign_in(new_name):
    user = User.objects.create_user(new_name())
    assert not user.has_usable_password()
    assert authenticate(None, username=user.username, password="") is None


def test_create_user_normalises_the_name_and_makes_account_and_row(new_name, password):
    name = new_name("Zoe\u0308")
    user = User.objects.create_user(name, f"{name[5:]}@EXAMPLE.org", password)
    assert user.username.startswith("Zo\xeb-")
    assert accounts.find(user.username).email == f"{name[5:]}@example.org"
    assert User.objects.get_by_natural_key(user.username) == user


def test_an_error_report_shows_no_password(rf, account, password, gate):
    with gate.shut():
        try:
            authenticate(None, username=account.name, password=password)
        except Unavailable as error:
            trace = error.__traceback__
    shown = []
    request = rf.get("/")
    while trace:
        frame = trace.tb_frame
        if frame.f_code.co_filename.count("/webapp/"):
            shown += get_exception_reporter_filter(request).get_traceback_frame_variables(request, frame)
        trace = trace.tb_next
    assert shown
    assert password not in repr(shown)
