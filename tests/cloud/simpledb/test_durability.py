"""What was acknowledged is there after a kill -9 in the middle of many writes."""

import http.client
import os
import resource
import signal
import threading
from urllib.parse import urlencode, urlsplit

from .asking import client_of, pairs, refusal

KILLS = 5
WRITERS = 4
WRITES_BEFORE_A_KILL = 150


def write_until_it_dies(url, writer, acknowledged, enough):
    """Put single items and batches, and note each item whose write was answered with 200."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    number = 0
    try:
        while True:
            number += 1
            names = [f"{writer}-{os.urandom(6).hex()}" for _ in range(1 if number % 4 else 5)]
            fields = {"Action": "BatchPutAttributes", "Version": "2009-04-15", "DomainName": "writes"}
            for place, name in enumerate(names):
                fields[f"Item.{place}.ItemName"] = name
                for attribute, value in (("name", name), ("number", number)):
                    fields[f"Item.{place}.Attribute.{len(attribute)}.Name"] = attribute
                    fields[f"Item.{place}.Attribute.{len(attribute)}.Value"] = value
            connection.request("POST", "/", urlencode(fields))
            answer = connection.getresponse()
            if b"</BatchPutAttributesResponse>" in answer.read() and answer.status == 200:
                acknowledged.extend(names)
            if len(acknowledged) >= WRITES_BEFORE_A_KILL:
                enough.set()
    except (OSError, http.client.HTTPException):
        connection.close()


def test_nothing_acknowledged_is_lost_when_it_is_killed_under_load(start):
    process, url = start()
    client_of(url).create_domain(DomainName="writes")
    kept = []
    for _ in range(KILLS):
        acknowledged, enough = [], threading.Event()
        arguments = (url, "w", acknowledged, enough)
        writers = [threading.Thread(target=write_until_it_dies, args=arguments) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        assert enough.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for writer in writers:
            writer.join()
        kept += acknowledged
        process, url = start()
        assert_whole(client_of(url), kept)


def assert_whole(client, kept):
    """Every item that was acknowledged is there, none is there by half, and the counts are true."""
    found, size = {}, 0
    for page in client.get_paginator("select").paginate(SelectExpression="select * from writes limit 2500"):
        for item in page.get("Items", []):
            found[item["Name"]] = {pair["Name"]: pair["Value"] for pair in item["Attributes"]}
            size += sum(len(pair["Value"]) for pair in item["Attributes"])
    assert set(kept) <= set(found)
    assert all(set(item) == {"name", "number"} and item["name"] == name for name, item in found.items())
    metadata = client.domain_metadata(DomainName="writes")
    assert metadata["ItemCount"] == len(found)
    assert metadata["AttributeValueCount"] == 2 * len(found)
    assert metadata["AttributeValuesSizeBytes"] == size


def test_a_write_that_finds_the_disk_full_is_not_acknowledged_and_the_next_one_is_done(start):
    process, url = start()
    client = client_of(url)
    client.create_domain(DomainName="writes")
    many = pairs(*[f"n{number}={'x' * 1000}" for number in range(100)])
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (64 * 1024, resource.RLIM_INFINITY))
    full = refusal(client.put_attributes, DomainName="writes", ItemName="large", Attributes=many)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    client.put_attributes(DomainName="writes", ItemName="small", Attributes=pairs("name=small", "number=1"))
    assert full[:2] == ("InternalError", 500)
    assert_whole(client, ["small"])
