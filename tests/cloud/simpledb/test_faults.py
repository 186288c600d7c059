"""The fault switch of SimpleDB alone: errors, delays and a rate of writes, also for one domain among others."""

import json
import urllib.error
import urllib.request

import pytest

from .asking import client_of, pairs, refusal
from .exporting import exports_client, serving

PATH = "/_local/faults"


@pytest.fixture
def url(tmp_path):
    with serving(tmp_path) as (_, url):
        client = client_of(url)
        for name in ("slow", "other"):
            client.create_domain(DomainName=name)
        yield url


def switch(url, rule=None, method="POST"):
    """(status, text) of a request to the switch."""
    request = urllib.request.Request(url + PATH, json.dumps(rule).encode() if rule else None, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def put(client, domain, item="a"):
    client.put_attributes(DomainName=domain, ItemName=item, Attributes=pairs("n=1"))


def writes_until_refused(client, domain):
    """How many writes a domain took before it answered 503, as AWS does, and in its words."""
    for count in range(100):
        try:
            put(client, domain)
        except client.exceptions.ClientError as error:
            answer = error.response
            assert answer["Error"]["Code"] == "ServiceUnavailable"
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 503
            assert answer["Error"]["Message"].startswith("Service Amazon SimpleDB is busy")
            assert answer["Error"]["BoxUsage"] and answer["RequestID"]
            return count
    return None


def test_one_domain_is_throttled_while_it_runs_and_the_others_are_not(url):
    client = client_of(url)
    assert writes_until_refused(client, "slow") is None
    switch(url, {"service": "sdb", "domain": "slo.", "write_rate": 1})
    assert writes_until_refused(client, "slow") <= 2
    assert writes_until_refused(client, "other") is None
    assert client.get_attributes(DomainName="slow", ItemName="a", ConsistentRead=True)["Attributes"]
    switch(url, method="DELETE")
    assert writes_until_refused(client, "slow") is None


def test_a_batch_is_one_write_and_a_rate_may_be_meant_for_one_operation(url):
    client = client_of(url)
    switch(url, {"action": "BatchPutAttributes", "write_rate": 0.001})
    items = [{"Name": str(number), "Attributes": pairs("n=1")} for number in range(25)]
    client.batch_put_attributes(DomainName="slow", Items=items)
    assert refusal(client.batch_put_attributes, DomainName="slow", Items=items)[0] == "ServiceUnavailable"
    put(client, "slow")


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("get_attributes", {"DomainName": "slow", "ItemName": "a"}),
        ("select", {"SelectExpression": "select * from `slow` where n = '1'"}),
        ("select", {"SelectExpression": "SELECT count(*) FROM slow"}),
        ("domain_metadata", {"DomainName": "slow"}),
    ],
)
def test_an_error_is_answered_for_one_domain_in_simpledbs_own_shape(url, operation, parameters):
    client = client_of(url)
    switch(url, {"service": "sdb", "domain": "slow", "code": "InternalError", "message": "a & b", "status": 500})
    code, status, message = refusal(getattr(client, operation), **parameters)
    assert (code, status, message) == ("InternalError", 500, "a & b")
    put(client, "other")


def test_an_error_comes_as_often_as_asked_for(url):
    client = client_of(url)
    switch(url, {"action": "Put.*", "code": "ServiceUnavailable", "status": 503, "times": 2})
    assert refusal(put, client=client, domain="slow")[:2] == ("ServiceUnavailable", 503)
    assert refusal(put, client=client, domain="other")[:2] == ("ServiceUnavailable", 503)
    put(client, "slow")
    assert json.loads(switch(url, method="GET")[1])[0]["times"] == 0


def test_exports_take_faults_too(url):
    switch(url, {"service": "sdb", "action": "StartDomainExport", "domain": "slow", "code": "Oops", "status": 418})
    exports = exports_client(url)
    assert refusal(exports.start_domain_export, domainName="slow", s3Bucket="bucket")[:2] == ("Oops", 418)
    exports.start_domain_export(domainName="other", s3Bucket="bucket")


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"write_rate": -1}, "cannot be negative"),
        ({"write_rate": "many"}, "write_rate is 'many': give a number"),
        ({"domain": "("}, "missing )"),
        ({"code": "a<b"}, "letters, digits and full stops"),
        ({"status": 7}, "three digits"),
        ({"rate": 5}, "unexpected keyword argument 'rate'"),
        ({"times": True}, "times is True: give a whole number"),
    ],
)
def test_a_rule_that_is_none_is_refused_with_the_reason(url, rule, reason):
    status, text = switch(url, rule)
    assert status == 400
    assert reason in text
    assert switch(url, method="GET") == (200, "[]")
