"""The first page."""

from django.shortcuts import render
from django.views.decorators.cache import never_cache

from webapp.health.panel import where_from


@never_cache
def home(request):
    """For a signed-in user each piece with where it came from; for all others the way in."""
    if not request.user.is_authenticated:
        return render(request, "welcome.html")
    return render(request, "home.html", {"stores": where_from(request)})
