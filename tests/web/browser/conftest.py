"""One browser and one application for all tests of this folder; each test has visitors of its own."""

import pytest

from tests.web.browser.site import running
from tests.web.browser.visitor import Visitor, chromium


@pytest.fixture(scope="package")
def site(servers):
    """The application, running."""
    with running(servers) as site:
        yield site


@pytest.fixture(scope="package")
def browser_program():
    """The browser, which is closed before any test outside of this folder begins: see `chromium`."""
    with chromium() as program:
        yield program


@pytest.fixture
def visit(browser_program, site):
    """Makes visitors, with Playwright's options for their browser; in the end none of them may have had troubles."""
    visitors = []

    def come(**options) -> Visitor:
        visitors.append(Visitor(browser_program, site.url, **options))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.close()
    assert [trouble for visitor in visitors for trouble in visitor.troubles] == []


@pytest.fixture
def visitor(visit):
    """Somebody with a browser as it comes."""
    return visit()
