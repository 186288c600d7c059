"""Making a link and watching its clicks come in, in a real browser."""

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

TARGET = "https://example.org/a/long/address"


def test_from_sign_up_to_a_chart_that_follows_the_clicks(visitor, site, servers, new_name, password):
    page = visitor.page
    visitor.sign_up(new_name(), password)
    page.get_by_role("link", name="Links").click()
    page.get_by_role("link", name="New link").click()
    visitor.fill_in("Make the link", target="example.org")
    expect(page.locator("#id_target_error")).to_contain_text("beginning with http")
    expect(page.locator("[name=target]")).to_have_value("example.org")
    visitor.fill_in("Make the link", target=TARGET)
    expect(page.get_by_role("status").first).to_have_text("The link is made.")

    clicks = page.get_by_role("region", name="Clicks")
    expect(clicks).to_contain_text("0")
    short = page.get_by_role("definition").get_by_role("link").get_attribute("href")
    page.get_by_text("Last hour as a table").click()
    for _ in range(3):
        answer = requests.get(short, verify=str(servers.folder / "ca.pem"), allow_redirects=False, timeout=10)
        assert answer.headers["Location"] == TARGET
    expect(clicks).to_contain_text("3")
    expect(page.get_by_role("region", name="Last hour").locator("rect")).not_to_have_count(0)
    expect(page.get_by_role("region", name="Last hour").get_by_role("table")).to_be_visible()
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_a_link_and_in_the_list(visit, new_name, password, scheme):
    visitor, axe = visit(color_scheme=scheme, viewport={"width": 390, "height": 844}), Axe()
    visitor.sign_up(new_name(), password)
    visitor.page.goto("/links/new/")
    visitor.fill_in("Make the link", target=TARGET)
    for address in (visitor.page.url, f"{visitor.page.url}change/", f"{visitor.page.url}delete/", "/links/"):
        visitor.page.goto(address)
        assert [found["id"] for found in axe.run(visitor.page).response["violations"]] == [], address
        assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
