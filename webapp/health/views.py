"""The first page, and the icon that browsers ask for by a name of their own."""

from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe

from webapp.health.panel import where_from


@never_cache
def home(request):
    """For a signed-in user each piece with where it came from; for all others the way in."""
    if not request.user.is_authenticated:
        return render(request, "welcome.html")
    return render(request, "home.html", {"stores": where_from(request)})


@require_safe
@cache_control(public=True, max_age=24 * 3600)
def favicon(request):
    """To the icon that our pages name, for what is no page of ours. Neither session nor user is looked at."""
    return HttpResponseRedirect(static("icon.svg"))
