"""Pages of a Select: their limits, and the tokens between them."""

import pytest

from fabfile.localcloud.simpledb.api import Request, open_service
from fabfile.localcloud.simpledb.errors import Refused
from fabfile.localcloud.simpledb.select import select as run

from .asking import pairs, refusal


@pytest.fixture
def fill(client, domain):
    """fill(count): so many items i000, i001, ... with n=000, 001, ... and one attribute that all share."""

    def fill(numbers, *more):
        numbers = list(numbers)
        step = 1 if more else 25  # a batch of wide items would be too large a request
        for start in range(0, len(numbers), step):
            items = [
                {"Name": f"i{number:03}", "Attributes": pairs(f"n={number:03}", "all=1", *more)}
                for number in numbers[start : start + step]
            ]
            client.batch_put_attributes(DomainName=domain, Items=items)

    return fill


def pages(client, expression, between=lambda: None):
    """The names on each page, and whatever happens `between` two of them."""
    found, more = [], {}
    while True:
        answer = client.select(SelectExpression=expression, ConsistentRead=True, **more)
        found.append([item["Name"] for item in answer.get("Items", [])])
        if "NextToken" not in answer:
            return found
        more = {"NextToken": answer["NextToken"]}
        between()


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "where all = '1'",
        "where n >= '000' order by n",
        "where n >= '000' order by n desc",
        "where all = '1' order by all",
        "where itemName() like 'i%' order by itemName() desc",
        "where n > '' or gone = '1' order by gone desc",
    ],
)
def test_a_limit_bounds_each_page_and_not_the_answer(client, domain, fill, rest):
    fill(range(10))
    found = pages(client, f"select itemName() from `{domain}` {rest} limit 3")
    assert [len(page) for page in found] == [3, 3, 3, 1]
    assert len({name for page in found for name in page}) == 10


def test_a_page_holds_a_hundred_items_unless_it_is_told(client, domain, fill):
    fill(range(101))
    assert [len(page) for page in pages(client, f"select * from `{domain}`")] == [100, 1]
    assert [len(page) for page in pages(client, f"select * from `{domain}` limit 2500")] == [101]


def test_a_full_last_page_has_no_token(client, domain, fill):
    fill(range(6))
    assert [len(page) for page in pages(client, f"select * from `{domain}` limit 3")] == [3, 3]


@pytest.mark.parametrize("rest", ["", "where n > '' order by n", "where itemName() > '' order by itemName() desc"])
def test_items_that_come_between_two_pages_neither_double_nor_hide_others(client, domain, fill, rest):
    fill(range(10, 50, 2))
    new = iter(range(1, 60, 2))

    def insert():
        fill([next(new)])

    found = [
        name for page in pages(client, f"select itemName() from `{domain}` {rest} limit 4", insert) for name in page
    ]
    assert len(found) == len(set(found))
    assert {f"i{number:03}" for number in range(10, 50, 2)} <= set(found)


def test_an_item_that_a_page_ended_with_may_go(client, domain, fill):
    fill(range(6))
    expression = f"select itemName() from `{domain}` where n > '' order by n limit 3"

    def remove():
        client.delete_attributes(DomainName=domain, ItemName="i002")

    assert pages(client, expression, remove) == [["i000", "i001", "i002"], ["i003", "i004", "i005"]]


def test_the_output_and_the_limit_may_change_between_pages(client, domain, fill):
    fill(range(10))
    rest = f"from `{domain}` where all = '1'"
    token = client.select(SelectExpression=f"select count(*) {rest} limit 4")["NextToken"]
    found = client.select(SelectExpression=f"select itemName() {rest} limit 2", NextToken=token)["Items"]
    assert [item["Name"] for item in found] == ["i004", "i005"]


@pytest.mark.parametrize("rest", ["where all = '2'", "", "where all = '1' order by all", "where every(all) = '1'"])
def test_a_token_belongs_to_its_question(client, domain, fill, rest):
    fill(range(3))
    token = client.select(SelectExpression=f"select * from `{domain}` where all = '1' limit 1")["NextToken"]
    answer = refusal(client.select, SelectExpression=f"select * from `{domain}` {rest}", NextToken=token)
    assert answer == ("InvalidNextToken", 400, "The specified next token is not valid.")


def test_a_token_belongs_to_its_domain(client, domain, fill):
    fill(range(3))
    client.create_domain(DomainName="another")
    token = client.select(SelectExpression=f"select * from `{domain}` limit 1")["NextToken"]
    answer = refusal(client.select, SelectExpression="select * from another limit 1", NextToken=token)
    client.delete_domain(DomainName="another")
    assert answer[:2] == ("InvalidNextToken", 400)


def test_a_token_does_not_mind_how_its_question_is_written(client, domain, fill):
    fill(range(3))
    token = client.select(SelectExpression=f"select * from `{domain}` where all = '1' limit 1")["NextToken"]
    other = f'SELECT itemName()\nFROM `{domain}` WHERE `all`="1" LIMIT 2500'
    assert [item["Name"] for item in client.select(SelectExpression=other, NextToken=token)["Items"]] == [
        "i001",
        "i002",
    ]


@pytest.mark.parametrize("token", ["x", "bm90IG91cnM=", "[]", "é", "W10=", "WzEsMl0="])
def test_garbage_is_no_token(client, domain, token):
    answer = refusal(client.select, SelectExpression=f"select * from `{domain}`", NextToken=token)
    assert answer[0] == "InvalidNextToken"


def test_partial_counts_add_up(client, domain, fill):
    fill(range(10))
    expression, counts, more = f"select count(*) from `{domain}` limit 4", [], {}
    while True:
        answer = client.select(SelectExpression=expression, **more)
        counts.append(int(answer["Items"][0]["Attributes"][0]["Value"]))
        if "NextToken" not in answer:
            break
        more = {"NextToken": answer["NextToken"]}
    assert counts == [4, 4, 2]
    assert client.select(SelectExpression=f"select count(*) from `{domain}` limit 10000")["Items"]


def test_a_page_is_cut_at_one_megabyte(client, domain, fill):
    fill(range(60), *[f"m{number}={'x' * 1000}" for number in range(40)])
    expression = f"select * from `{domain}` limit 2500"
    answer = client.select(SelectExpression=expression)
    size = int(answer["ResponseMetadata"]["HTTPHeaders"]["content-length"])
    assert 900_000 < size <= 1024 * 1024
    assert sum(len(page) for page in pages(client, expression)) == 60


def test_a_token_of_the_longest_texts_leaves_the_page_within_a_megabyte(client, domain):
    long = "é" * 511
    for number in range(3):
        attributes = [{"Name": "n", "Value": f"{long}{number}"}, *pairs(*[f"m{n}={'x' * 1000}" for n in range(250)])]
        more = [{"Name": f"o{n}", "Value": "&" * 1000} for n in range(5)]
        client.put_attributes(DomainName=domain, ItemName=f"{long}{number}", Attributes=attributes + more)
    found = pages(client, f"select * from `{domain}` where n > '' order by n")
    assert [name[-1] for page in found for name in page] == ["0", "1", "2"]
    answer = client.select(SelectExpression=f"select * from `{domain}` where n > '' order by n limit 1")
    assert len(answer["NextToken"]) < 4096 - 500


def test_a_token_is_good_after_a_restart(tmp_path):
    def ask(service, **parameters):
        fields = {"Version": "2009-04-15", "DomainName": "boats", **parameters}
        status, _, body = service.answer(
            Request("GET", query="&".join(f"{key}={text}" for key, text in fields.items()))
        )
        assert status == 200
        return body.decode()

    before = open_service(tmp_path, "us-west-2")
    ask(before, Action="CreateDomain")
    for name in "abc":
        ask(before, Action="PutAttributes", ItemName=name, **{"Attribute.1.Name": "n", "Attribute.1.Value": name})
    select = {"Action": "Select", "SelectExpression": "select * from boats where n > 'A' order by n limit 2"}
    token = ask(before, **select).partition("<NextToken>")[2].partition("</NextToken>")[0]
    before.close()
    after = open_service(tmp_path, "us-west-2")
    page = ask(after, NextToken=token.replace("=", "%3D").replace("+", "%2B"), **select)
    after.close()
    assert "<Item><Name>c</Name>" in page
    assert "<Item><Name>b</Name>" not in page


def test_a_run_that_takes_too_long_ends(domain, simpledb, fill):
    fill(range(1000))
    clock = iter([0, 10]).__next__
    with pytest.raises(Refused) as caught:
        run(simpledb.store, "us-west-2", f"select * from `{domain}` where not all = '1'", clock=clock)
    assert (caught.value.code, caught.value.status) == ("QueryTimeout", 408)
    assert caught.value.message.endswith("where not all = '1'. BoxUsage [0.0000137200].")


def test_a_run_that_takes_too_long_gives_what_it_has_found(domain, simpledb, fill):
    fill(range(1000))
    clock = iter([0, 10]).__next__
    expression = f"select * from `{domain}` where not all = '2' and not every(n) = '1' and not n = '2' limit 2500"
    page = run(simpledb.store, "us-west-2", expression, clock=clock)
    assert 0 < page.items < 1000
    rest = run(simpledb.store, "us-west-2", expression, page.next_token)
    assert page.items + rest.items == 1000


def test_counts_that_took_too_long_add_up(domain, simpledb, fill):
    fill(range(1000))
    expression = f"select count(*) from `{domain}` where not all = '2' and not every(n) = '1' and not n = '2'"
    late = run(simpledb.store, "us-west-2", expression, clock=iter([0, 10]).__next__)
    rest = run(simpledb.store, "us-west-2", expression, late.next_token)
    assert 0 < late.items < 1000
    assert (late.items + rest.items, rest.next_token) == (1000, None)
