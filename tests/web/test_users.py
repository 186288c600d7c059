"""A user as Django's own code takes him: the manager, the fields without columns, permissions."""

import asyncio

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.contrib.auth.tokens import default_token_generator
from django.db import OperationalError, connection
from django.utils import timezone

from webapp.users import accounts
from webapp.users.forms import SignUpForm
from webapp.users.models import User
from webapp.users.shards import InvalidName
from webapp.users.store import EmailTaken, NameTaken, Unavailable

pytestmark = pytest.mark.django_db
OURS = "webapp.users.backend.SimpleDBBackend"
MODELS = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def user(new_name, password):
    """A user as sign-up leaves him."""
    name = new_name("Alice")
    return User.objects.create_user(name, f"{name}@example.org", password)


def fresh(user):
    return User.objects.get(pk=user.pk)


def test_natural_keys_go_there_and_back(user, password):
    assert user.natural_key() == (user.username,)
    found = User.objects.get_by_natural_key(user.username)
    assert found == user
    assert found.check_password(password)
    with pytest.raises(User.DoesNotExist):
        User.objects.get_by_natural_key(user.username.upper())
    with pytest.raises(User.DoesNotExist):
        asyncio.run(User.objects.aget_by_natural_key("\ud800"))


def test_a_password_that_was_set_counts_for_this_object_at_once_and_for_others_once_saved(user, password):
    user.set_password("another one")
    assert user.check_password("another one")
    assert not user.check_password(password)
    assert user.has_usable_password()
    assert user.password.startswith("argon2$")
    assert fresh(user).check_password(password)
    user.save()
    assert user.check_password("another one")
    assert fresh(user).check_password("another one")


def test_an_unusable_password_is_so_at_once(user, password):
    user.set_unusable_password()
    assert not user.has_usable_password()
    user.save()
    assert not fresh(user).has_usable_password()
    assert authenticate(None, username=user.username, password=password) is None


def test_an_encoded_hash_can_be_given(user):
    user.password = make_password("another one")
    user.save(update_fields=["password"])
    assert fresh(user).check_password("another one")


def test_what_was_set_and_not_saved_is_forgotten_by_reading_again(user, password):
    user.set_password("another one")
    user.email = "another@example.org"
    user.refresh_from_db()
    assert user.check_password(password)
    assert user.email == f"{user.username}@example.org"


def test_a_save_that_failed_can_be_repeated(user, gate):
    user.set_password("another one")
    with gate.shut(), pytest.raises(Unavailable):
        user.save()
    user.save()
    assert fresh(user).check_password("another one")


def test_a_password_is_checked_in_async_code(user, password):
    async def both():
        return await user.acheck_password(password), await user.acheck_password("wrong")

    assert asyncio.run(both()) == (True, False)


@pytest.mark.django_db(transaction=True)
def test_users_are_made_in_async_code(new_name, password):
    name = new_name()

    async def make():
        user = await User.objects.acreate_user(name, "", password)
        root = await User.objects.acreate_superuser(f"root-{name}", "", password)
        return user, root

    user, root = asyncio.run(make())
    assert authenticate(None, username=name, password=password) == user
    assert (root.is_superuser, root.is_staff) == (True, True)


def test_a_superuser_that_is_none_is_refused():
    with pytest.raises(ValueError, match="is_staff=True"):
        User.objects.create_superuser("x", "", "x", is_staff=False)
    with pytest.raises(ValueError, match="is_superuser=True"):
        User.objects.create_superuser("x", "", "x", is_superuser=False)


@pytest.mark.parametrize("name", ["", None, " ", "a\0b", "x" * 256])
def test_a_name_nobody_can_have_is_refused(name):
    with pytest.raises(InvalidName):
        User.objects.create_user(name)


def test_names_and_addresses_are_taken_once_in_whatever_capitals(user, new_name):
    with pytest.raises(NameTaken):
        User.objects.create_user(user.username.upper())
    with pytest.raises(EmailTaken):
        User.objects.create_user(new_name(), user.email.upper())
    other = User.objects.create_user(new_name())
    other.email = user.email
    with pytest.raises(EmailTaken):
        other.save()
    assert fresh(other).email == ""


@pytest.mark.parametrize("name", ["with blanks", "a/b", "a'b", "x" * 151, "{taken}"])
def test_the_form_for_signing_up_refuses_what_is_taken_or_no_name(user, name, password):
    taken = name.format(taken=user.username.swapcase())
    form = SignUpForm({"username": taken, "email": "", "password1": password, "password2": password})
    assert not form.is_valid()
    assert list(form.errors) == ["username"]


def test_an_address_that_is_taken_is_said_beside_its_field(browser, user, new_name, password):
    form = {"username": new_name(), "email": user.email, "password1": password, "password2": password}
    page = browser.post("/sign-up/", form)
    assert page.context["form"].errors == {"email": ["Another account has this e-mail address."]}
    assert accounts.find(form["username"]) is None


def test_a_name_cannot_be_changed(user):
    user.username = f"new-{user.username}"
    with pytest.raises(InvalidName, match="cannot be changed"):
        user.save()


def test_the_last_sign_in_can_be_set_as_django_does(user):
    now = timezone.now()
    user.last_login = now
    user.save(update_fields=["last_login"])
    assert fresh(user).last_login == now


@pytest.mark.parametrize("how", ["one", "many"])
def test_who_is_deleted_cannot_come_back(user, password, how):
    if how == "one":
        user.delete()
    else:
        User.objects.filter(username=user.username).delete()
    assert accounts.find(user.username) is None
    assert authenticate(None, username=user.username, password=password) is None
    assert not User.objects.filter(username=user.username).exists()


def test_deleting_a_row_whose_name_is_somebody_else_s_now_leaves_him_alone(user):
    accounts.store().delete(accounts.find(user.username))
    other = accounts.store().create(user.username, make_password("something"))
    user.delete()
    assert accounts.find(user.username) == other


@pytest.mark.django_db(transaction=True)
def test_a_row_stays_when_its_account_cannot_be_deleted(user, gate):
    with gate.shut(), pytest.raises(Unavailable):
        user.delete()
    assert User.objects.get(username=user.username) == user
    assert accounts.find(user.username)


def test_django_s_own_reset_tokens_end_with_password_address_and_sign_in(user, password, browser):
    def token():
        return default_token_generator.make_token(fresh(user))

    def counts(made):
        return default_token_generator.check_token(fresh(user), made)

    first = token()
    assert counts(first)
    browser.post("/sign-in/", {"username": user.username, "password": password})
    assert not counts(first)
    second = token()
    user = fresh(user)
    user.email = f"new-{user.email}"
    user.save()
    assert not counts(second)
    third = token()
    user.set_password("another one")
    user.save()
    assert not counts(third)


def permission(name="change_user"):
    return Permission.objects.get(codename=name)


@pytest.mark.parametrize("way", ["himself", "by a group"])
def test_permissions_are_those_of_the_row_in_sync_and_async(user, way):
    if way == "himself":
        user.user_permissions.add(permission())
    else:
        group = Group.objects.create(name="editors")
        group.permissions.add(permission())
        user.groups.add(group)
    user = fresh(user)
    assert user.has_perm("users.change_user") and not user.has_perm("users.delete_user")
    assert user.has_perms(["users.change_user"]) and user.has_module_perms("users")
    assert user.get_all_permissions() == {"users.change_user"}
    assert list(User.objects.with_perm("users.change_user", backend=MODELS)) == [user]


@pytest.mark.django_db(transaction=True)
def test_permissions_in_async_code(user):
    user.user_permissions.add(permission())
    user = fresh(user)

    async def ask():
        return (
            await user.ahas_perm("users.change_user"),
            await user.ahas_perm("users.delete_user"),
            await user.ahas_module_perms("users"),
            await user.aget_all_permissions(),
        )

    assert asyncio.run(ask()) == (True, False, True, {"users.change_user"})


def test_whoever_is_locked_out_here_may_do_nothing(user):
    user.user_permissions.add(permission())
    user.is_active = False
    user.save()
    assert not fresh(user).has_perm("users.change_user")
    user.is_superuser = True
    user.save()
    assert not fresh(user).has_perm("users.change_user")


def test_our_backend_alone_gives_no_permission_and_raises_nothing(user, settings):
    settings.AUTHENTICATION_BACKENDS = [OURS]
    user.user_permissions.add(permission())
    user = fresh(user)
    assert user.get_all_permissions() == user.get_group_permissions() == user.get_user_permissions() == set()
    assert not user.has_perm("users.change_user")
    assert not user.has_module_perms("users")
    assert asyncio.run(user.ahas_perm("users.change_user")) is False
    user.is_superuser = True
    assert user.has_perm("users.change_user")


@pytest.fixture
def mysql_away():
    """Makes MySQL lose the connection at every statement of this kind."""

    def lose(kind):
        def refuse(execute, sql, *rest):
            if sql.startswith(kind):
                raise OperationalError(2013, "Lost connection to server during query")
            return execute(sql, *rest)

        return connection.execute_wrapper(refuse)

    return lose


def test_a_name_is_free_again_when_its_row_could_not_be_made(browser, new_name, password, mysql_away):
    name = new_name()
    form = {"username": name, "email": f"{name}@example.org", "password1": password, "password2": password}
    with mysql_away("INSERT"):
        page = browser.post("/sign-up/", form)
    assert page.status_code == 503
    assert f"{name}@example.org" in page.text
    assert accounts.find(name) is None
    assert browser.post("/sign-up/", form).status_code == 302
    assert authenticate(None, username=name, password=password).email == f"{name}@example.org"


def test_mysql_away_at_a_first_sign_in_is_no_wrong_password(browser, new_name, password, mysql_away):
    account = accounts.store().create(new_name(), make_password(password))
    form = {"username": account.name, "password": password}
    with mysql_away("SELECT"):
        page = browser.post("/sign-in/", form)
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert account.name in page.text
    assert browser.post("/sign-in/", form).status_code == 302
