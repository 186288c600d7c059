"""Signing up, signing in and out, and a new password."""

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView

from webapp.users.forms import SignUpForm
from webapp.users.store import Changed

BACKEND = "webapp.users.backend.SimpleDBBackend"


@method_decorator([never_cache, sensitive_post_parameters()], name="dispatch")
class SignUp(FormView):
    """Makes an account and signs its owner in."""

    form_class = SignUpForm
    template_name = "users/sign_up.html"

    def dispatch(self, request, *args, **kwargs):
        if request.user.is_authenticated:
            return redirect("home")
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form):
        user = form.save()
        if user is None:
            return self.form_invalid(form)
        login(self.request, user, backend=BACKEND)
        return redirect("home")


class SignIn(LoginView):
    """Django's, with our page. SimpleDB out of reach never looks like a wrong password: OutageMiddleware answers."""

    template_name = "users/sign_in.html"


class SignOut(LogoutView):
    """Django's; only a POST signs out."""


class ChangePassword(PasswordChangeView):
    """Django's, which keeps this session and ends all others."""

    template_name = "users/change_password.html"
    success_url = reverse_lazy("home")

    def form_valid(self, form):
        try:
            response = super().form_valid(form)
        except Changed:
            form.add_error(None, "Your account was changed from somewhere else just now. Please try again.")
            return self.form_invalid(form)
        messages.success(self.request, "Your password is changed. All your other sessions have ended.")
        return response
