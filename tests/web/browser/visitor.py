"""Somebody with a real browser, who notes whatever the browser has to complain about."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

NOTE_VIOLATIONS = """
addEventListener("securitypolicyviolation", event =>
    console.error(`policy: ${event.violatedDirective} forbids ${event.blockedURI || "inline"}`));
"""
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
PATIENCE = 10_000  # milliseconds until what a test waits for is given up


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium. While it runs, this thread has an event loop: Django's database is not for it meanwhile."""
    program = shutil.which("chromium")
    if not program:
        raise RuntimeError("There is no chromium on this machine: run script/setup --dev.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """One browser profile with one page. `troubles` has what went wrong in it, each as a line."""

    def __init__(self, browser: Browser, url: str, **options):
        self.url, self.troubles = url, []
        self.context: BrowserContext = browser.new_context(base_url=url, ignore_https_errors=True, **options)
        self.context.set_default_timeout(PATIENCE)
        self.context.add_init_script(NOTE_VIOLATIONS)
        self.context.on("request", self.note_request)
        self.context.on("response", self.note_response)
        self.page: Page = self.context.new_page()
        self.page.on("console", self.note_console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"error in a script: {error}"))

    def note_request(self, request) -> None:
        """Everything has to come from ourselves."""
        if not request.url.startswith((self.url + "/", "data:", "blob:")):
            self.troubles.append(f"request to another host: {request.url}")

    def note_response(self, response) -> None:
        """A page may well be an error; what a page is made of may not."""
        if response.status >= 400 and not response.request.is_navigation_request():
            self.troubles.append(f"{response.status} for {response.url}")

    def note_console(self, message) -> None:
        """Of failed loads the line above tells more."""
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.troubles.append(f"{message.type} in the console: {message.text}")

    def fill_in(self, button: str, **fields: str) -> None:
        """Type into the fields with these names, in the page's own form, press the button and wait for the answer."""
        for name, text in fields.items():
            self.page.locator(f"main [name={name}]").fill(text)
        with self.page.expect_navigation():  # a click alone returns before, and the old page would be looked at
            self.page.get_by_role("main").get_by_role("button", name=button).click()

    def sign_up(self, name: str, password: str, email: str = "") -> None:
        """Make an account, and be signed in: by what a form would send, since only one test is about that form."""
        address = f"{self.url}/sign-up/"
        token = TOKEN.search(self.context.request.get(address).text())[1]
        told = {"csrfmiddlewaretoken": token, "username": name, "email": email}
        form = told | {"password1": password, "password2": password}
        answer = self.context.request.post(address, form=form, headers={"Referer": address}, max_redirects=0)
        if answer.status != 302:
            raise RuntimeError(f"{name} was not signed up: {answer.status}")

    def sign_in(self, name: str, password: str) -> None:
        """Send the form for signing in, whatever comes of it."""
        self.page.goto("/sign-in/")
        self.fill_in("Sign in", username=name, password=password)

    def sign_out(self) -> None:
        """As a person does it: by the menu that bears his name."""
        self.page.get_by_role("navigation", name="Account").locator("summary").click()
        self.page.get_by_role("button", name="Sign out").click()
        self.page.get_by_role("main").get_by_role("link", name="Sign in").wait_for()

    def close(self) -> None:
        """Close the page and forget its cookies."""
        self.context.close()
