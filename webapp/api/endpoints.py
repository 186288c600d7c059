"""Every address of the API."""

from uuid import UUID

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.views.decorators.debug import sensitive_variables
from ninja import Router, Status

from webapp.api import tokens
from webapp.api.models import ApiToken
from webapp.api.problems import Refused
from webapp.api.schemas import (
    AccountOut,
    Confirmation,
    NewAccount,
    NewEmail,
    NewPassword,
    NewToken,
    TokenMade,
    TokenOut,
)
from webapp.limits.rules import NEW_ADDRESS, SIGN_IN, SIGN_UP
from webapp.users import emails, last_login
from webapp.users.account import moment
from webapp.users.confirmation import confirmed
from webapp.users.errors import EmailTaken
from webapp.users.forms import SignUpForm
from webapp.users.models import User
from webapp.users.names import EMAIL_TAKEN
from webapp.users.shards import InvalidName

router = Router()

# What our fields are called in the form that browsers fill in, whose rules are also the API's.
FIELDS = {"username": "name", "password1": "password", "password2": "password"}


def problems(*names: str) -> dict:
    """For an operation's document: which kinds of problems it may answer with."""
    return {"x-problems": names}


@router.post("/accounts", response={201: AccountOut}, auth=None, openapi_extra=problems("invalid", "too-many-attempts"))
@sensitive_variables()
def sign_up(request, body: NewAccount):
    """Sign up. The account is there at once; make a token for it next."""
    with SIGN_UP.attempt(request):
        password = body.password.get_secret_value()
        form = SignUpForm({"username": body.name, "email": body.email, "password1": password, "password2": password})
        user = form.save() if form.is_valid() else None
    if user is None:
        said = [(FIELDS.get(field, field), words) for field, all_ in form.errors.items() for words in all_]
        raise Refused("invalid", errors=list(dict.fromkeys(said)))
    SIGN_IN.know(request, user.username)
    return Status(201, told(user))


@router.post(
    "/tokens",
    response={201: TokenMade},
    auth=None,
    openapi_extra=problems("wrong-credentials", "invalid", "too-many-attempts", "too-many-tokens"),
)
@sensitive_variables()
def create_token(request, body: NewToken):
    """Sign in: a token for one device."""
    user = authenticate(request, username=body.name, password=body.password.get_secret_value())
    if user is None:
        raise Refused("wrong-credentials")
    try:
        text, token = tokens.issue(user, body.device, body.days)
    except tokens.TooManyTokens:
        raise Refused("too-many-tokens", f"An account has at most {tokens.MOST} tokens. Revoke one first.") from None
    last_login.note(User, user)
    shown = {name: getattr(token, name) for name in ("id", "device", "created", "expires")}
    return Status(201, {"token": text, **shown})


@router.get("/tokens", response=list[TokenOut], openapi_extra=problems("no-token"))
def list_tokens(request):
    """All tokens of the account that count, the newest first."""
    shown = ("id", "device", "created", "expires", "last_used")
    return [
        {name: getattr(token, name) for name in shown} | {"current": token.pk == request.auth.pk}
        for token in tokens.living(request.auth.user)
    ]


@router.delete("/tokens", response={204: None}, openapi_extra=problems("no-token"))
def revoke_all_tokens(request):
    """Revoke all tokens of the account, this one too."""
    ApiToken.objects.filter(user=request.auth.user).delete()
    return Status(204, None)


@router.delete("/tokens/current", response={204: None}, openapi_extra=problems("no-token"))
def revoke_this_token(request):
    """Sign out: revoke the token this is asked with."""
    request.auth.delete()
    return Status(204, None)


@router.delete("/tokens/{id}", response={204: None}, openapi_extra=problems("no-token", "not-found"))
def revoke_token(request, id: str):
    """Revoke one token of the account."""
    try:
        found = ApiToken.objects.filter(user=request.auth.user, pk=UUID(id))
    except ValueError:
        raise Refused("not-found") from None
    if not found.delete()[0]:
        raise Refused("not-found")
    return Status(204, None)


@router.get("/account", response=AccountOut, openapi_extra=problems("no-token"))
def show_account(request):
    """Whose token this is."""
    return told(request.auth.user)


CONFIRMED = ("no-token", "wrong-password", "changed", "invalid", "too-many-attempts")


@router.patch("/account", response={200: AccountOut, 202: AccountOut}, openapi_extra=problems(*CONFIRMED))
@sensitive_variables()
def change_email(request, body: NewEmail):
    """Another e-mail address, or none. A link is mailed to the new one (202), which counts once that is followed; none,
    or the same, counts at once. The old one is told by mail."""
    user = confirm(request, body)
    try:
        email = forms.EmailField(max_length=254, required=False).clean(body.email)
        with NEW_ADDRESS.attempt(request, email):
            sent = emails.ask_for_email(user, email)
    except ValidationError as error:
        raise Refused("invalid", errors=[("email", words) for words in error.messages]) from None
    except EmailTaken:
        raise Refused("invalid", errors=[("email", EMAIL_TAKEN)]) from None
    except InvalidName as error:
        raise Refused("invalid", errors=[("email", f"{error}.")]) from None
    return Status(202 if sent else 200, told(user))


@router.put("/account/password", response={204: None}, openapi_extra=problems(*CONFIRMED))
@sensitive_variables()
def change_password(request, body: NewPassword):
    """Another password. All sessions and all other tokens of the account end; this token counts on."""
    user, new = confirm(request, body), body.new_password.get_secret_value()
    try:
        validate_password(new, user)
    except ValidationError as error:
        raise Refused("invalid", errors=[("new_password", words) for words in error.messages]) from None
    user.set_password(new)
    user.save()
    tokens.keep_only(request.auth)
    emails.tell_of_password(user)
    return Status(204, None)


@router.post("/account/deletion", response={204: None}, openapi_extra=problems(*CONFIRMED))
@sensitive_variables()
def delete_account(request, body: Confirmation):
    """Delete the account and all that belongs to it, for ever. Its name is free for others then."""
    confirm(request, body).delete()
    return Status(204, None)


@sensitive_variables()
def confirm(request, body) -> User:
    """The user, who has proved again that he knows his password."""
    user = request.auth.user
    if not confirmed(request, user, body.password.get_secret_value()):
        raise Refused("wrong-password")
    return user


def told(user: User) -> dict:
    """What is told of an account, to its owner."""
    account = user.account
    return {
        "name": account.name,
        "email": account.email,
        "created": moment(account.created),
        "last_sign_in": moment(account.last_login),
    }
