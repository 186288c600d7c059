"""The form for signing up; Django has those for signing in and for a new password."""

from django import forms
from django.contrib.auth.forms import SetPasswordMixin, UsernameField
from django.contrib.auth.validators import UnicodeUsernameValidator

from webapp.users.models import NAME_LENGTH, User
from webapp.users.shards import InvalidName, canonical
from webapp.users.store import NameTaken


def check_name(name: str) -> None:
    """Raises ValidationError when nobody can have this name here."""
    if len(name) > NAME_LENGTH:
        raise forms.ValidationError(f"A user name has at most {NAME_LENGTH} characters.")
    UnicodeUsernameValidator()(name)
    try:
        canonical(name)
    except InvalidName as error:
        raise forms.ValidationError(f"{error}.".capitalize()) from error


class SignUpForm(SetPasswordMixin, forms.Form):
    """A name, an e-mail address and a password twice."""

    username = UsernameField(
        label="User name",
        max_length=NAME_LENGTH,
        validators=[check_name],
        help_text="Letters, digits and @ . + - _ only. Nobody else can have the same name in other capitals.",
    )
    email = forms.EmailField(label="E-mail address", max_length=254, required=False, help_text="Optional.")
    password1, password2 = SetPasswordMixin.create_password_fields()

    def clean(self):
        """Compare the passwords and weigh the first against name and address."""
        cleaned = super().clean()
        self.validate_passwords()
        self.validate_password_for_user(User(username=cleaned.get("username", ""), email=cleaned.get("email", "")))
        return cleaned

    def save(self) -> User | None:
        """The new user; None, with an error beside the field, when the name was taken."""
        data = self.cleaned_data
        try:
            return User.objects.create_user(data["username"], data["email"], data["password1"])
        except NameTaken:
            self.add_error("username", "This name is taken.")
            return None
