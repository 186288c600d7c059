"""An owner's pages: his links, one link with its chart, making, ending and downloading them.

The chart is kept up by a short script that asks for its figures again every few seconds. Server-sent events would hold
one of a worker's few threads for as long as somebody looks.
"""

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404, redirect
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.generic import FormView, TemplateView, View

from webapp.links.chart import chart_of
from webapp.links.exports import csv_response, pages
from webapp.links.forms import ChangeLinkForm, NewLinkForm
from webapp.links.making import make
from webapp.links.models import SEARCHED, Link
from webapp.links.statistics import figures_of
from webapp.users.views import Patient

PAGE = 25  # links
LONGEST_ADDRESS = 4000  # characters of what was typed; more would be an address that servers refuse


@method_decorator(never_cache, name="dispatch")
class Own(LoginRequiredMixin):
    """What only the owner sees: to everybody else there is nothing here."""

    @property
    def links(self):
        """The visitor's links."""
        return Link.objects.filter(owner_id=self.request.user.pk)

    @property
    def link(self):
        """The link of this address; 404 when it is not his."""
        return get_object_or_404(self.links, slug=self.kwargs["slug"])


class Index(Own, TemplateView):
    """The links, the newest first; `q` is part of a target or a short address, `page` a number."""

    template_name = "links/index.html"

    def get_context_data(self, **more):
        wanted = self.request.GET.get("q", "").strip()[:SEARCHED]
        links = self.links.having(wanted).select_related("total").defer("total__sketch").order_by("-pk")
        page = Paginator(links, PAGE).get_page(self.request.GET.get("page"))
        return super().get_context_data(page=page, q=wanted, **more)


class New(Own, Patient, FormView):
    """Makes a link. The address may say what stands in the form at first: `?target=https://...`, for a bookmark say."""

    form_class = NewLinkForm
    template_name = "links/new.html"

    def get_initial(self):
        return {name: self.request.GET[name] for name in self.form_class.base_fields if name in self.request.GET}

    def handle_no_permission(self):
        """Whoever was signed out while he typed finds it again once he has signed in."""
        typed = {name: text for name in self.form_class.base_fields if (text := self.request.POST.get(name))}
        if not typed or len(again := urlencode(typed)) > LONGEST_ADDRESS:
            return super().handle_no_permission()
        return redirect_to_login(f"{self.request.path}?{again}")

    def form_valid(self, form):
        link = make(self.request.user, **form.cleaned_data)
        messages.success(self.request, "The link is made.")
        return redirect("link", link.slug)


class Show(Own, TemplateView):
    """One link with its figures; with `?part` only those, for the script."""

    def get_template_names(self):
        return ["links/figures.html" if "part" in self.request.GET else "links/show.html"]

    def get_context_data(self, **more):
        link = self.link
        figures = figures_of(link.pk)
        charts = [
            chart_of("Last hour", [(at.strftime("%H:%M"), clicks) for at, clicks in figures.minutes]),
            chart_of("Last 30 days", [(f"{day:%-d %b}", clicks) for day, clicks in figures.days], "on"),
        ]
        return super().get_context_data(link=link, figures=figures, charts=charts, **more)


class Change(Own, Patient, FormView):
    """When the link ends, and whether it is switched off."""

    form_class = ChangeLinkForm
    template_name = "links/change.html"

    def get_initial(self):
        link = self.link
        return {"ends": link.ends, "disabled": link.disabled}

    def get_context_data(self, **more):
        return super().get_context_data(link=self.link, **more)

    def form_valid(self, form):
        link = self.link
        link.change(**form.cleaned_data)
        messages.success(self.request, "The change counts from the next click on.")
        return redirect("link", link.slug)


class Delete(Own, TemplateView):
    """Asks, and then deletes the link with all that was counted."""

    template_name = "links/delete.html"

    def get_context_data(self, **more):
        return super().get_context_data(link=self.link, **more)

    def post(self, request, slug):
        self.link.delete()
        messages.success(request, f"The link {slug} is deleted, with all that was counted of it.")
        return redirect("links")


class ExportLinks(Own, View):
    """All links of the visitor as CSV."""

    def get(self, request):
        head = ("short address", "target", "created", "ends", "switched off", "clicks", "visitors", "state")
        rows = (
            (link.short, link.target, stamp(link.created), stamp(link.ends), link.disabled, *totals(link), link.state)
            for link in pages(self.links.select_related("total").defer("total__sketch"))
        )
        return csv_response(request, "links.csv", head, rows)


class ExportDays(Own, View):
    """The days of one link as CSV."""

    def get(self, request, slug):
        rows = ((each.day, each.clicks, each.visitors) for each in pages(self.link.days.defer("sketch"), "day"))
        return csv_response(request, f"{slug}-days.csv", ("day (UTC)", "clicks", "visitors"), rows)


class ExportMinutes(Own, View):
    """The minutes of one link as CSV; those of the last ninety days."""

    def get(self, request, slug):
        rows = ((stamp(each.at), each.clicks) for each in pages(self.link.minutes.all(), "at"))
        return csv_response(request, f"{slug}-minutes.csv", ("minute (UTC)", "clicks"), rows)


def totals(link: Link) -> tuple[int, int]:
    """Clicks and visitors up to the last minute."""
    total = getattr(link, "total", None)
    return (total.clicks, total.visitors) if total else (0, 0)


def stamp(at) -> str:
    """A moment as every spreadsheet reads it, in UTC."""
    return at.strftime("%Y-%m-%d %H:%M:%S") if at else ""
