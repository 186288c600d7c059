"""SimpleDB in front of another service on one endpoint."""

import io

import pytest

from fabfile.localcloud.simpledb import application, wrap
from fabfile.localcloud.simpledb.api import open_service

CREATE = b"Action=CreateDomain&Version=2009-04-15&DomainName=here"
FORM = "application/x-www-form-urlencoded; charset=utf-8"


def call(application, method="POST", body=b"", query="", **headers):
    """(status, body) of one request to a WSGI application."""
    answered = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": "/", "QUERY_STRING": query, "CONTENT_TYPE": FORM}
    environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), **headers}
    parts = application(environ, lambda status, headers: answered.append(int(status[:3])))
    return answered[0], b"".join(parts)


@pytest.fixture
def endpoint(tmp_path):
    """SimpleDB before an application that says what it was sent."""

    def other(environ, start_response):
        start_response("299 Other", [])
        return [b"other:" + environ["wsgi.input"].read()]

    simpledb = open_service(tmp_path, "us-west-2")
    yield wrap(other, simpledb)
    simpledb.close()


@pytest.mark.parametrize(
    "request_",
    [
        {"body": CREATE},
        {"method": "GET", "query": CREATE.decode()},
        {"body": CREATE, "HTTP_HOST": "sdb.us-west-2.amazonaws.com"},
        {
            "body": CREATE,
            "HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=key/20260101/us-west-2/sdb/aws4_request, x",
        },
    ],
)
def test_a_request_for_simpledb_is_answered_by_it(endpoint, request_):
    status, body = call(endpoint, **request_)
    assert status == 200
    assert b"<CreateDomainResponse" in body


@pytest.mark.parametrize(
    "request_",
    [
        {"body": b"Action=DescribeInstances&Version=2016-11-15"},
        {"body": b"Action=DescribeInstances&Version=2009-04-15"},
        {"body": b"Action=Select", "CONTENT_TYPE": "application/octet-stream"},
        {"body": b"\xff Version=2009-04-15"},
    ],
)
def test_any_other_request_is_handed_on_whole(endpoint, request_):
    assert call(endpoint, **request_) == (299, b"other:" + request_["body"])


def test_the_application_alone_answers_everything(tmp_path):
    alone = application(tmp_path)
    assert call(alone, body=CREATE)[0] == 200
    status, body = call(alone, method="GET")
    assert status == 400
    assert b"<Code>MissingAction</Code>" in body
