"""The pages about the API: its documentation, and a user's tokens."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from webapp.api.documentation import marked, operations
from webapp.api.models import ApiToken
from webapp.api.problems import KINDS
from webapp.api.service import ABOUT, api
from webapp.api.tokens import living


@require_safe
def documentation(request):
    """What clients can ask, from the same document that programs read."""
    told = {"about": marked(ABOUT), "kinds": [(kind, marked(kind.advice)) for kind in KINDS.values()]}
    told["operations"] = operations(api.get_openapi_schema())
    return render(request, "api/documentation.html", told)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request):
    """GET shows his tokens; POST revokes the one that is sent, or with `all` all of them."""
    if request.method != "POST":
        return render(request, "api/tokens.html", {"tokens": living(request.user)})
    found = ApiToken.objects.filter(user=request.user)
    if "all" not in request.POST:
        found = found.filter(pk=uuid_of(request.POST.get("token", "")))
    if found.delete()[0]:
        messages.success(request, "Revoked: what had it is signed out.")
    else:
        messages.info(request, "It had been revoked already.")
    return redirect("api-tokens")


def uuid_of(text: str) -> UUID | None:
    """The id that was sent, or None for what is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
