"""Opens every page once, and notes what people meet there who need more than a mouse, good eyes and a large screen.

A page is loaded once and then looked at in the light, in the dark, on a phone and with larger letters: loading it anew
for each question took most of the time.
"""

from dataclasses import dataclass

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.web.browser.pages import show_failures, visit_all
from tests.web.browser.site import Site
from tests.web.browser.visitor import Visitor

DESK, PHONE = {"width": 1280, "height": 800}, {"width": 320, "height": 640}
HALF = {"width": 640, "height": 800}  # what a window of 1280 has when all is twice as large
COLOURS = ["color-contrast"]  # of axe's rules, what another scheme can change
FINDINGS = "options => axe.run(options).then(told => told.violations)"
WRONG = {"username": "a name with blanks", "email": "nowhere", "password1": "one", "password2": "another"}
WIDTH = "document.documentElement.scrollWidth"
MOVING = """() => [...document.querySelectorAll("*")]
    .map(each => getComputedStyle(each))
    .filter(style => style.transitionDuration !== "0s" || style.animationName !== "none")
    .length"""
PARTLY = (
    """() => [...document.querySelectorAll(".scroll")].filter(each => each.scrollWidth > each.clientWidth).length"""
)
LARGER = "size => document.documentElement.style.fontSize = size"


@dataclass(frozen=True)
class Seen:
    """One page: axe's findings as lines, the width its content takes, and more that can be asked of it."""

    title: str
    light: list[str]
    dark: list[str]
    phone: int  # pixels, of 320
    partly: int  # tables of which a phone shows only a part
    enlarged: int  # pixels, of 640, with letters twice as large
    moving: int  # elements that move although the visitor asked for less motion
    headings: int  # of the first level
    landmarks: list[int]  # how many heads, mains and feet


def pages_of_a_visitor(visitor: Visitor, password: str):
    """Open what everybody sees, one page after the other, and give what to call it."""
    yield from visit_all(visitor)
    for page in ("/account/email/new/none/", "/password/new/no/ne/"):  # a link that does not count any more
        visitor.page.goto(page)
        yield page
    visitor.page.goto("/sign-up/")
    visitor.fill_in("Create account", **WRONG)
    yield "a wrong sign-up"
    visitor.sign_in("nobody", password)
    yield "a wrong sign-in"
    yield from show_failures(visitor)


def pages_of_a_user(visitor: Visitor, site: Site, name: str, password: str):
    """The same for somebody who has an account, a link with a long target, mails of ours, and a few clicks wrong."""
    visitor.sign_up(name, password)
    visitor.page.goto("/links/")
    yield "no links yet"
    visitor.page.goto("/links/new/")
    visitor.fill_in("Make the link", target=f"https://example.org/{'long' * 480}")
    address = visitor.page.url
    yield from visit_all(visitor)
    for page in (address, f"{address}change/", f"{address}delete/", f"/links/?q={'none' * 45}"):
        visitor.page.goto(page)
        yield page.removeprefix(visitor.url)
    visitor.page.goto("/password/")
    visitor.fill_in("Change password", old_password="wrong", new_password1="short", new_password2="short")
    yield "a wrong new password"
    email = f"{'somebody' * 6}@example.org"
    visitor.page.goto("/account/email/")
    visitor.fill_in("Save address", email=email, password=password)
    visitor.page.goto(site.link_in_mail(email, "/account/email/new/"))
    yield "a new address"
    visitor.fill_in(f"Use {email}")
    visitor.page.goto("/password/forgotten/")
    visitor.fill_in("Send me a link", email=email)
    visitor.page.goto(site.link_in_mail(email, "/password/new/"))
    yield "a new password"


def look(visitor: Visitor) -> Seen:
    """All there is to see of the page that is open; leaves the window as it was."""
    page = visitor.page
    light = findings(page)
    moving = page.evaluate(MOVING)
    page.emulate_media(color_scheme="dark")
    dark = findings(page, runOnly=COLOURS)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    phone, partly = page.evaluate(WIDTH), page.evaluate(PARTLY)
    page.set_viewport_size(HALF)
    page.evaluate(LARGER, "200%")
    enlarged = page.evaluate(WIDTH)
    page.evaluate(LARGER, "")
    page.set_viewport_size(DESK)
    landmarks = [page.get_by_role(role).count() for role in ("banner", "main", "contentinfo")]
    headings = page.get_by_role("heading", level=1).count()
    return Seen(page.title(), light, dark, phone, partly, enlarged, moving, headings, landmarks)


def findings(page: Page, **options) -> list[str]:
    """What axe finds wrong, each as a line with the places; `options` are those of `axe.run`."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(FINDINGS, {"resultTypes": ["violations"], **options})
    return [f"{each['impact']}: {each['help']} {[node['html'] for node in each['nodes']]}" for each in found]
