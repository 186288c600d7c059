"""The forms of an account's life, from signing up to its end; Django has the one for signing in."""

from django import forms
from django.conf import settings
from django.contrib.auth.forms import PasswordChangeForm, PasswordResetForm, SetPasswordMixin, UsernameField
from django.views.decorators.debug import sensitive_variables

from webapp.limits.rules import NEW_ADDRESS
from webapp.users import accounts
from webapp.users.confirmation import confirmed
from webapp.users.emails import ask_for_email
from webapp.users.models import User
from webapp.users.names import EMAIL_TAKEN, NAME_LENGTH, TAKEN, check_free, check_name
from webapp.users.shards import InvalidName
from webapp.users.store import EmailTaken, NameTaken


class SignUpForm(SetPasswordMixin, forms.Form):
    """A name, an e-mail address and a password twice."""

    username = UsernameField(
        label="Username",
        max_length=NAME_LENGTH,
        validators=[check_name],
        help_text="Letters, digits and @ . + - _ only. Nobody else can have the same name in other capitals.",
    )
    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text="Optional; without one a forgotten password cannot be replaced.",
    )
    password1, password2 = SetPasswordMixin.create_password_fields()

    def clean_username(self):
        """A name that is taken is said together with whatever else is wrong."""
        check_free(self.cleaned_data["username"])
        return self.cleaned_data["username"]

    @sensitive_variables()
    def clean(self):
        """Compare the passwords and weigh the first against name and address."""
        cleaned = super().clean()
        self.validate_passwords()
        self.validate_password_for_user(User(username=cleaned.get("username", ""), email=cleaned.get("email", "")))
        return cleaned

    @sensitive_variables()
    def save(self) -> User | None:
        """The new user; None, with an error beside the field, when somebody else was quicker with name or address."""
        data = self.cleaned_data
        try:
            return User.objects.create_user(data["username"], data["email"], data["password1"])
        except NameTaken:
            self.add_error("username", TAKEN)
        except EmailTaken:
            self.add_error("email", EMAIL_TAKEN)
        return None


class ChangePasswordForm(PasswordChangeForm):
    """Django's; tries at the old password are counted."""

    def __init__(self, *args, request, **kwargs):
        self.request = request
        super().__init__(*args, **kwargs)

    @sensitive_variables()
    def clean_old_password(self):
        """The old password, if it is that."""
        old_password = self.cleaned_data["old_password"]
        if not confirmed(self.request, self.user, old_password):
            raise forms.ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return old_password


class ConfirmedForm(forms.Form):
    """The password, asked for again before what matters; tries are counted."""

    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text="To be sure that it is you.",
    )

    def __init__(self, *args, request, **kwargs):
        self.request = request
        super().__init__(*args, **kwargs)

    @sensitive_variables()
    def clean_password(self):
        """The password, if it is that."""
        password = self.cleaned_data["password"]
        if not confirmed(self.request, self.request.user, password):
            raise forms.ValidationError("That is not your password.")
        return password


class ChangeEmailForm(ConfirmedForm):
    """Another e-mail address, to which a link is mailed, or none."""

    sent = False

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text="A mail will ask there. May be empty; without one a forgotten password cannot be replaced.",
    )
    field_order = ("email", "password")

    @sensitive_variables()
    def save(self) -> bool:
        """Whether it was stored or a link was sent; otherwise what is wrong is said beside the field.

        `sent` says which. Raises Changed, TooManyAttempts, Unavailable, MailAway.
        """
        try:
            with NEW_ADDRESS.attempt(self.request, self.cleaned_data["email"]):
                self.sent = ask_for_email(self.request.user, self.cleaned_data["email"])
        except EmailTaken:
            self.add_error("email", EMAIL_TAKEN)
        except InvalidName as error:
            self.add_error("email", f"{error}.")
        return self.is_valid()


class ResetForm(PasswordResetForm):
    """Django's, which finds the account in SimpleDB. An address nobody has costs the same reads of both stores."""

    email = forms.EmailField(
        label="E-mail address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )

    def get_users(self, email):
        """Who shall get a mail: the owner of this address, if he may sign in and has a password."""
        account = accounts.by_email(email)
        if account is None:
            accounts.find(email)
            User.objects.filter(account_id="").first()
            return
        user = User.objects.for_account(account)
        if user and user.is_active and account.active and user.has_usable_password():
            yield user

    def save(self, **options):
        """Send the mail; its link leads to PUBLIC_URL, whatever name of ours the browser asked for."""
        secure, _, host = settings.ENVIRONMENT.public_url.partition("://")
        super().save(**{**options, "domain_override": host, "use_https": secure == "https"})
