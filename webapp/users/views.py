"""Signing up, in and out, a new password or address, a forgotten password, and the end of an account."""

from contextlib import nullcontext

from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth import views as django_views
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db import transaction
from django.forms import Form, PasswordInput
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView

from webapp.limits.errors import TooManyAttempts
from webapp.limits.middleware import later
from webapp.limits.rules import RESET, SIGN_IN, SIGN_UP
from webapp.outage import answer_later, note_outage, store_away
from webapp.sessions.endings import end_worthless
from webapp.users import address_links
from webapp.users.deletion import belongings
from webapp.users.emails import change_email, tell_of_password
from webapp.users.forms import ChangeEmailForm, ChangePasswordForm, ConfirmedForm, ResetForm, SignUpForm
from webapp.users.store import Changed, EmailTaken
from webapp.users.tokens import reset_tokens

BACKEND = "webapp.users.backend.SimpleDBBackend"
CHANGED = "Your account was changed from somewhere else just now. Please try again."


class Patient:
    """A form's view that, when a store is away or there were too many tries, shows the form again with what was typed.

    It asks to try again and says when. No password is shown again, and nothing is said about whether what was typed was
    right: nobody knows.
    """

    def attempt(self, request):
        """What counts this try, as a context; most forms cost nothing worth counting."""
        return nullcontext()

    def post(self, request, *args, **kwargs):
        """As without us; 503 with the same form when a store is away, 429 when this was tried too often."""
        try:
            with self.attempt(request):
                return super().post(request, *args, **kwargs)
        except TooManyAttempts as error:
            return later(self.again(limited=error), error)
        except Exception as error:
            store = store_away(error)
            if store is None or store == "Redis":  # without Redis there is no session to show a form to
                raise
            note_outage(store, error)
        return answer_later(self.again(away=True))

    def again(self, **context):
        """The page with the form as it was sent."""
        return self.render_to_response(self.get_context_data(form=self.typed(), **context))

    def typed(self):
        """The form as it was sent, unchecked, without its passwords."""
        # Bound to what was sent it would check it again, against the store that is away.
        unbound = {name: value for name, value in self.get_form_kwargs().items() if name not in ("data", "files")}
        form = self.get_form_class()(**unbound)
        for name, field in form.fields.items():
            if not isinstance(field.widget, PasswordInput):
                form.initial[name] = self.request.POST.get(form.add_prefix(name), "")
        return form


@method_decorator([never_cache, sensitive_post_parameters()], name="dispatch")
class SignUp(Patient, FormView):
    """Makes an account and signs its owner in."""

    form_class = SignUpForm
    template_name = "users/sign_up.html"

    def dispatch(self, request, *args, **kwargs):
        if request.user.is_authenticated:
            return redirect("home")
        return super().dispatch(request, *args, **kwargs)

    def attempt(self, request):
        """Each try tells whether a name is taken, and may make an account."""
        return SIGN_UP.attempt(request)

    def form_valid(self, form):
        user = form.save()
        if user is None:
            return self.form_invalid(form)
        SIGN_IN.know(self.request, user.username)
        login(self.request, user, backend=BACKEND)
        response = redirect("home")
        SIGN_IN.remember(self.request, response, user.username)
        return response


class SignIn(Patient, django_views.LoginView):
    """Django's, with our page."""

    template_name = "users/sign_in.html"

    def form_valid(self, form):
        response = super().form_valid(form)
        SIGN_IN.remember(self.request, response, form.get_user().username)
        return response


class SignOut(django_views.LogoutView):
    """Django's; only a POST signs out. Whoever opens the address finds the button that sends it."""

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request, *args, **kwargs):
        """A page that asks; who is not signed in is where he wants to be."""
        if not request.user.is_authenticated:
            return redirect("home")
        return render(request, "users/sign_out.html")


class ChangePassword(Patient, django_views.PasswordChangeView):
    """Django's, which keeps this session and ends all others."""

    form_class = ChangePasswordForm
    template_name = "users/change_password.html"
    success_url = reverse_lazy("home")

    def get_form_kwargs(self):
        return super().get_form_kwargs() | {"request": self.request}

    def form_valid(self, form):
        try:
            response = super().form_valid(form)
        except Changed:
            form.add_error(None, CHANGED)
            return self.form_invalid(form)
        end_worthless(self.request.user, except_session=self.request.session)
        tell_of_password(self.request.user)
        messages.success(self.request, "Your password is changed. All your other sessions have ended.")
        return response


@method_decorator([never_cache, sensitive_post_parameters()], name="dispatch")
class ChangeEmail(LoginRequiredMixin, Patient, FormView):
    """Another e-mail address, once the owner has said his password again."""

    form_class = ChangeEmailForm
    template_name = "users/change_email.html"

    def get_initial(self):
        return {"email": self.request.user.email}

    def get_form_kwargs(self):
        return super().get_form_kwargs() | {"request": self.request}

    def form_valid(self, form):
        try:
            saved = form.save()
        except Changed:
            form.add_error(None, CHANGED)
            saved = False
        if not saved:
            return self.form_invalid(form)
        if form.sent:
            messages.success(self.request, f"A mail is on its way to {form.cleaned_data['email']}: follow its link.")
        else:
            messages.success(self.request, "Your e-mail address is changed.")
        return redirect("home")


@method_decorator(never_cache, name="dispatch")
class ConfirmEmail(Patient, FormView):
    """Makes an address his who asked for it and reads its mail; not before a click, since mail servers follow links."""

    form_class = Form
    template_name = "users/confirm_email.html"

    def dispatch(self, request, *args, **kwargs):
        self.asked = address_links.read(kwargs["token"])
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **context):
        return super().get_context_data(email=self.asked and self.asked[1], **context)

    def form_valid(self, form):
        try:
            if self.asked:
                change_email(*self.asked)
        except EmailTaken:
            self.asked = None
        except Changed:
            form.add_error(None, CHANGED)
            return self.form_invalid(form)
        if not self.asked:
            return self.render_to_response(self.get_context_data(form=form))
        messages.success(self.request, "Your e-mail address is changed.")
        return redirect("home")


@method_decorator([never_cache, sensitive_post_parameters()], name="dispatch")
class DeleteAccount(LoginRequiredMixin, Patient, FormView):
    """Ends an account for ever, once its owner has said his password again."""

    form_class = ConfirmedForm
    template_name = "users/delete_account.html"

    def get_form_kwargs(self):
        return super().get_form_kwargs() | {"request": self.request}

    def get_context_data(self, **context):
        return super().get_context_data(going=belongings(self.request.user), **context)

    def form_valid(self, form):
        try:
            with transaction.atomic():
                self.request.user.delete()
        except Changed:
            form.add_error(None, CHANGED)
            return self.form_invalid(form)
        logout(self.request)
        messages.success(self.request, "Your account is deleted.")
        return redirect("home")


class AskReset(Patient, django_views.PasswordResetView):
    """Django's: sends a link by mail, and says the same whoever asked for whatever address."""

    form_class = ResetForm
    template_name = "users/ask_reset.html"
    email_template_name = "users/reset_mail.txt"
    subject_template_name = "users/reset_subject.txt"
    success_url = reverse_lazy("reset-asked")
    token_generator = reset_tokens

    def attempt(self, request):
        """Each try may send a mail."""
        return RESET.attempt(request, request.POST.get("email", ""))


class ResetAsked(django_views.PasswordResetDoneView):
    """What to do now."""

    template_name = "users/reset_asked.html"


class Reset(Patient, django_views.PasswordResetConfirmView):
    """Django's: a new password for who has the link. It ends all of his sessions."""

    template_name = "users/reset.html"
    success_url = reverse_lazy("sign-in")
    token_generator = reset_tokens

    def get_user(self, uidb64):
        """The user of the link, unless he was locked out since it was sent."""
        user = super().get_user(uidb64)
        return user if user and user.is_active and user.account and user.account.active else None

    def form_valid(self, form):
        try:
            response = super().form_valid(form)
        except Changed:
            form.add_error(None, CHANGED)
            return self.form_invalid(form)
        SIGN_IN.know(self.request, form.user.username)
        SIGN_IN.remember(self.request, response, form.user.username)
        end_worthless(self.user)
        tell_of_password(self.user)
        messages.success(self.request, "Your password is changed. Sign in with the new one.")
        return response
