"""S3 in the local cloud: as clients use it, its bodies as files, whole after a kill; and SimpleDB's exports in it."""

import hashlib
import http.client
import io
import json
import os
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.cloud.endpoint import endpoint
from tests.cloud.simpledb.asking import pairs
from tests.cloud.simpledb.exporting import ended

HERE = {"LocationConstraint": "us-west-2"}
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def cloud():
    with endpoint() as running:
        yield running


@pytest.fixture
def bucket(cloud):
    """The name of a new bucket."""
    name = f"bucket-{os.urandom(4).hex()}"
    cloud.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=HERE)
    return name


def read(s3, bucket, key, **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def bodies(cloud, before=frozenset()):
    """The (name, size) of each body's file that was not there before."""
    return {(path.name, path.stat().st_size) for path in (cloud.home / "objects").iterdir()} - before


def sizes(cloud, before):
    return sorted(size for _, size in bodies(cloud, before))


def refused(code):
    return pytest.raises(ClientError, match=rf"\({code}\)")


@pytest.mark.parametrize("key", ["plain", "folder/with blank+plus%25.txt", "ümläut/é", "a//b"])
def test_an_object_comes_back_as_it_was_put(cloud, bucket, key):
    s3 = cloud.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=b"body", ContentType="application/json", Metadata={"who": "me"})
    found = s3.get_object(Bucket=bucket, Key=key)
    assert (found["Body"].read(), found["ContentType"], found["Metadata"]) == (
        b"body",
        "application/json",
        {"who": "me"},
    )
    assert found["ETag"] == f'"{hashlib.md5(b"body").hexdigest()}"'
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]


def test_a_head_tells_the_size_of_what_it_does_not_send(cloud, bucket):
    s3 = cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 1000)
    for _ in range(2):  # on one connection: a body that was sent would be taken for the next answer
        assert s3.head_object(Bucket=bucket, Key="a")["ContentLength"] == 1000
    with refused("404"):
        s3.head_object(Bucket=bucket, Key="none")
    assert s3.head_bucket(Bucket=bucket)


def test_a_large_object_goes_up_in_parts_and_comes_back_by_ranges(cloud, bucket):
    s3, body, before = cloud.client("s3"), os.urandom(MIB) * 21, bodies(cloud)
    settings = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_fileobj(io.BytesIO(body), bucket, "large", Config=settings)
    back = io.BytesIO()
    s3.download_fileobj(bucket, "large", back, Config=settings)
    assert back.getvalue() == body
    assert read(s3, bucket, "large", Range="bytes=10-19") == body[10:20]
    assert s3.head_object(Bucket=bucket, Key="large", PartNumber=5)["ContentLength"] == MIB
    assert sizes(cloud, before) == [21 * MIB]


def test_one_request_may_be_larger_than_that_of_other_services(cloud, bucket):
    s3, body = cloud.client("s3"), b"x" * (17 * MIB)
    s3.put_object(Bucket=bucket, Key="large", Body=body)
    assert read(s3, bucket, "large") == body


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_are_kept_and_compared(cloud, bucket, algorithm):
    s3 = cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="a", Body=b"body", ChecksumAlgorithm=algorithm)
    found = s3.get_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    assert found[f"Checksum{algorithm}"]
    assert found["Body"].read() == b"body"


def test_a_body_in_aws_chunks_is_taken_apart(cloud, bucket):
    """As the SDKs of other languages send it over plain HTTP, without a checksum of the whole."""
    s3 = cloud.client("s3")
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "chunks"})
    body = b"5;chunk-signature=0\r\nhello\r\n0;chunk-signature=0\r\n\r\n"
    headers = {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-decoded-content-length": "5"}
    request = urllib.request.Request(url, body, headers | {"Content-Encoding": "aws-chunked"}, method="PUT")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    assert read(s3, bucket, "chunks") == b"hello"


def test_a_body_without_its_length_is_taken(cloud, bucket):
    s3 = cloud.client("s3")
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "stream"})
    request = urllib.request.Request(url, iter([b"hel", b"lo"]), {"Transfer-Encoding": "chunked"}, method="PUT")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    assert read(s3, bucket, "stream") == b"hello"


def test_a_signed_url_works_in_both_versions_and_without_one_nobody_is_let_in(cloud, bucket):
    cloud.client("s3").put_object(Bucket=bucket, Key="a", Body=b"body")
    for version in ("s3v4", "s3"):
        url = client(cloud, signature_version=version).generate_presigned_url(
            "get_object", {"Bucket": bucket, "Key": "a"}
        )
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.read() == b"body"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url.partition("?")[0], timeout=30)


def client(cloud, url=None, **config):
    return boto3.client(
        "s3",
        endpoint_url=url or cloud.url,
        region_name="us-west-2",
        aws_access_key_id=cloud.access_key,
        aws_secret_access_key=cloud.secret_key,
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def test_a_bucket_may_be_in_the_hosts_name(cloud, bucket):
    s3 = cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="folder/a", Body=b"body")
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "folder/a"})
    url = url.replace(f"/{bucket}/", "/")
    port = cloud.url.rpartition(":")[2]
    for host in (f"{bucket}.localhost:{port}", f"{bucket}.s3.us-west-2.amazonaws.com"):
        request = urllib.request.Request(url, headers={"Host": host})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.read() == b"body"


def test_an_upload_that_stalls_holds_nobody_up(cloud, bucket):
    url = urlsplit(cloud.client("s3").generate_presigned_url("put_object", {"Bucket": bucket, "Key": "slow"}))
    link = http.client.HTTPConnection(url.netloc, timeout=30)
    link.putrequest("PUT", f"{url.path}?{url.query}")
    link.putheader("Content-Length", "10")
    link.endheaders(b"hello")
    for _ in range(5):
        cloud.client("s3").put_object(Bucket=bucket, Key="other", Body=b"x")
        assert cloud.client("ec2").describe_vpcs()["Vpcs"]
    link.send(b"world")
    assert link.getresponse().status == 200
    link.close()
    assert read(cloud.client("s3"), bucket, "slow") == b"helloworld"


def test_refusals_are_s3s_own(cloud, bucket):
    s3 = cloud.client("s3")
    with refused("NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="none")
    with refused("NoSuchBucket"):
        s3.put_object(Bucket="none-such", Key="a", Body=b"x")
    with refused("InvalidAccessKeyId"):
        cloud.client("s3", key="AKIAQWERTYUIOPASDFGH", secret="x").put_object(Bucket=bucket, Key="a", Body=b"x" * MIB)
    with refused("OptInRequired"):
        cloud.client("s3", region="eu-west-1").list_buckets()
    s3.put_object(Bucket=bucket, Key="a.json", Body=b"{}", ContentType="application/json")
    with refused("BucketNotEmpty"):
        s3.delete_bucket(Bucket=bucket)


def test_a_fault_may_be_asked_for_by_method(cloud, bucket):
    rule = {"service": "s3", "action": "PUT", "code": "SlowDown", "status": 503, "times": 1}
    request = urllib.request.Request(cloud.url + "/_local/faults", json.dumps(rule).encode())
    urllib.request.urlopen(request, timeout=30).close()
    s3 = cloud.client("s3")
    with refused("SlowDown"):
        s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 100_000)
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")


def test_bodies_are_not_in_the_state_and_go_with_their_objects(cloud, bucket):
    s3, before = cloud.client("s3"), bodies(cloud)
    for number in range(3):
        s3.put_object(Bucket=bucket, Key="same", Body=os.urandom(2 * MIB + number))
    assert sizes(cloud, before) == [2 * MIB + 2]
    assert (cloud.home / "state").stat().st_size < MIB
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/same")
    s3.delete_object(Bucket=bucket, Key="same")
    assert sizes(cloud, before) == [2 * MIB + 2]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
    assert sizes(cloud, before) == [4, 2 * MIB + 2]
    s3.abort_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"22"):
        s3.put_object(Bucket=bucket, Key="versions", Body=body)
    s3.list_object_versions(Bucket=bucket)
    assert sizes(cloud, before) == [1, 2, 2 * MIB + 2]


def test_objects_are_whole_after_a_kill(cloud, bucket):
    s3 = cloud.client("s3")
    body = os.urandom(3 * MIB)
    s3.put_object(Bucket=bucket, Key="a", Body=body)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
    (cloud.home / "objects/left-over").write_bytes(b"of a put that was never acknowledged")
    cloud.kill()
    cloud.start()
    s3 = cloud.client("s3")
    assert read(s3, bucket, "a") == body
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=parts)
    assert read(s3, bucket, "parts") == b"part"
    assert not (cloud.home / "objects/left-over").exists()


def test_every_version_of_an_object_stays_over_a_kill(cloud, bucket):
    s3 = cloud.client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket=bucket, Key="a", Body=body)["VersionId"] for body in (b"1", b"22")]
    s3.delete_object(Bucket=bucket, Key="a")
    cloud.kill()
    cloud.start()
    s3 = cloud.client("s3")
    assert [read(s3, bucket, "a", VersionId=id) for id in ids] == [b"1", b"22"]
    with refused("NoSuchKey"):
        read(s3, bucket, "a")


# -- SimpleDB's exports ----------------------------------------------------------------------------------------------


@pytest.fixture
def domain(cloud):
    name = f"domain-{os.urandom(4).hex()}"
    cloud.client("sdb").create_domain(DomainName=name)
    cloud.client("sdb").put_attributes(DomainName=name, ItemName="a", Attributes=pairs("n=1"))
    return name


def test_an_export_is_written_to_the_clouds_s3(cloud, bucket, domain):
    exports, s3 = cloud.client("simpledbv2"), cloud.client("s3")
    arn = exports.start_domain_export(domainName=domain, s3Bucket=bucket, s3SseAlgorithm="AES256")["exportArn"]
    found = ended(exports, arn)
    assert found["exportStatus"] == "SUCCEEDED"
    summary = json.loads(read(s3, bucket, found["exportManifest"]))
    assert (summary["exportArn"], summary["itemsCount"]) == (arn, 1)
    manifest = json.loads(read(s3, bucket, f"{summary['s3ExportPrefix']}/manifest-file.json"))
    key = manifest[0]["dataFileS3Key"]
    assert json.loads(read(s3, bucket, key)) == [{"itemName": "a", "attributes": [{"name": "n", "values": ["1"]}]}]
    assert s3.head_object(Bucket=bucket, Key=key)["ServerSideEncryption"] == "AES256"


def failure(cloud, domain, **asked):
    exports = cloud.client("simpledbv2")
    return ended(exports, exports.start_domain_export(domainName=domain, **asked)["exportArn"])["failureCode"]


def test_an_export_that_s3_does_not_take_fails_with_the_reason(cloud, bucket):
    cloud.client("sdb").create_domain(DomainName="for-failures")
    assert failure(cloud, "for-failures", s3Bucket="none-such") == "S3NoSuchBucket"
    other = {"s3Bucket": bucket, "s3BucketOwner": "999999999999"}
    assert failure(cloud, "for-failures", **other) == "S3InvalidBucketOwnerAWSAccountID"


def test_an_export_under_a_key_of_kms_needs_one_that_can_be_used(cloud, bucket, domain):
    kms, exports = cloud.client("kms"), cloud.client("simpledbv2")
    asked = {"s3Bucket": bucket, "s3SseAlgorithm": "KMS"}
    key = kms.create_key()["KeyMetadata"]["Arn"]
    good = ended(exports, exports.start_domain_export(domainName=domain, s3SseKmsKeyId=key, **asked)["exportArn"])
    head = cloud.client("s3").head_object(Bucket=bucket, Key=good["exportManifest"])
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)
    for unknown in ("none", "alias/none"):
        assert failure(cloud, domain, s3SseKmsKeyId=unknown, **asked) == "KmsNotFoundException"
    kms.disable_key(KeyId=key.rpartition("/")[2])
    assert failure(cloud, domain, s3SseKmsKeyId=key, **asked) == "KmsDisabledException"
    signing = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")["KeyMetadata"]["Arn"]
    assert failure(cloud, domain, s3SseKmsKeyId=signing, **asked) == "KmsInvalidKeyUsageException"


def test_an_export_that_a_kill_cut_off_is_finished_in_s3_by_the_next_start(cloud, bucket):
    sdb = cloud.client("sdb")
    sdb.create_domain(DomainName="large")
    for batch in range(0, 500, 25):
        numbers = range(batch, batch + 25)
        items = [
            {"Name": f"item {n}", "Attributes": pairs(*[f"b{i}={'x' * 1000}" for i in range(20)])} for n in numbers
        ]
        sdb.batch_put_attributes(DomainName="large", Items=items)
    arn = cloud.client("simpledbv2").start_domain_export(domainName="large", s3Bucket=bucket)["exportArn"]
    cloud.kill()
    cloud.start()
    found = ended(cloud.client("simpledbv2"), arn)
    assert (found["exportStatus"], found["itemsCount"]) == ("SUCCEEDED", 500)
    assert json.loads(read(cloud.client("s3"), bucket, found["exportManifest"]))["itemsCount"] == 500


def test_a_request_above_the_bound_is_refused_in_s3s_words(cloud, bucket):
    url = urlsplit(cloud.client("s3").generate_presigned_url("put_object", {"Bucket": bucket, "Key": "a"}))
    link = http.client.HTTPConnection(url.netloc, timeout=30)
    link.putrequest("PUT", f"{url.path}?{url.query}")
    link.putheader("Content-Length", str(300 * MIB))
    link.endheaders(b"x" * (16 * MIB))
    answer = link.getresponse()
    assert (answer.status, b"<Code>EntityTooLarge</Code>" in answer.read()) == (400, True)
    link.close()
