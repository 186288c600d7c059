"""Every address of the application; those that machines ask are answered before, by HealthMiddleware."""

from django.contrib import admin
from django.urls import include, path, re_path

from webapp.api.service import api
from webapp.api.views import documentation, tokens
from webapp.health.views import favicon, home
from webapp.links.following import follow
from webapp.links.slugs import SLUG
from webapp.sessions.views import sessions
from webapp.users.views import (
    AskReset,
    ChangeEmail,
    ChangePassword,
    ConfirmEmail,
    DeleteAccount,
    Reset,
    ResetAsked,
    SignIn,
    SignOut,
    SignUp,
)

urlpatterns = [
    path("", home, name="home"),
    path("favicon.ico", favicon, name="favicon"),
    path("sign-up/", SignUp.as_view(), name="sign-up"),
    path("sign-in/", SignIn.as_view(), name="sign-in"),
    path("sign-out/", SignOut.as_view(), name="sign-out"),
    path("password/", ChangePassword.as_view(), name="change-password"),
    path("password/forgotten/", AskReset.as_view(), name="ask-reset"),
    path("password/forgotten/sent/", ResetAsked.as_view(), name="reset-asked"),
    path("password/new/<uidb64>/<token>/", Reset.as_view(), name="reset"),
    path("links/", include("webapp.links.urls")),
    re_path(rf"^l/(?P<slug>{SLUG.pattern})$", follow, name="follow"),
    path("sessions/", sessions, name="sessions"),
    path("account/email/", ChangeEmail.as_view(), name="change-email"),
    path("account/email/new/<token>/", ConfirmEmail.as_view(), name="confirm-email"),
    path("account/delete/", DeleteAccount.as_view(), name="delete-account"),
    path("tokens/", tokens, name="api-tokens"),
    path("api/", documentation, name="api"),
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
]
