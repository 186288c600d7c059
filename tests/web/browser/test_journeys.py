"""What people come for, from the first page to the last, each click a real one."""

import re

from playwright.sync_api import expect

NEW = "staple battery horse"


def test_sign_up_change_the_password_sign_out_and_in_again(visitor, new_name, password):
    name, page = new_name("Zoë"), visitor.page
    page.goto("/")
    page.get_by_role("main").get_by_role("link", name="Sign up").click()
    visitor.fill_in("Create account", username=name, password1=password, password2=password)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {name}")

    page.get_by_role("navigation", name="Account").get_by_text(name).click()
    page.get_by_role("link", name="Change password").click()
    visitor.fill_in("Change password", old_password=password, new_password1=NEW, new_password2=NEW)
    expect(page.get_by_role("status")).to_contain_text("Your password is changed")

    visitor.sign_out()
    expect(page.get_by_role("heading", level=1)).to_have_text("One application, three stores")
    visitor.sign_in(name, password)
    expect(page.get_by_role("alert")).to_contain_text("Please enter a correct username and password")
    visitor.fill_in("Sign in", password=NEW)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {name}")


def test_the_first_page_shows_where_each_store_keeps_him_and_how_fast_it_told(visitor, new_name, password):
    visitor.sign_up(new_name(), password)
    visitor.page.goto("/")
    for store, fact in {"Redis": "session:", "MySQL": "users_user", "SimpleDB": "test-users-0"}.items():
        card = visitor.page.get_by_role("region", name=store)
        expect(card).to_contain_text(fact)
        expect(card).to_contain_text(re.compile(r"answered in [\d.]+ ms"))


def test_a_forgotten_password_is_replaced_by_the_link_in_a_mail(visitor, site, new_name, password):
    name, page = new_name(), visitor.page
    visitor.sign_up(name, password, email=f"{name}@example.org")
    visitor.context.clear_cookies()
    page.goto("/sign-in/")
    page.get_by_role("link", name="Forgotten your password?").click()
    visitor.fill_in("Send me a link", email=f"{name}@example.org")
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mail")
    link = site.link_in_mail(f"{name}@example.org", "/password/new/")

    page.goto(link)
    visitor.fill_in("Set password", new_password1=NEW, new_password2=NEW)
    expect(page.get_by_role("status")).to_contain_text("Sign in with the new one")
    visitor.fill_in("Sign in", username=name, password=NEW)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {name}")
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link does not count any more")


def test_while_the_accounts_are_away_the_page_says_so_and_nobody_is_signed_out(visitor, servers, new_name, password):
    name, page = new_name(), visitor.page
    visitor.sign_up(name, password)
    with servers.gate.shut():
        page.goto("/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Please try again in a moment")
        expect(page.get_by_role("main")).to_contain_text("SimpleDB does not answer just now")
    page.get_by_role("link", name="To the first page").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {name}")
