"""The pages about the API, a user's tokens and the end of his account; and the OpenAPI document."""

import re
from html.parser import HTMLParser

import pytest

from tests.web.conftest import Browser
from tests.web.test_api import SECRET, App, signed_in
from webapp.api import tokens
from webapp.api.models import ApiToken
from webapp.api.problems import KINDS
from webapp.api.service import api
from webapp.users import accounts
from webapp.users.models import User

pytestmark = pytest.mark.django_db


class Page(HTMLParser):
    """What a page refers to, what its elements are called, and whether it carries script or style."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.ids, self.points, self.forbidden = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.points += [attributes["href"][1:]] if attributes.get("href", "").startswith("#") else []
        loaded = attributes.get("src") or (tag == "link" and attributes.get("href"))
        self.loads += [loaded] if loaded else []
        carried = tag == "style" or "style" in attributes or (tag == "script" and "src" not in attributes)
        self.forbidden += [tag] if carried else []


@pytest.fixture
def name(new_name):
    return User.objects.create_user(new_name("Zoë"), f"{new_name('zoe')}@example.org", SECRET).username


@pytest.fixture
def owner(name):
    """A browser signed in as that user."""
    browser = Browser()
    browser.post("/sign-in/", {"username": name, "password": SECRET})
    return browser


@pytest.fixture
def document(browser):
    answer = browser.get("/api/v1/openapi.json")
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (200, "application/json")
    return answer.json()


def references(part):
    """Every $ref in a document."""
    if isinstance(part, dict):
        yield from ([part["$ref"]] if "$ref" in part else [])
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from references(each)


def test_the_document_names_each_operation_once_and_what_it_refers_to_is_there(document):
    names = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert len(names) == len(set(names)) == 16
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def test_the_document_says_which_operations_need_a_token_and_which_problems_each_may_answer_with(document):
    for path, methods in document["paths"].items():
        for method, each in methods.items():
            open_ = (method, path) in [("post", "/api/v1/accounts"), ("post", "/api/v1/tokens")]
            assert each.get("security") == (None if open_ else [{"TokenAuth": []}])
            assert "x-problems" not in each
            for status, told in each["responses"].items():
                kind = "application/json" if status < "300" else "application/problem+json"
                assert status == "204" or list(told["content"]) == [kind]
            assert {"503"} <= each["responses"].keys()
            assert ("400" in each["responses"]) == ("requestBody" in each)
            assert {"429", "503"} & each["responses"].keys() == {
                status for status, told in each["responses"].items() if "Retry-After" in told.get("headers", ())
            }
            assert ("401" in each["responses"]) == (path != "/api/v1/accounts")
    assert document["components"]["securitySchemes"]["TokenAuth"] == {"type": "http", "scheme": "bearer"}


def test_a_password_is_called_one_in_the_document(document):
    assert document["components"]["schemas"]["NewToken"]["properties"]["password"]["format"] == "password"


def test_the_document_tells_how_long_a_name_and_a_password_must_be(document, settings):
    schemas, (least,) = (
        document["components"]["schemas"],
        [
            each["OPTIONS"]["min_length"]
            for each in settings.AUTH_PASSWORD_VALIDATORS
            if "MinimumLength" in each["NAME"]
        ],
    )
    assert schemas["NewAccount"]["properties"]["password"]["minLength"] == least
    assert schemas["NewPassword"]["properties"]["new_password"]["minLength"] == least
    assert schemas["NewAccount"]["properties"]["name"]["maxLength"] == 150


def test_the_page_of_the_api_shows_every_operation_and_loads_nothing_from_elsewhere(browser, document):
    answer = browser.get("/api/")
    page = Page(answer.text)
    names = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert set(names) | set(KINDS) <= set(page.ids)
    assert set(page.points) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert all(loaded.startswith("/static/") for loaded in page.loads)
    assert page.forbidden == []
    assert "`" not in answer.text
    assert "POST /api/v1/tokens" in answer.text and "1 to 366, 90 if missing" in answer.text


def test_the_type_of_a_problem_is_an_address_where_it_is_explained(browser):
    path, _, place = App()("get", "/account").json()["type"].partition("#")
    assert place in Page(browser.get(path).text).ids


def test_tokens_are_listed_and_revoked_one_by_one(owner, name):
    phone, tablet = signed_in(name, device="Zoë's <phone>"), signed_in(name, device="a tablet")
    page = owner.get("/tokens/")
    assert "Zoë&#x27;s &lt;phone&gt;" in page.text and "a tablet" in page.text and "2 tokens" in page.text
    assert phone.token not in page.text
    id = ApiToken.objects.get(digest=tokens.digest(phone.token)).pk
    answer = owner.post("/tokens/", {"token": str(id)}, follow=True)
    assert "Revoked" in answer.text and "1 token," in answer.text
    assert phone("get", "/account").status_code == 401
    assert tablet("get", "/account").status_code == 200
    assert "revoked already" in owner.post("/tokens/", {"token": str(id)}, follow=True).text
    assert "revoked already" in owner.post("/tokens/", {"token": "what"}, follow=True).text


def test_all_tokens_are_revoked_at_once_and_those_of_others_never(owner, name, new_name):
    mine = [signed_in(name), signed_in(name)]
    other = signed_in(User.objects.create_user(new_name(), "", SECRET).username)
    theirs = ApiToken.objects.get(digest=tokens.digest(other.token)).pk
    owner.post("/tokens/", {"token": str(theirs)})
    assert "No app has a token" in owner.post("/tokens/", {"all": "1"}, follow=True).text
    assert [app("get", "/account").status_code for app in mine] == [401, 401]
    assert other("get", "/account").status_code == 200


def test_the_list_costs_as_many_queries_for_many_tokens_as_for_one(owner, name, django_assert_num_queries):
    user = User.objects.get(username=name)
    for many in (1, 20):
        for number in range(many):
            tokens.issue(user, f"device {number}")
        with django_assert_num_queries(2):
            owner.get("/tokens/")


def test_tokens_need_a_form_of_ours_and_somebody_signed_in(name, browser):
    assert browser.get("/tokens/").url == "/sign-in/?next=/tokens/"
    assert browser.get("/account/delete/").url == "/sign-in/?next=/account/delete/"
    strict = Browser(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username=name), backend="webapp.users.backend.SimpleDBBackend")
    for path, form in [("/tokens/", {"all": "1"}), ("/account/delete/", {"password": SECRET})]:
        assert strict.post(path, form).status_code == 403
    assert accounts.find(name)


def test_the_page_says_what_goes_with_an_account(owner, name):
    assert "API token" not in owner.get("/account/delete/").text
    signed_in(name), signed_in(name)
    page = owner.get("/account/delete/")
    assert "2 API tokens" in page.text and "for ever" in page.text
    assert Page(page.text).forbidden == []


def test_an_account_goes_when_its_owner_says_his_password_again(owner, name):
    app, other = signed_in(name), Browser()
    other.post("/sign-in/", {"username": name, "password": SECRET})
    wrong = owner.post("/account/delete/", {"password": "wrong"})
    assert wrong.context["form"].errors == {"password": ["That is not your password."]}
    assert accounts.find(name)
    done = owner.post("/account/delete/", {"password": SECRET}, follow=True)
    assert "Your account is deleted." in done.text
    assert not done.context["user"].is_authenticated
    assert accounts.find(name) is None and not User.objects.filter(username=name).exists()
    assert not other.get("/").context["user"].is_authenticated
    assert app("get", "/account").status_code == 401


def test_an_account_is_not_deleted_half_when_simpledb_is_away(owner, name, gate):
    gate.let(2)  # who he is, and that the password is right
    try:
        page = owner.post("/account/delete/", {"password": SECRET})
    finally:
        gate.let(None)
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert SECRET not in page.text
    assert accounts.find(name) and User.objects.filter(username=name).exists()
    assert owner.get("/").context["user"].is_authenticated


@pytest.mark.usefixtures("still")
def test_tries_at_the_password_are_counted(owner, name):
    for _ in range(5):
        owner.post("/account/delete/", {"password": "wrong"})
    page = owner.post("/account/delete/", {"password": SECRET})
    assert (page.status_code, page["Retry-After"]) == (429, "1")
    assert re.search(r"try again in 1 second", page.text)
    assert accounts.find(name)


def test_every_operation_has_its_page_s_words_and_an_address_of_its_own():
    for methods in api.get_openapi_schema()["paths"].values():
        for each in methods.values():
            assert each["description"].rstrip().endswith(".")
