"""Making a link and watching its clicks come in, in a real browser."""

import re

import requests
from playwright.sync_api import expect

from tests.web.browser.survey import findings

TARGET = "https://example.org/a/long/address"


def follow(page, servers, times: int) -> str:
    """Follow the link whose page is open, as others do; gives its short address."""
    short = page.get_by_role("definition").get_by_role("link").first.get_attribute("href")
    for _ in range(times):
        answer = requests.get(short, verify=str(servers.folder / "ca.pem"), allow_redirects=False, timeout=10)
        assert answer.headers["Location"] == TARGET
    return short


def test_from_sign_up_to_a_chart_that_follows_the_clicks(visitor, site, servers, new_name, password):
    page = visitor.page
    visitor.sign_up(new_name(), password)
    page.goto("/links/")
    page.get_by_role("link", name="Make your first link").click()
    visitor.fill_in("Make the link", target="example.org")
    expect(page.locator("#id_target_error")).to_contain_text("beginning with http")
    expect(page.locator("[name=target]")).to_have_value("example.org")
    visitor.fill_in("Make the link", target=TARGET)
    expect(page.get_by_role("status").first).to_have_text("The link is made.")

    clicks = page.get_by_role("region", name="Clicks")
    expect(clicks).to_contain_text("0")
    expect(page.get_by_text("Nobody has followed this link yet. Pass on")).to_be_visible()
    short = follow(page, servers, times=3)
    expect(clicks).to_contain_text("3")
    hour = page.get_by_role("region", name="Last hour")
    expect(hour.locator("rect")).not_to_have_count(0)
    page.get_by_text("Last hour as a table").click()
    with page.expect_response("**/*?part"):
        pass
    expect(hour.get_by_role("table")).to_be_visible()
    expect(page.locator("#said")).to_have_text("The figures are kept up to date.")

    page.get_by_role("button", name="Stop updating").click()
    expect(page.locator("#said")).to_have_text("Stopped.")
    page.get_by_role("button", name="Go on updating").click()
    expect(page.locator("#said")).to_have_text("The figures are kept up to date.")

    page.get_by_role("link", name="Change").last.click()
    page.get_by_label("Switched off").check()
    visitor.fill_in("Save")
    expect(page.get_by_role("definition").last).to_have_text("switched off")
    page.goto(short)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link has ended")


def test_without_a_script_the_page_shows_the_figures_of_the_moment(visit, new_name, password):
    visitor = visit(java_script_enabled=False)
    visitor.sign_up(new_name(), password)
    visitor.page.goto("/links/new/")
    visitor.fill_in("Make the link", target=TARGET)
    expect(visitor.page.get_by_role("region", name="Clicks")).to_contain_text("0")
    expect(visitor.page.locator("#said")).to_contain_text("reload the page")
    expect(visitor.page.get_by_role("button", name="Stop updating")).to_have_count(0)


def test_when_the_server_is_silent_the_last_figures_stay(visitor, site, new_name, password):
    visitor.sign_up(new_name(), password)
    visitor.page.goto("/links/new/")
    visitor.fill_in("Make the link", target=TARGET)
    visitor.page.route("**/*?part", lambda route: route.abort())
    expect(visitor.page.locator("#said")).to_contain_text("Trying again")
    expect(visitor.page.get_by_role("region", name="Clicks")).to_contain_text("0")


def test_each_bar_tells_its_value_to_pointer_and_arrow_keys_and_goes_on_doing_so(visit, servers, new_name, password):
    visitor = visit(reduced_motion="reduce")
    page = visitor.page
    visitor.sign_up(new_name(), password)
    page.goto("/links/new/")
    visitor.fill_in("Make the link", target=TARGET)
    follow(page, servers, times=2)
    bars = page.get_by_role("slider", name="Last 30 days")
    told = page.get_by_role("region", name="Last 30 days").locator(".axis strong")
    bars.focus()
    bars.press("ArrowLeft")
    expect(told).to_contain_text(": 2 clicks")
    bars.press("ArrowLeft")
    expect(told).to_contain_text(": 0 clicks")
    bars.press("End")
    with page.expect_response("**/*?part"):
        pass
    expect(bars).to_be_focused()
    expect(bars).to_have_attribute("aria-valuetext", re.compile(": 2 clicks"))
    bars.press("Escape")
    expect(told).to_have_text("")
    bars.hover(position={"x": 1, "y": 5})
    expect(told).to_contain_text(": 0 clicks")
    assert findings(page) == []
    page.emulate_media(color_scheme="dark")
    assert findings(page) == []


def test_the_short_address_can_be_copied(visit, new_name, password):
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    page = visitor.page
    visitor.sign_up(new_name(), password)
    page.goto("/links/new/")
    visitor.fill_in("Make the link", target=TARGET)
    page.get_by_role("button", name="Copy the short address").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith(f"{visitor.url}/l/")
