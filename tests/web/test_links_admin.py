"""The administration of links."""

import pytest

from tests.web.conftest import Browser
from webapp.links.models import Link
from webapp.users.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_links")]
TARGET = "https://example.org/"


@pytest.fixture
def links(new_name):
    """Two links of two owners."""
    return [Link.objects.make(User.objects.create_user(new_name(), "", None), f"{TARGET}{n}") for n in range(2)]


@pytest.fixture
def administrator(browser, new_name, password):
    """A browser with somebody signed in who may do everything."""
    name = new_name()
    User.objects.create_superuser(name, "", password)
    browser.post("/sign-in/", {"username": name, "password": password})
    return browser


def test_a_misused_link_is_found_switched_off_and_on_again(administrator, links):
    page = administrator.get("/admin/links/link/", {"q": links[0].owner.username})
    assert links[0].slug in page.text and links[1].slug not in page.text
    assert Browser().get(f"/l/{links[0].slug}").status_code == 302
    for action, status in (("switch_off", 410), ("switch_on", 302)):
        form = {"action": action, "_selected_action": [links[0].pk]}
        assert administrator.post("/admin/links/link/", form).status_code == 302
        assert Browser().get(f"/l/{links[0].slug}").status_code == status


def test_a_link_is_looked_at_and_not_edited_or_added(administrator, links):
    assert 'name="target"' not in administrator.get(f"/admin/links/link/{links[0].pk}/change/").text
    assert administrator.get("/admin/links/link/add/").status_code == 403


def test_a_deleted_link_leads_nowhere(administrator, links):
    Browser().get(f"/l/{links[0].slug}")
    administrator.post(f"/admin/links/link/{links[0].pk}/delete/", {"post": "yes"})
    assert Browser().get(f"/l/{links[0].slug}").status_code == 404


def test_the_list_asks_no_more_for_more(administrator, links, django_assert_max_num_queries):
    for number in range(20):
        Link.objects.make(links[0].owner, f"{TARGET}{number}")
    with django_assert_max_num_queries(6):
        administrator.get("/admin/links/link/")
