"""The forms for whoever types, tabs or listens: what is wrong, where, and what was typed stays."""

from playwright.sync_api import expect

FOCUSED = "document.activeElement"
RING = f"getComputedStyle({FOCUSED}).outlineStyle + getComputedStyle({FOCUSED}).outlineWidth"


def test_signing_in_takes_a_keyboard_alone(visitor, new_name, password):
    name, page = new_name(), visitor.page
    visitor.sign_up(name, password)
    visitor.sign_out()
    page.goto("/")

    def tab_to(word):
        """Press Tab until the focus is on this; wherever it is on the way, it is seen."""
        for _ in range(12):
            page.keyboard.press("Tab")
            assert page.evaluate(RING) == "solid3px"
            if page.evaluate(f"{FOCUSED}.textContent.trim() || {FOCUSED}.name") == word:
                return
        raise AssertionError(f"no way to {word}")

    tab_to("Sign in")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in/")
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type(name)
    tab_to("password")
    page.keyboard.type(password)
    tab_to("Sign in")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {name}")


def test_the_first_tab_leads_past_the_head_of_the_page(visitor):
    page = visitor.page
    page.goto("/")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).not_to_be_in_viewport()
    page.keyboard.press("Tab")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate(f"document.querySelector('main').contains({FOCUSED})")


def test_each_page_has_its_landmarks(visitor):
    for path in ("/", "/sign-in/", "/no-such-page/"):
        visitor.page.goto(path)
        for role in ("banner", "main", "contentinfo"):
            expect(visitor.page.get_by_role(role)).to_have_count(1)


def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(visitor):
    page = visitor.page
    page.goto("/sign-up/")
    visitor.fill_in("Create account", username="two words", email="nowhere", password1="one thing", password2="another")
    for label, words, typed in [
        ("Username", "Enter a valid username", "two words"),
        ("E-mail address", "Enter a valid email address", "nowhere"),
        ("Password confirmation", "The two password fields didn’t match", ""),
    ]:
        field, error = page.get_by_label(label), page.locator(".error", has_text=words)
        expect(field).to_have_value(typed)
        expect(field).to_have_attribute("aria-invalid", "true")
        assert words in page.evaluate(
            "field => field.getAttribute('aria-describedby').split(' ')"
            ".map(id => document.getElementById(id).textContent).join(' ')",
            field.element_handle(),
        ), "a screen reader says it with the field"
        above, below = field.bounding_box(), error.bounding_box()
        assert 0 <= below["y"] - above["y"] - above["height"] < 20
    expect(page.get_by_label("Password", exact=True)).to_have_value("")


def test_a_form_with_errors_says_so_first_and_leads_to_each(visitor):
    page = visitor.page
    page.goto("/sign-up/")
    visitor.fill_in("Create account", username="two words")
    expect(page).to_have_title("Error: Sign up · Hydra")
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    summary.get_by_role("link", name="Username").click()
    expect(page.get_by_label("Username")).to_be_focused()


def test_while_the_accounts_are_away_the_form_keeps_what_was_typed(visitor, servers, password):
    page = visitor.page
    page.goto("/sign-in/")
    with servers.gate.shut():
        visitor.fill_in("Sign in", username="ada", password=password)
        expect(page.get_by_role("alert")).to_contain_text("Please try again in a moment")
    expect(page.get_by_label("Username")).to_have_value("ada")
    expect(page.get_by_label("Password")).to_have_value("")
