"""Each page on a phone, in the dark, and as people see or hear it who need more than a mouse and good eyes."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.web.browser.pages import show_failures, visit_all

PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}
WRONG = {"username": "a name with blanks", "email": "nowhere", "password1": "one", "password2": "another"}
COLOURS = """() => [document.body, document.querySelector("main a")].map(each => {
    const style = getComputedStyle(each);
    return [style.color, style.backgroundColor];
})"""
BRIGHTNESS = """() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g)
    .reduce((sum, part) => sum + Number(part), 0) / 3"""
MOVING = """() => [...document.querySelectorAll("*")]
    .map(each => getComputedStyle(each))
    .filter(style => style.transitionDuration !== "0s" || style.animationName !== "none")
    .length"""


def every_page(visitor, new_name, password, signed_in):
    """Open one page after the other, and give what to call it: those of a visitor, or those of a user."""
    if signed_in:
        visitor.sign_up(f"{new_name('somebody-with-quite-a-long-name')}-{'x' * 60}", password)
        yield from visit_all(visitor)
        visitor.page.goto("/password/")
        visitor.fill_in("Change password", old_password="wrong", new_password1="short", new_password2="short")
        yield "a wrong new password"
        return
    yield from visit_all(visitor)
    visitor.page.goto("/sign-up/")
    visitor.fill_in("Create account", **WRONG)
    yield "a wrong sign-up"
    visitor.sign_in("nobody", password)
    yield "a wrong sign-in"
    yield from show_failures(visitor)


@pytest.mark.parametrize("signed_in", [False, True], ids=["a visitor", "a user"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(visit, new_name, password, scheme, signed_in):
    visitor, axe, findings = visit(color_scheme=scheme, reduced_motion="reduce"), Axe(), {}
    for page in every_page(visitor, new_name, password, signed_in):
        for found in axe.run(visitor.page).response["violations"]:
            places = [node["html"] + " " + json.dumps(node.get("any", [])[:1]) for node in found["nodes"]]
            findings.setdefault(f"{found['impact']}: {found['help']}", []).append((page, places))
    assert findings == {}


@pytest.mark.parametrize("signed_in", [False, True], ids=["a visitor", "a user"])
def test_no_page_is_wider_than_a_phone(visit, new_name, password, signed_in):
    visitor = visit(**PHONE)
    widths = {
        page: visitor.page.evaluate("document.documentElement.scrollWidth")
        for page in every_page(visitor, new_name, password, signed_in)
    }
    assert {page: width for page, width in widths.items() if width > 320} == {}
    assert len(widths) >= 6


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_a_store_is_away_and_where_the_menu_is_open(visit, servers, new_name, password, scheme):
    visitor, axe = visit(color_scheme=scheme, reduced_motion="reduce"), Axe()
    visitor.sign_up(new_name(), password)
    servers.gate.let(1)  # who this is; then SimpleDB goes away
    try:
        visitor.page.goto("/")
    finally:
        servers.gate.let(None)
    expect(visitor.page.get_by_role("region", name="SimpleDB")).to_contain_text("no answer")
    visitor.page.get_by_role("navigation", name="Account").locator("summary").click()
    expect(visitor.page.get_by_role("button", name="Sign out")).to_be_visible()
    assert [found["help"] for found in axe.run(visitor.page).response["violations"]] == []


def test_the_pages_follow_the_scheme_of_the_browser(visit):
    light, dark = visit(color_scheme="light").page, visit(color_scheme="dark").page
    for page in (light, dark):
        page.goto("/")
    for one, other in zip(light.evaluate(COLOURS), dark.evaluate(COLOURS), strict=True):
        assert one != other
    assert light.evaluate(BRIGHTNESS) > 200
    assert dark.evaluate(BRIGHTNESS) < 60


def test_nothing_moves_for_whoever_asked_for_less_motion(visit):
    visitor = visit(reduced_motion="reduce")
    for address in visit_all(visitor):
        assert visitor.page.evaluate(MOVING) == 0, address


def test_text_may_be_twice_as_large(visit):
    visitor = visit(viewport={"width": 640, "height": 800})
    for address in visit_all(visitor):
        visitor.page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 640, address
