"""The forms for whoever types, tabs or listens: what is wrong, where, and what was typed stays."""

from playwright.sync_api import expect

FOCUSED = "document.activeElement"
RING = f"getComputedStyle({FOCUSED}).outlineStyle + getComputedStyle({FOCUSED}).outlineWidth"


def test_signing_in_takes_a_keyboard_alone(visitor, new_name, password):
    name, page = new_name(), visitor.page
    visitor.sign_up(name, password)
    visitor.context.clear_cookies()
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


def test_a_second_click_on_a_button_sends_nothing_twice(visitor, new_name, password):
    visitor.sign_up(new_name(), password)
    visitor.page.goto("/links/new/")
    visitor.page.get_by_label("Long address").fill("https://example.org/")
    with visitor.page.expect_navigation():
        visitor.page.get_by_role("button", name="Make the link").dblclick()
    visitor.page.goto("/links/")
    expect(visitor.page.get_by_role("rowheader")).to_have_count(1)


def test_the_menu_closes_by_escape_and_by_a_click_elsewhere(visitor, new_name, password):
    visitor.sign_up(new_name(), password)
    page = visitor.page
    page.goto("/")
    summary = page.get_by_role("navigation", name="Account").locator("summary")
    out = page.get_by_role("button", name="Sign out")
    summary.press("Enter")
    expect(out).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(out).to_be_hidden()
    expect(summary).to_be_focused()
    summary.click()
    expect(out).to_be_visible()
    page.get_by_role("heading", level=1).click()
    expect(out).to_be_hidden()


def test_a_password_can_be_looked_at_and_is_still_sent_as_one(visitor, password):
    page = visitor.page
    page.goto("/sign-in/")
    field = page.get_by_label("Password")
    field.fill(password)
    page.get_by_role("button", name="Show password").click()
    expect(field).to_have_attribute("type", "text")
    page.get_by_role("button", name="Hide password").click()
    expect(field).to_have_attribute("type", "password")
    page.get_by_role("button", name="Show password").click()
    page.evaluate("document.querySelector('main form').addEventListener('submit', event => event.preventDefault())")
    field.press("Enter")
    expect(field).to_have_attribute("type", "password")


def test_all_of_it_works_without_a_script(visit, new_name, password):
    visitor = visit(java_script_enabled=False)
    visitor.sign_up(new_name(), password)
    page = visitor.page
    page.goto("/links/new/")
    visitor.fill_in("Make the link", target="https://example.org/")
    page.get_by_role("navigation", name="Account").locator("summary").click()
    with page.expect_navigation():
        page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("One application, three stores")


def test_what_was_typed_into_a_form_outlives_the_session(visitor, new_name, password):
    name, page = new_name(), visitor.page
    visitor.sign_up(name, password)
    page.goto("/links/new/")
    visitor.context.clear_cookies(name="__Host-sessionid")
    visitor.fill_in("Make the link", target="https://example.org/?q=a+long%20address&ü=1")
    expect(page.get_by_role("main")).to_contain_text("You are not signed in, or no longer.")
    visitor.fill_in("Sign in", username=name, password=password)
    expect(page.get_by_label("Long address")).to_have_value("https://example.org/?q=a+long%20address&ü=1")


def test_browsers_and_phones_know_what_belongs_into_a_field(visitor):
    visitor.page.goto("/sign-up/")
    for name, kept in {"username": "username", "email": "email", "password1": "new-password"}.items():
        expect(visitor.page.locator(f"[name={name}]")).to_have_attribute("autocomplete", kept)
    expect(visitor.page.locator("[name=username]")).to_have_attribute("autocapitalize", "none")
    visitor.page.goto("/sign-in/")
    expect(visitor.page.locator("[name=password]")).to_have_attribute("autocomplete", "current-password")
