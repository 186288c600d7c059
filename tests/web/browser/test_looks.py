"""Each page on a phone, in the dark, and as people see or hear it who need more than a mouse and good eyes."""

import pytest
from playwright.sync_api import expect

from tests.web.browser.survey import DESK, findings, look, pages_of_a_user, pages_of_a_visitor
from tests.web.browser.visitor import Visitor

PASSWORD = "correct horse battery"
PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}
FINGER = 44  # pixels that a finger hits
COLOURS = """() => [document.body, document.querySelector("main a")].map(each => {
    const style = getComputedStyle(each);
    return [style.color, style.backgroundColor];
})"""
BRIGHTNESS = """() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g)
    .reduce((sum, part) => sum + Number(part), 0) / 3"""
SMALL = f"""() => [...document.querySelectorAll("button, .button, input, summary, nav a, th a, .below a")]
    .filter(each => each.checkVisibility() && each.type !== "checkbox")
    .filter(each => each.getBoundingClientRect().height < {FINGER})
    .map(each => each.outerHTML)"""


@pytest.fixture(scope="package", params=["a visitor", "a user"])
def survey(request, browser_program, site):
    """Every page as one of them sees it, by what to call it."""
    visitor = Visitor(browser_program, site.url, viewport=DESK, color_scheme="light", reduced_motion="reduce")
    name = f"somebody-with-a-name-of-{'x' * 126}"
    user = request.param == "a user"
    pages = pages_of_a_user(visitor, site, name, PASSWORD) if user else pages_of_a_visitor(visitor, PASSWORD)
    seen = {page: look(visitor) for page in pages}
    visitor.close()
    assert visitor.troubles == []
    assert len(seen) >= 12
    return seen


def told(survey, wrong):
    """What is wrong with which page."""
    return {page: found for page, seen in survey.items() if (found := wrong(seen))}


def test_axe_finds_nothing_on_any_page_in_the_light(survey):
    assert told(survey, lambda seen: seen.light) == {}


def test_axe_finds_nothing_on_any_page_in_the_dark(survey):
    assert told(survey, lambda seen: seen.dark) == {}


def test_no_page_is_wider_than_a_phone(survey):
    assert told(survey, lambda seen: seen.phone > 320 and seen.phone) == {}


def test_a_phone_shows_each_table_whole(survey):
    assert told(survey, lambda seen: seen.partly) == {}


def test_text_may_be_twice_as_large(survey):
    assert told(survey, lambda seen: seen.enlarged > 640 and seen.enlarged) == {}


def test_nothing_moves_for_whoever_asked_for_less_motion(survey):
    assert told(survey, lambda seen: seen.moving) == {}


def test_each_page_has_one_heading_its_landmarks_and_a_title_of_its_own(survey):
    assert told(survey, lambda seen: seen.headings != 1 and seen.headings) == {}
    assert told(survey, lambda seen: seen.landmarks != [1, 1, 1] and seen.landmarks) == {}
    assert told(survey, lambda seen: not ("· Hydra" in seen.title or seen.title.startswith("Hydra: "))) == {}


@pytest.mark.parametrize("address", ["/", "/sign-up/", "/sessions/", "/links/", "/links/new/", "/tokens/"])
def test_what_a_finger_has_to_hit_is_large_enough(visit, new_name, password, address):
    visitor = visit(**PHONE)
    if address != "/sign-up/":
        visitor.sign_up(new_name(), password)
    visitor.page.goto(address)
    assert visitor.page.evaluate(SMALL) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_a_store_is_away_and_where_the_menu_is_open(visit, servers, new_name, password, scheme):
    visitor = visit(color_scheme=scheme, reduced_motion="reduce")
    visitor.sign_up(new_name(), password)
    servers.gate.let(1)  # who this is; then SimpleDB goes away
    try:
        visitor.page.goto("/")
    finally:
        servers.gate.let(None)
    expect(visitor.page.get_by_role("region", name="SimpleDB")).to_contain_text("no answer")
    visitor.page.get_by_role("navigation", name="Account").locator("summary").click()
    expect(visitor.page.get_by_role("button", name="Sign out")).to_be_visible()
    assert findings(visitor.page) == []


def test_the_pages_follow_the_scheme_of_the_browser(visit):
    light, dark = visit(color_scheme="light").page, visit(color_scheme="dark").page
    for page in (light, dark):
        page.goto("/")
    for one, other in zip(light.evaluate(COLOURS), dark.evaluate(COLOURS), strict=True):
        assert one != other
    assert light.evaluate(BRIGHTNESS) > 200
    assert dark.evaluate(BRIGHTNESS) < 60


def test_the_administration_is_ours_by_name_and_colour(visitor):
    visitor.page.goto("/admin/login/")
    expect(visitor.page).to_have_title("Log in · Hydra administration")
    header = "() => getComputedStyle(document.getElementById('header')).backgroundColor"
    assert visitor.page.evaluate(header) == "rgb(10, 102, 96)"
