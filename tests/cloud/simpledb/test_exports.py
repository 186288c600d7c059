"""The export API: what it answers, what it refuses, and what it remembers."""

import json
import re
import urllib.request
from datetime import UTC, datetime

import pytest

from fabfile.localcloud.simpledb.errors import Refused

from .asking import client_of, pairs, refusal
from .exporting import Clock, Sink, ended, exports_client, serving

HOUR = 3600


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def url(tmp_path, sink, clock):
    with serving(tmp_path, sink, clock) as (_, url):
        yield url
        sink.open.set()


@pytest.fixture
def domains(url):
    client = client_of(url)
    for name in ("one", "two"):
        client.create_domain(DomainName=name)
    client.put_attributes(DomainName="one", ItemName="a", Attributes=pairs("n=1"))
    return client


@pytest.fixture
def exports(url, domains):
    return exports_client(url)


def start(exports, domain="one", bucket="bucket", **more):
    return exports.start_domain_export(domainName=domain, s3Bucket=bucket, **more)


def test_an_export_goes_from_pending_over_in_progress_to_succeeded(exports, sink, clock):
    sink.close()
    first, second = start(exports), start(exports, "two")
    assert sink.asked.wait(10)
    assert exports.get_export(exportArn=first["exportArn"])["exportStatus"] == "IN_PROGRESS"
    assert exports.get_export(exportArn=second["exportArn"])["exportStatus"] == "PENDING"
    clock.now += 5
    sink.open.set()
    found = ended(exports, second["exportArn"])
    assert found["exportStatus"] == "SUCCEEDED"
    assert found["itemsCount"] == 0
    assert found["requestedAt"] == second["requestedAt"] == datetime.fromtimestamp(1_800_000_000.123, UTC)
    assert (found["exportDataCutoffTime"] - found["requestedAt"]).total_seconds() == 5
    assert "failureCode" not in found
    assert ended(exports, first["exportArn"])["itemsCount"] == 1


def test_an_export_tells_what_was_asked_for(exports):
    asked = {"s3KeyPrefix": "a/b", "s3BucketOwner": "123456789012", "s3SseAlgorithm": "KMS"}
    asked |= {"s3SseKmsKeyId": "arn:aws:kms:us-west-2:123456789012:key/1", "clientToken": "token"}
    answer = start(exports, **asked)
    found = ended(exports, answer["exportArn"])
    assert {name: found[name] for name in asked} == asked
    assert (found["domainName"], found["s3Bucket"], answer["clientToken"]) == ("one", "bucket", "token")
    arn = r"arn:aws::sdb:us-west-2:123456789012:domain/one/export/([0-9a-f-]{36})"
    id = re.fullmatch(arn, answer["exportArn"])[1]
    assert found["exportManifest"] == f"a/b/AWSSimpleDB/{id}/one/manifest-summary.json"


def test_botos_own_waiter_and_paginator_understand_it(exports):
    arn = start(exports)["exportArn"]
    exports.get_waiter("export_succeeded").wait(exportArn=arn, WaiterConfig={"Delay": 0.02, "MaxAttempts": 500})
    pages = exports.get_paginator("list_exports").paginate(PaginationConfig={"PageSize": 1})
    assert [one["exportArn"] for page in pages for one in page["exportSummaries"]] == [arn]


def test_a_token_stands_for_one_export_for_eight_hours(exports, clock):
    first = start(exports, clientToken="t")
    clock.now += 8 * HOUR - 1
    again = start(exports, clientToken="t")
    clock.now += 2
    anew = start(exports, clientToken="t")
    assert (again["exportArn"], again["requestedAt"]) == (first["exportArn"], first["requestedAt"])
    assert anew["exportArn"] != first["exportArn"]


@pytest.mark.parametrize("other", [{"domain": "two"}, {"bucket": "another"}, {"s3KeyPrefix": "p"}])
def test_a_token_with_other_parameters_is_a_conflict(exports, other):
    start(exports, clientToken="t")
    code, status, message = refusal(start, exports=exports, clientToken="t", **other)
    assert (code, status) == ("ConflictException", 409)
    assert message == "Idempotent request failed due to parameter mismatch."


def test_a_token_does_not_count_twice_against_the_limit(exports):
    for _ in range(10):
        start(exports, clientToken="t")


def test_a_domain_has_five_exports_a_day(exports, clock):
    for _ in range(5):
        start(exports)
        clock.now += HOUR
    code, status, message = refusal(start, exports=exports)
    assert (code, status, message) == ("NumberExportsLimitExceeded", 409, "The export limit was exceeded.")
    start(exports, "two")
    clock.now += 19 * HOUR
    start(exports)
    assert refusal(start, exports=exports)[0] == "NumberExportsLimitExceeded"


def test_an_account_has_twenty_five_exports_a_day(exports, domains, clock):
    for number in range(25):
        domains.create_domain(DomainName=f"domain-{number}")
        start(exports, f"domain-{number}")
    assert refusal(start, exports=exports)[:2] == ("NumberExportsLimitExceeded", 409)
    clock.now += 24 * HOUR
    start(exports)


def test_a_domain_is_not_deleted_while_it_is_exported(exports, domains, sink):
    sink.close()
    running, waiting = start(exports)["exportArn"], start(exports, "two")["exportArn"]
    for domain in ("one", "two"):
        code, status, message = refusal(domains.delete_domain, DomainName=domain)
        assert (code, status) == ("DeleteConflictException", 409)
        assert message == "Cannot delete domain due to a PENDING or IN_PROGRESS export."
    sink.open.set()
    ended(exports, running), ended(exports, waiting)
    domains.delete_domain(DomainName="one")
    assert exports.get_export(exportArn=running)["exportStatus"] == "SUCCEEDED"


def test_what_the_sink_refuses_ends_the_export_with_its_code(exports, domains, sink):
    sink.error = (
        "S3NoSuchBucket",
        "An error occurred during the export. The specified Amazon S3 bucket does not exist.",
    )
    found = ended(exports, start(exports)["exportArn"])
    assert (found["exportStatus"], found["failureCode"], found["failureMessage"]) == ("FAILED", *sink.error)
    assert not {"itemsCount", "exportManifest"} & set(found)
    domains.delete_domain(DomainName="one")


def test_a_fault_of_the_sink_ends_one_export_and_not_the_others(exports, sink, monkeypatch):
    monkeypatch.setattr(sink, "objects", None)  # a TypeError at the first object
    assert ended(exports, start(exports)["exportArn"])["failureCode"] == "InternalError"
    monkeypatch.setattr(sink, "objects", {})
    assert ended(exports, start(exports)["exportArn"])["exportStatus"] == "SUCCEEDED"


def test_exports_are_listed_in_pages_from_the_oldest_to_the_newest(exports, clock):
    arns = []
    for domain in ("one", "two", "one", "one"):
        arns.append(start(exports, domain)["exportArn"])
        clock.now += 1
    first = exports.list_exports(maxResults=3)
    start(exports, "two")
    rest = exports.list_exports(maxResults=3, nextToken=first["nextToken"])
    assert [one["exportArn"] for one in first["exportSummaries"]] == arns[:3]
    assert [one["exportArn"] for one in rest["exportSummaries"]][0] == arns[3]
    assert len(rest["exportSummaries"]) == 2 and "nextToken" not in rest
    of_one = exports.list_exports(domainName="one")["exportSummaries"]
    assert [one["exportArn"] for one in of_one] == [arns[0], arns[2], arns[3]]
    assert set(of_one[0]) == {"exportArn", "exportStatus", "requestedAt", "domainName"}


def test_a_page_token_belongs_to_its_question(exports):
    for _ in range(2):
        start(exports)
    token = exports.list_exports(maxResults=1)["nextToken"]
    assert re.fullmatch("[A-Za-z0-9_=-]{1,2048}", token)
    for other in ({"domainName": "one", "nextToken": token}, {"nextToken": "bm9uc2Vuc2U="}, {"nextToken": "x"}):
        code, status, message = refusal(exports.list_exports, **other)
        assert (code, status) == ("InvalidNextTokenException", 400)
        assert message == "The specified next token is not valid."


def test_an_export_is_remembered_for_three_months(exports, clock):
    arn = start(exports)["exportArn"]
    ended(exports, arn)
    clock.now += 91 * 24 * HOUR
    assert exports.get_export(exportArn=arn)
    clock.now += 2 * 24 * HOUR
    assert exports.list_exports()["exportSummaries"] == []
    assert refusal(exports.get_export, exportArn=arn)[:2] == ("NoSuchExportException", 400)


def test_each_region_has_its_own(exports, url):
    arn = start(exports)["exportArn"]
    other = exports_client(url, "eu-west-1")
    assert other.list_exports()["exportSummaries"] == []
    assert refusal(other.get_export, exportArn=arn)[0] == "NoSuchExportException"
    assert refusal(start, exports=other)[0] == "NoSuchDomainException"


UNKNOWN = "arn:aws::sdb:us-west-2:123456789012:domain/one/export/00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("operation", "parameters", "code", "message"),
    [
        ("StartDomainExport", {"domainName": "none"}, "NoSuchDomainException", "The specified domain does not exist."),
        ("ListExports", {"domainName": "none"}, "NoSuchDomainException", "The specified domain does not exist."),
        ("GetExport", {"exportArn": UNKNOWN}, "NoSuchExportException", "The specified export does not exist."),
        (
            "StartDomainExport",
            {"s3SseKmsKeyId": "key"},
            "InvalidParameterCombinationException",
            "Parameter S3SseKmsKeyId must be provided only when S3SseAlgorithm is KMS.",
        ),
        ("StartDomainExport", {"domainName": None}, "MissingParameter", "parameter DomainName."),
        ("StartDomainExport", {"s3Bucket": None}, "MissingParameter", "parameter S3BucketName."),
        ("GetExport", {}, "MissingParameter", "The request must contain the parameter ExportArn."),
        ("StartDomainExport", {"domainName": 5}, "SerializationException", "domainName is not a string."),
    ],
)
def test_a_refusal_is_one_of_botos_exceptions_or_named(exports, operation, parameters, code, message):
    assert_refused(exports, operation, parameters, code, message)


@pytest.mark.parametrize(
    ("parameter", "value", "reason"),
    [
        ("clientToken", "", "ClientToken must be between 1 and 128 characters long."),
        ("clientToken", "x" * 129, "ClientToken must be between 1 and 128 characters long."),
        ("clientToken", "a b", "ClientToken must only contain ASCII characters in the range of 33-126, inclusive."),
        ("domainName", "ab", "DomainName must be between 3 and 255 characters long."),
        ("domainName", "x" * 256, "DomainName must be between 3 and 255 characters long."),
        ("domainName", "a b", "must only contain letters, numbers, underscores, periods, and hyphens."),
        ("s3Bucket", "ab", "S3BucketName must be between 3 and 63 characters long."),
        ("s3Bucket", "x" * 64, "S3BucketName must be between 3 and 63 characters long."),
        ("s3Bucket", "../etc", "S3BucketName must be a valid Amazon S3 bucket name."),
        ("s3BucketOwner", "12345", "S3BucketOwner must be a valid AWS account ID."),
        ("s3KeyPrefix", "", "S3KeyPrefix must be between 1 and 850 characters long."),
        ("s3KeyPrefix", "x" * 851, "S3KeyPrefix must be between 1 and 850 characters long."),
        ("s3SseAlgorithm", "aws:kms", "S3SseAlgorithm can only be AES256 or KMS."),
        ("s3SseKmsKeyId", "", "S3SseKmsKeyId must be between 1 and 2048 characters long."),
        ("s3SseKmsKeyId", "a b", "must only contain letters, numbers, underscores, colons, and hyphens."),
    ],
)
def test_a_parameter_out_of_its_bounds_is_refused_in_the_guides_words(exports, parameter, value, reason):
    code = "InvalidParameterValueException"
    message = assert_refused(exports, "StartDomainExport", {parameter: value}, code, reason)
    assert message.startswith(f"Value ({value}) for parameter ")


@pytest.mark.parametrize(
    ("operation", "parameters", "reason"),
    [
        ("GetExport", {"exportArn": "short"}, "ExportArn must be between 20 and 2048 characters long."),
        ("GetExport", {"exportArn": "x" * 50}, "ExportArn must be a valid Amazon SimpleDB Domain Export ARN."),
        ("ListExports", {"maxResults": 0}, "MaxResults must be between 1 and 100."),
        ("ListExports", {"maxResults": 101}, "MaxResults must be between 1 and 100."),
        ("ListExports", {"nextToken": "x" * 2049}, "NextToken must be between 1 and 2048 characters long."),
        (
            "ListExports",
            {"nextToken": "a+b"},
            "must only contain letters, numbers, underscores, hyphens, and equals signs.",
        ),
    ],
)
def test_so_are_those_of_the_reading_operations(exports, operation, parameters, reason):
    assert_refused(exports, operation, parameters, "InvalidParameterValueException", reason)


def assert_refused(exports, operation, parameters, code, message):
    """By its code, status 400 and text, in both places where a client may look for the code; returns the text."""
    whole = {"domainName": "one", "s3Bucket": "bucket"} if operation == "StartDomainExport" else {}
    whole = {name: value for name, value in (whole | parameters).items() if value is not None}
    status, headers, body = post(exports.meta.endpoint_url, f"/v2/{operation}", json.dumps(whole).encode())
    assert (status, body["__type"], headers["x-amzn-ErrorType"]) == (400, code, code)
    assert body["message"].endswith(message)
    return body["message"]


def post(url, path, body, method="POST"):
    """(status, headers, JSON) of one request without a signature."""
    request = urllib.request.Request(url + path, body, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.loads(error.read())


def test_boto_raises_its_modelled_exceptions(exports):
    with pytest.raises(exports.exceptions.NoSuchDomainException):
        start(exports, "none")
    with pytest.raises(exports.exceptions.NoSuchExportException):
        exports.get_export(exportArn=UNKNOWN)
    with pytest.raises(exports.exceptions.InvalidParameterValueException):
        exports.list_exports(maxResults=1000)
    start(exports, clientToken="t")
    with pytest.raises(exports.exceptions.ConflictException):
        start(exports, "two", clientToken="t")


@pytest.mark.parametrize(
    ("path", "body", "code", "status"),
    [
        ("/v2/StartDomainExport", b"{", "SerializationException", 400),
        ("/v2/StartDomainExport", b"[]", "SerializationException", 400),
        ("/v2/StartDomainExport", b"\xff", "SerializationException", 400),
        ("/v2/StopDomainExport", b"{}", "UnknownOperationException", 404),
    ],
)
def test_what_is_no_request_is_refused_in_json(url, path, body, code, status):
    found, headers, answer = post(url, path, body)
    assert (found, answer["__type"]) == (status, code)
    assert headers["Content-Type"] == "application/json"
    assert headers["x-amzn-RequestId"]


def test_an_export_is_not_asked_for_by_get(url):
    assert post(url, "/v2/ListExports?maxResults=1", None, "GET")[0] == 404


def test_exports_are_on_record_after_a_restart(tmp_path, clock):
    with serving(tmp_path, Sink(), clock) as (_, url):
        client_of(url).create_domain(DomainName="one")
        arn = start(exports_client(url), clientToken="t")["exportArn"]
        before = ended(exports_client(url), arn)
    with serving(tmp_path, Sink(), clock) as (_, url):
        after = exports_client(url).get_export(exportArn=arn)
        assert start(exports_client(url), clientToken="t")["exportArn"] == arn
    assert [found.pop("ResponseMetadata") for found in (before, after)]
    assert before == after


def test_a_domain_that_vanished_by_other_ways_ends_its_export(tmp_path, clock):
    sink = Sink()
    with serving(tmp_path, sink, clock) as (simpledb, url):
        client_of(url).create_domain(DomainName="one")
        client_of(url).create_domain(DomainName="two")
        sink.close()
        start(exports_client(url))
        arn = start(exports_client(url), "two")["exportArn"]
        simpledb.store.delete_domain("us-west-2", "two")
        sink.open.set()
        assert ended(exports_client(url), arn)["failureCode"] == "NoSuchDomainException"
        with pytest.raises(Refused), simpledb.store.read() as snapshot:
            snapshot.domain("us-west-2", "two")
