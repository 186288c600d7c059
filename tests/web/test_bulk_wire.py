"""The two calls of an import, written by hand: the same as botocore's, to the last letter that is signed."""

import re
from urllib.parse import parse_qs, parse_qsl

import pytest
from botocore.auth import SigV2Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from webapp.users.bulk.wire import batch_form, hasten, select_form, signed
from webapp.users.calls import connect

URL = "https://sdb.us-west-2.amazonaws.com/"
ODD = "ü 'ö' `%s`+/=&?~*\n\u2028😀"


@pytest.fixture
def both(servers):
    """A client as it is, and one that is hastened, on one domain."""
    plain, fast = connect("us-west-2", timeout=10), connect("us-west-2", timeout=10)
    hasten(fast)
    hasten(fast)
    plain.create_domain(DomainName="wire-tests")
    return plain, fast


@pytest.mark.parametrize("token", [None, "to/ken+="])
@pytest.mark.parametrize(
    "form",
    [
        batch_form(
            "a-domain",
            [
                {"Name": f"{ODD}{n}", "Attributes": [{"Name": f"{ODD}{k}", "Value": ODD * k} for k in range(12)]}
                for n in range(25)
            ],
        ),
        batch_form("d", [{"Name": "x", "Attributes": [{"Name": "a", "Value": "", "Replace": True}]}]),
        select_form(f"select * from `d` where a = '{ODD}'", True, "next+/="),
        select_form("select * from d"),
    ],
    ids=["batch", "replace", "select", "short"],
)
def test_what_is_signed_is_what_botocore_would_sign(form, token):
    body = signed(form, URL, Credentials("AKID", "secret", token), at=1_800_000_000).decode()
    parameters = dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True))
    signature = parameters.pop("Signature")
    request = AWSRequest("POST", URL, data=parameters)
    theirs, right = SigV2Auth(Credentials("AKID", "secret", token)).calc_signature(request, parameters)
    assert signature == right
    # `*` and `.` alike are unreserved to some and not to others: what is signed must be what is sent.
    assert body.rpartition("&Signature=")[0] == theirs


def test_what_is_written_and_read_is_the_same_by_both(both):
    plain, fast = both
    items = [
        {"Name": f"item {ODD}{n}", "Attributes": [{"Name": "a", "Value": ODD}, {"Name": "b", "Value": ""}]}
        for n in range(25)
    ]
    fast.batch_put_attributes(DomainName="wire-tests", Items=items)
    asked = {"SelectExpression": "select * from `wire-tests` where a is not null limit 10", "ConsistentRead": True}
    by_both = [client.select(**asked) for client in both]
    for answer in by_both:
        answer.pop("ResponseMetadata", None)
        assert re.fullmatch(r"\S+", answer["NextToken"])
        answer["NextToken"] = "…"
    assert by_both[0] == by_both[1] and len(by_both[1]["Items"]) == 10
    pages = [
        [item["Name"] for page in client.get_paginator("select").paginate(**asked) for item in page["Items"]]
        for client in both
    ]
    assert pages[0] == pages[1] and len(pages[0]) == 25
    nothing = "select * from `wire-tests` where a = 'nobody'"
    assert "Items" not in fast.select(SelectExpression=nothing, ConsistentRead=True)


def test_a_refusal_is_told_as_by_botocore(both, gate):
    told = []
    for client in both:
        with pytest.raises(ClientError) as refused:
            client.select(SelectExpression="select nonsense")
        told.append((refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]))
        with pytest.raises(client.exceptions.NoSuchDomain):
            client.select(SelectExpression="select * from `no-such-domain-here`")
        gate.busy = 1
        with pytest.raises(ClientError) as busy:
            client.select(SelectExpression="select * from `wire-tests`")
        assert busy.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert told[0] == told[1]


def test_nobody_there_and_no_credentials_are_botocores_errors(monkeypatch, servers):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SIMPLEDB", "http://127.0.0.1:9")
    lost = connect("us-west-2")
    hasten(lost)
    with pytest.raises(EndpointConnectionError):
        lost.select(SelectExpression="select * from x")
    monkeypatch.setattr(lost._request_signer, "_credentials", None)
    with pytest.raises(NoCredentialsError):
        lost.select(SelectExpression="select * from x")


def test_every_parameter_is_sent_once(both):
    body = signed(batch_form("d", [{"Name": "x", "Attributes": []}] * 25), URL, Credentials("a", "b"), 0).decode()
    assert all(len(values) == 1 for values in parse_qs(body).values())
