"""The page on which a user sees where he is signed in, and ends what he does not want."""

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from webapp.sessions.overview import end, end_all, handle_of, sessions_of


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def sessions(request):
    """GET shows his sessions; POST ends the one whose handle is sent, or with `others` all but this one."""
    if request.method != "POST":
        here = handle_of(request.session)
        return render(request, "sessions/sessions.html", {"sessions": sessions_of(request.user), "here": here})
    if "others" in request.POST:
        count = end_all(request.user, except_session=request.session)
        messages.success(request, said(count))
    elif request.POST.get("handle") == handle_of(request.session):
        logout(request)
        return redirect("home")
    elif end(request.user, request.POST.get("handle", "")):
        messages.success(request, "That session has ended.")
    else:
        messages.info(request, "That session had ended already.")
    return redirect("sessions")


def said(count: int) -> str:
    """How many other sessions have ended, as a sentence."""
    if count == 0:
        return "You were signed in nowhere else."
    return "One other session has ended." if count == 1 else f"{count} other sessions have ended."
