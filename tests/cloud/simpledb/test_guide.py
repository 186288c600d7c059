"""AWS's guide: its example data, each of its example queries, and the answers it prints."""

import pytest

from .asking import client_of, refusal

SIRENS, CANCER, STUFF = "0385333498", "0802131786", "1579124585"
BETWEEN, SPARTANS, EYES = "B000T9886K", "B00005JPLW", "B000SF3NGK"
ATTRIBUTES = ["Title", "Author", "Year", "Pages", "Keyword", "Rating"]
BOOKS = {
    SIRENS: ["The Sirens of Titan", "Kurt Vonnegut", "1959", "00336", "Book|Paperback", "*****|5 stars|Excellent"],
    CANCER: ["Tropic of Cancer", "Henry Miller", "1934", "00318", "Book", "****"],
    STUFF: ["The Right Stuff", "Tom Wolfe", "1979", "00304", "Book|Hardcover|American", "****|4 stars"],
    BETWEEN: ["In Between", "Paul Van Dyk", "2007", "", "CD|Trance", "4 stars"],
    SPARTANS: ["300", "Zack Snyder", "2007", "", "DVD|Action|Frank Miller", "***|3 stars|Not bad"],
    EYES: ["Heaven's Gonna Burn Your Eyes", "Thievery Corporation", "2002", "", "", "*****"],
}


@pytest.fixture(scope="module")
def guide(url):
    """A boto3 client of a SimpleDB that holds the guide's domain."""
    client = client_of(url)
    client.create_domain(DomainName="mydomain")
    for name, texts in BOOKS.items():
        values = [(attribute, text.split("|")) for attribute, text in zip(ATTRIBUTES, texts, strict=True) if text]
        attributes = [{"Name": attribute, "Value": value} for attribute, some in values for value in some]
        client.put_attributes(DomainName="mydomain", ItemName=name, Attributes=attributes)
    yield client
    client.delete_domain(DomainName="mydomain")


def names(client, rest):
    found = client.select(SelectExpression=f"select * from mydomain {rest}", ConsistentRead=True)
    return [item["Name"] for item in found.get("Items", [])]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Title = 'The Right Stuff'", {STUFF}),
        ("Year > '1985'", {BETWEEN, SPARTANS, EYES}),
        ("Rating like '****%'", {SIRENS, STUFF, CANCER, EYES}),
        ("Pages < '00320'", {STUFF, CANCER}),
        ("Year > '1975' and Year < '2008'", {STUFF, BETWEEN, SPARTANS, EYES}),
        ("Year between '1975' and '2008'", {STUFF, BETWEEN, SPARTANS, EYES}),
        ("Rating = '***' or Rating = '*****'", {SIRENS, SPARTANS, EYES}),
        (
            "(Year > '1950' and Year < '1960') or Year like '193%' or Year = '2007'",
            {SIRENS, CANCER, BETWEEN, SPARTANS},
        ),
        ("Rating = '4 stars' or Rating = '****'", {STUFF, CANCER, BETWEEN}),
        ("Keyword = 'Book' and Keyword = 'Hardcover'", set()),
        ("every(Keyword) in ('Book', 'Paperback')", {SIRENS, CANCER}),
        ("every(keyword) in ('Book', 'Paperback')", set()),
        ("Rating = '****'", {CANCER, STUFF}),
        ("every(Rating) = '****'", {CANCER}),
        ("Keyword = 'Book' intersection Keyword = 'Hardcover'", {STUFF}),
        ("not (Keyword = 'Book')", {BETWEEN, SPARTANS, EYES}),
        ("Keyword != 'Book'", {SIRENS, STUFF, BETWEEN, SPARTANS}),
        ("Title = 'Heaven''s Gonna Burn Your Eyes'", {EYES}),
        ("Keyword is null", {EYES}),
        ("itemName() in ('0385333498', '0802131786', 'nobody')", {SIRENS, CANCER}),
    ],
)
def test_a_query_of_the_guide_finds_what_the_guide_says(guide, where, found):
    assert set(names(guide, f"where {where}")) == found


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        ("where Year < '1980' order by Year asc", [CANCER, SIRENS, STUFF]),
        ("where Year < '1980' order by Year", [CANCER, SIRENS, STUFF]),
        ("where Year = '2007' intersection Author is not null order by Author desc", [SPARTANS, BETWEEN]),
        ("where Year < '1980' order by Year limit 2", [CANCER, SIRENS]),
        ("where itemName() like 'B000%' order by itemName()", [SPARTANS, EYES, BETWEEN]),
        ("where author is null and title is not null order by title", []),
    ],
)
def test_a_sorted_query_of_the_guide_gives_its_order(guide, rest, found):
    assert names(guide, rest) == found


@pytest.mark.parametrize("rest", ["order by Year asc", "where author is null order by title"])
def test_the_sorts_that_the_guide_forbids_are_refused(guide, rest):
    answer = refusal(guide.select, SelectExpression=f"select * from mydomain {rest}")
    assert answer[:2] == ("InvalidSortExpression", 400)


@pytest.mark.parametrize(
    ("rest", "count", "more"),
    [("where Title = 'The Right Stuff'", "1", False), ("where Year > '1985'", "3", False)]
    + [("limit 500", "6", False), ("limit 4", "4", True)],
)
def test_a_count_of_the_guide_is_the_guides(guide, rest, count, more):
    answer = guide.select(SelectExpression=f"select count(*) from mydomain {rest}", ConsistentRead=True)
    assert answer["Items"] == [{"Name": "Domain", "Attributes": [{"Name": "Count", "Value": count}]}]
    assert ("NextToken" in answer) == more


def test_a_count_is_the_offset_of_a_select(guide):
    """The guide's way to skip items: count them, and go on from the count's token."""
    rest = "from mydomain where Year > '0' order by Year"
    token = guide.select(SelectExpression=f"select count(*) {rest} limit 4", ConsistentRead=True)["NextToken"]
    page = guide.select(SelectExpression=f"select itemName() {rest}", NextToken=token, ConsistentRead=True)
    assert [item["Name"] for item in page["Items"]] == [SPARTANS, BETWEEN]
