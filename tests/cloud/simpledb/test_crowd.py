"""Many writers at once: what was acknowledged is there, what was refused left nothing, and the counts are true."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from .asking import error_of, put_one

WRITERS = 8
CALLS = 30


def test_of_batches_written_together_those_refused_leave_nothing(ask, client, domain, put):
    put("full", *[f"n{number:03}=x" for number in range(256)])

    def write(writer):
        done = []
        for call in range(CALLS):
            names = [f"{writer}-{call}-a", f"{writer}-{call}-b", "full" if call % 3 == 0 else "shared"]
            fields = {"Action": "BatchPutAttributes"}
            for number, name in enumerate(names):
                fields[f"Item.{number}.ItemName"] = name
                fields[f"Item.{number}.Attribute.0.Name"] = "by"
                fields[f"Item.{number}.Attribute.0.Value"] = f"{writer}-{call}"
            status, root = ask(fields, "POST")
            if names[2] == "full":
                assert error_of((status, root))[:2] == (409, "NumberItemAttributesExceeded")
            else:
                assert status == 200
                done += names[:2]
        return done

    with ThreadPoolExecutor(WRITERS) as executor:
        acknowledged = [name for done in executor.map(write, range(WRITERS)) for name in done]
    found = every_item(client, domain)
    assert set(found) == {"full", "shared", *acknowledged}
    assert len(found["full"]) == 256
    assert len(found["shared"]) == len(acknowledged) / 2
    counts_are_true(client, domain, found)


def test_writers_of_one_item_never_lose_each_others_pairs(ask, client, domain):
    def write(writer):
        for call in range(CALLS):
            assert ask(put_one(f"n{call}", str(writer), "busy"), "POST")[0] == 200
            if call % 2:
                gone = put_one(f"n{call}", str(writer), "busy") | {"Action": "DeleteAttributes"}
                assert ask(gone, "POST")[0] == 200

    with ThreadPoolExecutor(WRITERS) as executor:
        list(executor.map(write, range(WRITERS)))
    found = every_item(client, domain)
    assert found == {"busy": {(f"n{call}", str(writer)) for call in range(0, CALLS, 2) for writer in range(WRITERS)}}
    counts_are_true(client, domain, found)


@pytest.mark.parametrize("expected", [{"Expected.Exists": "false"}, {"Expected.Value": "1"}])
def test_a_conditional_delete_succeeds_once_or_for_all(ask, put, get, expected):
    """Once if it removes what it expects; for each of them if it expects nothing to be there."""
    put("a", "owner=1", "n=1")
    name = "owner" if "Expected.Value" in expected else "lacking"
    gone = {"Action": "DeleteAttributes", "ItemName": "a", "Expected.Name": name, **expected}
    with ThreadPoolExecutor(WRITERS) as executor:
        statuses = sorted(executor.map(lambda _: ask(gone)[0], range(WRITERS)))
    assert statuses == ([200] * WRITERS if name == "lacking" else [200] + [404] * (WRITERS - 1))
    assert get("a") == []


def every_item(client, domain):
    pages = client.get_paginator("select").paginate(SelectExpression=f"select * from `{domain}`", ConsistentRead=True)
    items = [item for page in pages for item in page.get("Items", [])]
    return {item["Name"]: {(pair["Name"], pair["Value"]) for pair in item["Attributes"]} for item in items}


def counts_are_true(client, domain, found):
    counted = client.domain_metadata(DomainName=domain)
    pairs = [pair for item in found.values() for pair in item]
    assert (counted["ItemCount"], counted["ItemNamesSizeBytes"]) == (len(found), sum(map(len, found)))
    assert counted["AttributeNameCount"] == len({name for name, _ in pairs})
    assert counted["AttributeValueCount"] == len(pairs)
    assert counted["AttributeValuesSizeBytes"] == sum(len(value) for _, value in pairs)
