"""Short links in the API: as on the pages, by the same rules, and to nobody but their owner."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.urls import reverse
from ninja import Query, Router, Schema, Status
from pydantic import AfterValidator, Field

from webapp.api.endpoints import problems
from webapp.api.problems import Refused
from webapp.api.schemas import Sent
from webapp.links.forms import ChangeLinkForm, NewLinkForm
from webapp.links.making import make
from webapp.links.models import SEARCHED, Link
from webapp.links.slugs import SLUG
from webapp.links.statistics import Figures, figures_of
from webapp.links.targets import LENGTH

SIZE, MOST = 25, 100  # links of a page

router = Router()


def in_utc(at: datetime) -> datetime:
    """A moment in UTC; one without a zone is. Raises ValueError for one that no calendar has there."""
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("choose a moment between 1970 and 9999") from None


Moment = Annotated[datetime, AfterValidator(in_utc)]


class NewLink(Sent):
    target: str = Field(description=f"http or https; at most {LENGTH} characters. It cannot be changed later")
    ends: Moment | None = Field(None, description="When it ends; UTC, unless it says otherwise")


class LinkChange(Sent):
    ends: Moment | None = Field(None, description="`null` for never; what has passed ends it now")
    disabled: bool = Field(False, description="Whether it is switched off")


class LinkOut(Schema):
    slug: str
    short: str = Field(description="The short address")
    target: str
    created: datetime
    ends: datetime | None
    disabled: bool = Field(description="Whether its owner has switched it off")
    state: Literal["on", "disabled", "ended", "stopped"] = Field(
        description="Whether it leads on, and if not, why; `stopped` by whoever runs this site"
    )
    clicks: int = Field(description="Up to the last minute")
    visitors: int = Field(description="Up to the last minute")


class LinkPage(Schema):
    links: list[LinkOut] = Field(description="The newest first")
    count: int = Field(description="All that were found")
    page: int
    pages: int


class MinuteOut(Schema):
    at: datetime
    clicks: int


class DayOut(Schema):
    day: date
    clicks: int


class SourceOut(Schema):
    family: str = Field(description="Pages that links were followed from: `Google`, `Direct`")
    clicks: int


class Statistics(Schema):
    at: datetime = Field(description="The moment all of it is of")
    live: bool = Field(description="If not, the clicks of the last minutes are missing")
    clicks: int
    automatic: int = Field(description="Crawlers, previews and the like, which no other figure holds")
    visitors: int
    visitors_today: int = Field(description="Today in UTC")
    minutes: list[MinuteOut] = Field(description="The last hour, the oldest first, without gaps")
    days: list[DayOut] = Field(description="The last thirty days, the same way")
    sources: list[SourceOut] = Field(description="The largest first")


@router.get("/links", response=LinkPage, openapi_extra=problems("no-token", "invalid"))
def list_links(
    request,
    q: str = Query("", max_length=SEARCHED, description="Part of a target, a slug or a short address"),
    page: int = Query(1, ge=1, le=10**6, description="Beyond the last it is empty"),
    size: int = Query(SIZE, ge=1, le=MOST, description="Links of a page"),
):
    """The links of the account, the newest first."""
    pages = Paginator(of(request).having(q).order_by("-pk"), size)
    found = pages.page(page) if page <= pages.num_pages else []
    return {"links": [told(link) for link in found], "count": pages.count, "page": page, "pages": pages.num_pages}


@router.post("/links", response={201: LinkOut}, openapi_extra=problems("no-token", "invalid", "too-many-attempts"))
def create_link(request, body: NewLink, response: HttpResponse):
    """A new link. Its slug is chosen here."""
    fields = checked(NewLinkForm, body.model_dump())
    link = make(request.auth.user, **fields)
    response.headers["Location"] = reverse("api-v1:show_link", args=[link.slug])
    return Status(201, told(link))


@router.get("/links/{slug}", response=LinkOut, openapi_extra=problems("no-token", "not-found"))
def show_link(request, slug: str):
    """One link of the account."""
    return told(one(request, slug))


@router.get("/links/{slug}/statistics", response=Statistics, openapi_extra=problems("no-token", "not-found"))
def show_statistics(request, slug: str):
    """What was counted of a link up to this moment."""
    return statistics(figures_of(one(request, slug).pk))


@router.patch("/links/{slug}", response=LinkOut, openapi_extra=problems("no-token", "not-found", "invalid"))
def change_link(request, slug: str, body: LinkChange):
    """Another end, or switch it off or on. What is not sent stays; the next click goes by what is sent."""
    link, sent = one(request, slug), body.model_dump(exclude_unset=True)
    fields = checked(ChangeLinkForm, {"ends": link.ends, "disabled": link.disabled, **sent})
    if sent:  # and nothing else: another client may be changing the rest
        link.change(**{name: fields[name] for name in sent})
    return told(link)


@router.delete("/links/{slug}", response={204: None}, openapi_extra=problems("no-token", "not-found"))
def delete_link(request, slug: str):
    """Delete a link with all that was counted of it. Its slug is never given again."""
    one(request, slug).delete()
    return Status(204, None)


def of(request):
    """The links of whose token this is, with their totals."""
    return Link.objects.filter(owner_id=request.auth.user_id).select_related("total").defer("total__sketch")


def one(request, slug: str) -> Link:
    """His link of this slug. Raises Refused."""
    link = of(request).filter(slug=slug).first() if SLUG.fullmatch(slug) else None
    if link is None:
        raise Refused("not-found")
    return link


def checked(form_class, sent: dict) -> dict:
    """What a form makes of what was sent, which must have its fields' names. Raises Refused."""
    form = form_class(sent)
    if not form.is_valid():
        raise Refused("invalid", errors=[(field, words) for field, all_ in form.errors.items() for words in all_])
    return form.cleaned_data


def told(link: Link) -> dict:
    """A link, to its owner."""
    total = getattr(link, "total", None)
    shown = ("slug", "short", "target", "created", "ends", "disabled", "state")
    counted = {"clicks": total.clicks if total else 0, "visitors": total.visitors if total else 0}
    return {name: getattr(link, name) for name in shown} | counted


def statistics(figures: Figures) -> dict:
    """Figures, to the link's owner."""
    return {
        "at": figures.at,
        "live": figures.live,
        "clicks": figures.clicks,
        "automatic": figures.automatic,
        "visitors": figures.visitors,
        "visitors_today": figures.today,
        "minutes": [{"at": at, "clicks": clicks} for at, clicks in figures.minutes],
        "days": [{"day": day, "clicks": clicks} for day, clicks in figures.days],
        "sources": [{"family": family, "clicks": clicks} for family, clicks in figures.sources],
    }
