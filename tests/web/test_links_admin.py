"""The administration of links."""

import pytest
from django.db import connection as mysql

from tests.web.conftest import Browser
from webapp.links.models import Link
from webapp.sessions.connection import SessionsUnavailable
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


def test_a_misused_link_is_found_stopped_and_let_lead_on_again(administrator, links):
    page = administrator.get("/admin/links/link/", {"q": links[0].owner.username})
    assert links[0].slug in page.text and links[1].slug not in page.text
    assert Browser().get(f"/l/{links[0].slug}").status_code == 302
    for action, status in (("stop", 410), ("let_lead", 302)):
        form = {"action": action, "_selected_action": [links[0].pk]}
        assert administrator.post("/admin/links/link/", form).status_code == 302
        assert Browser().get(f"/l/{links[0].slug}").status_code == status


def test_what_is_stopped_its_owner_cannot_switch_on_again(links, administrator, new_name, password):
    owner, browser = new_name(), Browser()
    browser.post("/sign-up/", {"username": owner, "password1": password, "password2": password})
    link = Link.objects.make(User.objects.get(username=owner), TARGET)
    administrator.post("/admin/links/link/", {"action": "stop", "_selected_action": [link.pk]})
    for form in ({"ends": "", "disabled": "on"}, {"ends": ""}):
        browser.post(f"/links/{link.slug}/change/", form)
        assert Browser().get(f"/l/{link.slug}").status_code == 410
    for path in ("/links/", f"/links/{link.slug}/"):
        assert "stopped by whoever runs this site" in browser.get(path).text


@pytest.mark.parametrize(("lock", "unlock"), [("lock_here", "unlock_here"), ("lock", "unlock")])
def test_all_links_of_a_spammer_stop_at_once_and_those_of_others_lead_on(administrator, links, lock, unlock):
    spammer = links[0].owner
    more = Link.objects.make(spammer, TARGET)
    for link in (*links, more):
        assert Browser().get(f"/l/{link.slug}").status_code == 302
    for action, status in ((lock, 410), (unlock, 302)):
        page = administrator.post(
            "/admin/users/user/", {"action": action, "_selected_action": [spammer.pk]}, follow=True
        )
        assert "1 user l" in page.text
        assert [Browser().get(f"/l/{link.slug}").status_code for link in (*links, more)] == [status, 302, status]


@pytest.mark.parametrize("again", [True, False])
def test_links_stop_however_their_owner_is_locked_out_here(links, again):
    user = User.objects.get(pk=links[0].owner_id) if again else links[0].owner
    Browser().get(f"/l/{links[0].slug}")
    user.is_active = False
    user.save()
    assert Browser().get(f"/l/{links[0].slug}").status_code == 410
    user.is_active = True
    user.save(update_fields=["is_active"])
    assert Browser().get(f"/l/{links[0].slug}").status_code == 302


def test_the_release_before_can_make_links_while_this_one_is_deployed(links):
    row = (links[0].owner_id, "bbbbbbbbbb", TARGET, "2020-01-01", 0)
    with mysql.cursor() as cursor:
        cursor.execute("INSERT INTO links_link (owner_id, slug, target, created, disabled) VALUES %s", [row])
    assert Browser().get("/l/bbbbbbbbbb").status_code == 302


def test_a_user_who_is_saved_for_other_reasons_costs_his_links_nothing(links, django_assert_num_queries):
    user = User.objects.get(pk=links[0].owner_id)
    Browser().get(f"/l/{links[0].slug}")
    with django_assert_num_queries(1):
        user.save(update_fields=["is_staff"])
    with django_assert_num_queries(1):
        user.save()
    with django_assert_num_queries(0):
        assert Browser().get(f"/l/{links[0].slug}").status_code == 302


def test_without_redis_nobody_is_locked_out_whose_links_it_knows(links, no_redis):
    no_redis()
    user = User.objects.get(pk=links[0].owner_id)
    user.is_active = False
    with pytest.raises(SessionsUnavailable):
        user.save()
    assert User.objects.get(pk=user.pk).is_active


def test_an_owner_of_many_links_is_deleted_by_a_few_statements(links, django_assert_max_num_queries):
    owner = links[0].owner
    for number in range(30):
        link = Link.objects.make(owner, f"{TARGET}{number}")
    Browser().get(f"/l/{link.slug}")
    with django_assert_max_num_queries(25):
        owner.delete()
    assert Browser().get(f"/l/{link.slug}").status_code == 404
    assert Browser().get(f"/l/{links[1].slug}").status_code == 302


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
