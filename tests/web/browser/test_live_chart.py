"""A chart asks for new figures while somebody looks at it who may, and not otherwise."""

import pytest
from playwright.sync_api import expect

TARGET = "https://example.org/a/long/address"
HIDDEN = "Object.defineProperty(document, 'hidden', {{configurable: true, get: () => {}}}); \
document.dispatchEvent(new Event('visibilitychange'))"
MINUTE = 60_000  # milliseconds


@pytest.fixture
def asked(visitor, new_name, password):
    """What a chart has asked for, whose page the visitor looks at; its clock is the test's."""
    page, asked = visitor.page, []
    page.clock.install()
    visitor.sign_up(new_name(), password)
    page.goto("/links/new/")
    visitor.fill_in("Make the link", target=TARGET)
    page.on("request", lambda request: request.url.endswith("?part") and asked.append(request.url))
    return asked


def look(visitor):
    """Let the clock run until the chart has asked once more."""
    with visitor.page.expect_response("**/*?part"):
        visitor.page.clock.run_for(4000)


def test_nothing_is_asked_while_the_tab_is_hidden(visitor, asked):
    look(visitor)
    visitor.page.evaluate(HIDDEN.format("true"))
    before = len(asked)
    visitor.page.clock.run_for(5 * MINUTE)
    assert len(asked) == before
    with visitor.page.expect_response("**/*?part"):  # at once, without the clock
        visitor.page.evaluate(HIDDEN.format("false"))


@pytest.mark.parametrize("end", ["session", "link"])
def test_nothing_is_asked_any_more_once_the_session_or_the_link_is_gone(visitor, asked, end):
    look(visitor)
    if end == "session":
        visitor.context.clear_cookies()
    else:
        other = visitor.context.new_page()
        other.goto(f"{visitor.page.url}delete/")
        other.get_by_role("button", name="Delete for good").click()
        other.get_by_text("is deleted, with all that was counted").wait_for()
    look(visitor)
    expect(visitor.page.locator("#said")).to_contain_text("reload the page")
    before = len(asked)
    visitor.page.clock.run_for(5 * MINUTE)
    assert len(asked) == before
    visitor.troubles.clear()  # the 404 by which the chart was told
