"""What a Select finds, in which order, and which expressions it refuses."""

import pytest

from .asking import pairs, refusal

BOATS = {
    "aurora": ["kind=ketch", "year=1962", "colour=red", "colour=white", "note=50% off"],
    "borea": ["kind=sloop", "year=1975", "colour=blue", 'note=it\'s "new"'],
    "cirrus": ["kind=sloop", "year=1988", "colour=red"],
    "delphin": ["kind=cutter", "year=2001", "year=2009", "colour=white", "note="],
    "eos": ["kind=yawl", "order=1", "back`tick=1"],
}


@pytest.fixture
def boats(client, domain):
    items = [{"Name": name, "Attributes": pairs(*texts)} for name, texts in BOATS.items()]
    client.batch_put_attributes(DomainName=domain, Items=items)


@pytest.mark.usefixtures("boats")
@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("kind = 'sloop'", "bc"),
        ("kind = 'Sloop'", ""),
        ("colour = 'red' or colour = 'white'", "acd"),
        ("colour = 'red' and colour = 'white'", ""),
        ("colour = 'red' intersection colour = 'white'", "a"),
        ("colour = 'red' and kind = 'ketch'", "a"),
        ("colour > 'red' and kind > 'a' and colour < 'x'", "ad"),
        ("(colour = 'red' or colour = 'white') and colour != 'red'", "ad"),
        ("year > '1962' and year <= '1988'", "bc"),
        ("year > '2002' and year < '2008'", ""),
        ("year between '1962' and '1975'", "ab"),
        ("year in ('1975', '2009', '1')", "bd"),
        ("colour != 'red'", "abd"),
        ("not colour = 'red'", "bde"),
        ("not (colour = 'red' or colour is null)", "bd"),
        ("every(colour) = 'red'", "c"),
        ("every(year) >= '2000'", "d"),
        ("every(colour) in ('red', 'white')", "acd"),
        ("every(colour) not like 'r%'", "bd"),
        ("colour is null", "e"),
        ("note is not null", "abd"),
        ("note = ''", "d"),
        ("note like '50%'", "a"),
        (r"note like '50\% %'", "a"),
        (r"note like '%\%%'", "a"),
        ("note like 'it''s \"new\"'", "b"),
        ('note = "it\'s ""new"""', "b"),
        ("kind like '%o%p'", "bc"),
        ("kind like '_loop'", ""),
        ("kind not like '%oop'", "ade"),
        ("itemName() > 'b' and itemName() < 'd'", "bc"),
        ("itemName() in ('aurora', 'eos', 'nobody')", "ae"),
        ("itemName() like '%o%'", "abe"),
        ("every(itemName()) between 'a' and 'b'", "a"),
        ("`order` = '1'", "e"),
        ("`back``tick` = '1'", "e"),
        ("KIND = 'sloop'", ""),
    ],
)
def test_a_predicate_finds_its_items(select, where, found):
    assert "".join(sorted(name[0] for name in select(f"itemName() from here where {where}"))) == found


@pytest.mark.usefixtures("boats")
@pytest.mark.parametrize(
    ("rest", "found"),
    [
        ("where year is not null order by year", "abcd"),
        ("where year is not null order by year desc", "dcba"),
        ("where colour is not null order by colour asc", "bacd"),
        ("where colour is not null order by colour desc", "adcb"),
        ("where itemName() is not null order by itemName() desc", "edcba"),
        ("where colour is null or year > '1970' order by year", "ebcd"),
        ("where colour is null or year > '1970' order by year desc limit 2", "dc"),
        ("where every(year) > '1' order by year limit 2", "ab"),
        ("where year is null or year > '2000' order by year", "ed"),
    ],
)
def test_a_result_is_sorted_by_a_key_of_the_where_clause(select, rest, found):
    assert "".join(name[0] for name in select(f"itemName() from here {rest}")) == found


@pytest.mark.usefixtures("boats")
@pytest.mark.parametrize(
    "rest",
    [
        "order by year",
        "where kind is not null order by year",
        "where year is null order by year",
        "where kind = 'sloop' order by itemName()",
    ],
)
def test_a_sort_key_that_may_be_lacking_is_refused(client, domain, rest):
    expression = f"select * from `{domain}` {rest}"
    code, status, message = refusal(client.select, SelectExpression=expression)
    assert (code, status) == ("InvalidSortExpression", 400)
    assert "The sort attribute must be present in at least one of the predicates" in message


@pytest.mark.usefixtures("boats")
def test_the_output_list_chooses_the_attributes(client, domain):
    def output(which):
        found = client.select(SelectExpression=f"SELECT {which} FROM `{domain}` WHERE kind = 'ketch'")["Items"]
        return [(item["Name"], sorted(pair["Value"] for pair in item.get("Attributes", []))) for item in found]

    assert output("*") == [("aurora", ["1962", "50% off", "ketch", "red", "white"])]
    assert output("colour, `year`") == [("aurora", ["1962", "red", "white"])]
    assert output("itemName()") == [("aurora", [])]


@pytest.mark.usefixtures("boats")
@pytest.mark.parametrize(("where", "count"), [("", "5"), ("where colour = 'red'", "2"), ("where colour = 'pink'", "0")])
def test_a_count_is_one_item_called_domain(client, domain, where, count):
    answer = client.select(SelectExpression=f"select count(*) from `{domain}` {where}", ConsistentRead=True)
    assert answer["Items"] == [{"Name": "Domain", "Attributes": [{"Name": "Count", "Value": count}]}]
    assert "NextToken" not in answer


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "select",
        "select * from",
        "select * from `%s` where",
        "select * from `%s` where a",
        "select * from `%s` where a = 1",
        "select * from `%s` where a = b",
        "select * from `%s` where 'a' = 'b'",
        "select * from `%s` where a = 'b",
        "select * from `%s` where a == 'b'",
        "select * from `%s` where a = 'it's'",
        "select * from `%s` where (a = 'b'",
        "select * from `%s` where a = 'b')",
        "select * from `%s` where a in ()",
        "select * from `%s` where a in 'b'",
        "select * from `%s` where a between 'b'",
        "select * from `%s` where a not = 'b'",
        "select * from `%s` where a is 'b'",
        "select * from `%s` where like = 'b'",
        "select * from `%s` where a-b = 'b'",
        "select * from `%s` where every a = 'b'",
        "select * from `%s` limit 5 order by a",
        "select * from `%s` limit",
        "select * from `%s` limit '5'",
        "select * from `%s` limit " + "9" * 5000,
        "select * from `%s`, other",
        "select *, a from `%s`",
        "select itemName(), a from `%s`",
        "select a b from `%s`",
        "delete from `%s`",
        "select * from with-dash",
        "select * from 9lives",
        "select * from `%s` where " + "(" * 5000 + "a = 'b'" + ")" * 5000,
    ],
)
def test_bad_syntax_is_refused(client, domain, expression):
    code, status, message = refusal(client.select, SelectExpression=expression.replace("%s", domain))
    if expression:
        assert (code, message) == ("InvalidQueryExpression", "The specified query expression syntax is not valid.")
    else:
        assert (code, message) == ("MissingParameter", "The request must contain the parameter SelectExpression.")
    assert status == 400


@pytest.mark.usefixtures("boats")
@pytest.mark.parametrize(
    "expression",
    [
        "SELECT itemName() FROM `%s` WHERE kind IN('ketch') LIMIT 1",
        "select\nitemName()\nfrom\t`%s`\nwhere kind='ketch'",
        "select itemName() from `%s` where((kind='ketch'))",
        "select itemName() from `%s` where kind = \"ketch\" and not not colour = 'red'",
    ],
)
def test_blanks_and_the_case_of_keywords_are_free(client, domain, expression):
    found = client.select(SelectExpression=expression.replace("%s", domain))["Items"]
    assert [item["Name"] for item in found] == ["aurora"]


def test_itemname_and_count_are_attributes_unless_they_are_called(client, domain, put, select):
    put("a", "itemName=x", "count=1")
    assert select("itemName, count from here where itemName = 'x' and count > '0'") == ["a"]


@pytest.mark.parametrize("limit", [0, 2501, -1])
def test_a_page_has_one_to_2500_items(client, domain, limit):
    answer = refusal(client.select, SelectExpression=f"select * from `{domain}` limit {limit}")
    reason = "MaxNumberOfItems must be between 1 and 2500."
    assert answer == (
        "InvalidParameterValue",
        400,
        f"Value ({limit}) for parameter MaxNumberOfItems is invalid. {reason}",
    )


def test_an_expression_has_at_most_twenty_predicates(client, domain):
    where = " or ".join(f"a{number} = '1'" for number in range(21))
    answer = refusal(client.select, SelectExpression=f"select * from `{domain}` where {where}")
    assert answer == ("InvalidNumberPredicates", 400, "Too many predicates in the query expression.")


def test_an_expression_has_at_most_twenty_values(client, domain):
    values = ", ".join(f"'{number}'" for number in range(21))
    answer = refusal(client.select, SelectExpression=f"select * from `{domain}` where a in ({values})")
    expected = "Too many value tests per predicate in the query expression."
    assert answer == ("InvalidNumberValueTests", 400, expected)


def test_twenty_comparisons_are_fine(select):
    assert select("* from here where " + " or ".join(f"a{n} = '1'" for n in range(20))) == []
    assert select("* from here where a in (" + ", ".join(f"'{n}'" for n in range(20)) + ")") == []


def test_an_output_list_has_at_most_256_names(client, domain, select):
    names = [f"a{number}" for number in range(257)]
    assert select(f"{', '.join(names[:256])} from here") == []
    answer = refusal(client.select, SelectExpression=f"select {', '.join(names)} from `{domain}`")
    assert answer == ("TooManyRequestedAttributes", 400, "Too many attributes requested.")


def test_a_missing_domain_is_refused(client):
    assert refusal(client.select, SelectExpression="select * from `never-made`")[0] == "NoSuchDomain"
    assert refusal(client.select, SelectExpression="select * from `no/domain`")[0] == "InvalidParameterValue"
