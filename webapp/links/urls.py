"""The pages of links, all below /links/."""

from django.urls import path, register_converter

from webapp.links import views
from webapp.links.slugs import SLUG


class SlugConverter:
    """A slug as we make them; everything else is no address of ours."""

    regex = SLUG.pattern

    def to_python(self, value):
        """The slug."""
        return value

    def to_url(self, value):
        """The slug."""
        return value


register_converter(SlugConverter, "link")

urlpatterns = [
    path("", views.Index.as_view(), name="links"),
    path("new/", views.New.as_view(), name="new-link"),
    path("links.csv", views.ExportLinks.as_view(), name="export-links"),
    path("<link:slug>/", views.Show.as_view(), name="link"),
    path("<link:slug>/change/", views.Change.as_view(), name="change-link"),
    path("<link:slug>/delete/", views.Delete.as_view(), name="delete-link"),
    path("<link:slug>/days.csv", views.ExportDays.as_view(), name="export-days"),
    path("<link:slug>/minutes.csv", views.ExportMinutes.as_view(), name="export-minutes"),
]
