"""Django's own forms and queries, as they come, on our users: what other applications would bring along."""

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.forms import BaseUserCreationForm, PasswordResetForm, UserCreationForm
from django.core.exceptions import FieldError, ValidationError

from webapp.users import accounts
from webapp.users.models import User

pytestmark = pytest.mark.django_db


class Creation(UserCreationForm):
    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username", "email")


class BareCreation(BaseUserCreationForm):
    class Meta(BaseUserCreationForm.Meta):
        model = User


@pytest.fixture
def user(new_name, password):
    name = new_name("Alice")
    return User.objects.create_user(name, f"{name}@example.org", password)


def filled(form, name, password, email=""):
    return form({"username": name, "email": email, "password1": password, "password2": password})


@pytest.mark.parametrize("form", [Creation, BareCreation])
def test_a_user_is_made_by_django_s_form(form, new_name, password):
    name = new_name("Zoe\u0308")
    made = filled(form, name, password).save()
    assert made.username.startswith("Zo\xeb")
    assert authenticate(None, username=made.username, password=password) == made


@pytest.mark.parametrize("form", [Creation, BareCreation])
@pytest.mark.parametrize("name", ["{taken}", "{TAKEN}", "with blanks", "jsmith!", "a\0b", "x" * 151, ""])
def test_a_name_that_is_taken_or_none_is_said_beside_its_field(form, user, name, password):
    name = name.format(taken=user.username, TAKEN=user.username.upper())
    assert list(filled(form, name, password).errors) == ["username"]


def test_a_name_of_somebody_never_seen_here_is_taken_too(new_name, password):
    name = new_name()
    accounts.store().create(name, "!")
    assert filled(Creation, name, password).errors == {"username": ["This name is taken."]}


def test_an_address_that_is_taken_is_said_beside_its_field(user, new_name, password):
    form = filled(Creation, new_name(), password, email=user.email.upper())
    assert form.errors == {"email": ["Another account has this e-mail address."]}


def test_a_model_says_what_is_wrong_with_it_and_a_user_is_no_namesake_of_himself(user):
    with pytest.raises(ValidationError) as caught:
        User(username=user.username.upper(), password="!").full_clean()
    assert caught.value.message_dict == {"username": ["This name is taken."]}
    user.email = f"new-{user.email}"
    user.full_clean()


def test_users_are_found_by_their_whole_address_in_any_capitals(user, new_name):
    assert User.objects.get(email=user.email) == user
    assert User.objects.filter(email__iexact=user.email.upper(), is_active=True).get() == user
    assert not User.objects.filter(email=f"{new_name()}@example.org").exists()
    assert not User.objects.filter(email="no address").exists()
    assert user not in User.objects.exclude(email=user.email)


@pytest.mark.parametrize("lookup", [{"email__icontains": "x"}, {"password": "x"}, {"last_login__isnull": True}])
def test_what_only_simpledb_knows_cannot_be_asked_of_the_table(lookup):
    with pytest.raises(FieldError, match="is kept in SimpleDB"):
        list(User.objects.filter(**lookup))


def test_django_s_own_reset_finds_whoever_may_sign_in_with_a_password(user, new_name):
    form = PasswordResetForm({"email": user.email})
    assert list(form.get_users(user.email.upper())) == [user]
    assert list(form.get_users(f"{new_name()}@example.org")) == []
    user.set_unusable_password()
    user.save()
    assert list(form.get_users(user.email)) == []
