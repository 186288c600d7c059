"""The administration of users: rows in MySQL together with their accounts in SimpleDB."""

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm, UserChangeForm
from django.db import transaction
from django.db.models.functions import Collate
from django.http import HttpResponseRedirect
from django.utils.text import capfirst

from webapp.users import accounts
from webapp.users.emails import tell_of_address, tell_of_password
from webapp.users.models import User
from webapp.users.names import check_address_free
from webapp.users.shards import InvalidName
from webapp.users.store import Changed, EmailTaken, NameTaken

MOST = 200  # users that one action takes; a page shows no more


class AddForm(AdminUserCreationForm):
    """A name, an address and a password: the account is made first, then the row."""

    email = forms.EmailField(label="E-mail address", max_length=254, required=False)

    class Meta(AdminUserCreationForm.Meta):
        model = User

    def clean_email(self):
        """An address that nobody has."""
        check_address_free(self.cleaned_data["email"])
        return self.cleaned_data["email"]

    def _post_clean(self):
        # Before the password is weighed, since it must not be like the address.
        self.instance.email = self.cleaned_data.get("email", "")
        super()._post_clean()


class PasswordForm(AdminPasswordChangeForm):
    """Django's; the owner is told."""

    def save(self, commit=True):
        """The user, whose password is stored."""
        user = super().save(commit)
        tell_of_password(user)
        return user


class ChangeForm(UserChangeForm):
    """What the row says, and the account's address and lock."""

    email = forms.EmailField(label="E-mail address", max_length=254, required=False)
    locked = forms.BooleanField(
        required=False,
        label="Locked out everywhere",
        help_text=(
            "By the account itself, for every application that shares it. They are locked out here with it, and their"
            " links lead nowhere; when it is undone, they are let in here and their links lead on."
        ),
    )

    class Meta(UserChangeForm.Meta):
        model = User
        fields = ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")
        help_texts = {"is_active": "Without it they cannot sign in here, and their links lead nowhere."}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        account = self.instance.account
        self.initial.update(password=self.instance.password, email=self.instance.email)
        self.initial["locked"] = account is not None and not account.active
        if account is None and "email" in self.fields:
            self.fields["email"].disabled = self.fields["locked"].disabled = True

    def clean_email(self):
        """An address that nobody else has."""
        check_address_free(self.cleaned_data["email"], self.instance.account_id)
        return self.cleaned_data["email"]


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    """Everybody who was seen here. Whoever never signed in has no row yet, and is not listed."""

    form = ChangeForm
    add_form = AddForm
    change_password_form = PasswordForm
    readonly_fields = ("username", "first_seen", "last_login", "account_id")
    list_display = ("username", "is_active", "is_staff", "first_seen")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("folded_name",)
    search_help_text = "Part of a username, or a whole e-mail address."
    ordering = ("username",)
    actions = ("lock", "unlock", "lock_here", "unlock_here")
    list_max_show_all = MOST
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "email", "usable_password", "password1", "password2")}),
    )
    fieldsets = (
        ("Account, in SimpleDB", {"fields": ("username", "password", "email", "locked", "last_login", "account_id")}),
        (
            "Row, in MySQL",
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions", "first_seen")},
        ),
    )

    def get_readonly_fields(self, request, obj=None):
        """A new user's name is typed, and never changes."""
        return self.readonly_fields if obj else ()

    def get_search_results(self, request, queryset, search_term):
        """By part of a name in any capitals, or by an address, which only SimpleDB knows."""
        # The column itself is compared byte for byte.
        named = queryset.annotate(folded_name=Collate("username", "utf8mb4_general_ci"))
        found, duplicates = super().get_search_results(request, named, search_term)
        owner = accounts.by_email(search_term.strip()) if "@" in search_term else None
        if owner is not None and not found.filter(account_id=owner.id).exists():
            return queryset.filter(account_id=owner.id), False
        return found, duplicates

    def save_model(self, request, obj, form, change):
        """Write account and row; an address that is replaced is told."""
        old = obj.account.email if change and obj.account is not None else ""
        if change and obj.account is not None:
            obj.email = form.cleaned_data.get("email", obj.email)
            self._set_lock(obj, form)
        super().save_model(request, obj, form, change)
        tell_of_address(obj, old)

    def _set_lock(self, user, form):
        """What the form says about the account's lock. The row goes with it, unless its own flag was changed too."""
        active = not form.cleaned_data.get("locked", not user.account.active)
        if active != user.account.active:
            user.account = accounts.store().change(user.account, active=active)
            if "is_active" not in form.changed_data:
                user.is_active = active
        # Also of a lock that was cut off half way, or that another application made.
        user.is_active = user.is_active and active

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        """As Django's; what another client did at the same moment is a sentence."""
        return said(request, super().changeform_view, object_id, form_url, extra_context)

    def user_change_password(self, request, id, form_url=""):
        """As Django's; what another client did at the same moment is a sentence."""
        return said(request, super().user_change_password, id, form_url)

    def response_action(self, request, queryset):
        """As Django's, for as many as one request has time for: each is asked for and changed in SimpleDB."""
        if request.POST.get("select_across") == "1" and queryset.count() > MOST:
            self.message_user(request, f"At most {MOST} users at a time: nothing was done.", messages.WARNING)
            return None
        return super().response_action(request, queryset)

    def delete_queryset(self, request, queryset):
        """Each with his account, by himself: what cuts this off leaves nobody deleted by half."""
        for user in queryset:
            with transaction.atomic():
                user.delete()

    @admin.action(description="Lock out everywhere, and stop their links", permissions=["change"])
    def lock(self, request, queryset):
        """Lock the accounts and the rows; their sessions and links end with the next click."""
        self._set_active(request, queryset, False, "locked out everywhere; their links lead nowhere")

    @admin.action(description="Let in again everywhere, and their links lead on", permissions=["change"])
    def unlock(self, request, queryset):
        """Undo a lock."""
        self._set_active(request, queryset, True, "let in again everywhere; their links lead on")

    @admin.action(description="Lock out here, and stop their links", permissions=["change"])
    def lock_here(self, request, queryset):
        """By the row alone; their sessions and links end with the next click."""
        self._set_active_here(request, queryset, False, "locked out here; their links lead nowhere")

    @admin.action(description="Let in here again, and their links lead on", permissions=["change"])
    def unlock_here(self, request, queryset):
        """Undo that."""
        self._set_active_here(request, queryset, True, "let in here again; their links lead on")

    def _set_active_here(self, request, queryset, active, done):
        for user in queryset:
            user.is_active = active
            user.save(update_fields=["is_active"])
            self.log_change(request, user, done)
        self.message_user(request, f"{len(queryset)} user{'s' if len(queryset) > 1 else ''} {done}.")

    def _set_active(self, request, queryset, active, done):
        changed = 0
        for user in queryset:
            if user.account is None:
                self.message_user(request, f"The account of {user} was deleted.", messages.WARNING)
                continue
            try:
                if user.account.active != active:
                    user.account = accounts.store().change(user.account, active=active)
                user.is_active = active
                user.save(update_fields=["is_active"])
            except Changed:
                self.message_user(request, f"{user} was changed just now and left alone; try again.", messages.ERROR)
                continue
            self.log_change(request, user, done)
            changed += 1
        if changed:
            self.message_user(request, f"{changed} user{'s' if changed > 1 else ''} {done}.")


def said(request, view, *arguments):
    """The answer of `view`, or the same page again with what the account store refused."""
    try:
        return view(request, *arguments)
    except (NameTaken, EmailTaken, Changed, InvalidName) as error:
        messages.error(request, capfirst(f"{error}. Nothing was saved; please try again."))
        return HttpResponseRedirect(request.get_full_path())
