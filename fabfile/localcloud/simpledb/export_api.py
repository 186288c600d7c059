"""The export API (`simpledbv2`): JSON over POST at /v2/..., next to the query protocol at the same host.

Behaviour and texts are those of the Developer Guide (API Error Codes), names those of botocore's model. Where the two
differ: ConflictException has the guide's status 409; too many exports are NumberExportsLimitExceeded, the name that
clients know. Our reading, where both are silent: the limits hold for each region by itself, and also failed exports
count; a missing parameter is MissingParameter; exports are listed from the oldest to the newest.
"""

import json
import re
import time
import uuid

from . import export_files, tokens
from .errors import Refused
from .exporter import arn_of, milliseconds
from .exports import FAILED, KEPT, SUCCEEDED, Target

PATH = "/v2/"
MOST_OF_DOMAIN, MOST_OF_ACCOUNT = 5, 25  # exports within a DAY
DAY = 24 * 3600  # seconds, as all here
TOKEN_HOLDS = 8 * 3600
MOST_RESULTS = 100

_DOMAIN = re.compile("[a-zA-Z0-9_.-]*")
_TOKEN = re.compile("[!-~]*")
_BUCKET = re.compile("[a-zA-Z0-9]+[.a-zA-Z0-9_-]*[a-zA-Z0-9]+")
_KMS_KEY = re.compile("[a-zA-Z0-9_:/-]*")  # the guide forgets the slash that each key's ARN has
_NEXT_TOKEN = re.compile("[a-zA-Z0-9_=-]*")
_ARN = re.compile("arn:aws[a-z-]*::?sdb:([a-z0-9-]+):[0-9]{12}:domain/([^/]+)/export/([0-9a-f-]{36})")
_TO_URL, _FROM_URL = str.maketrans("+/", "-_"), str.maketrans("-_", "+/")


class ExportRefused(Exception):
    """The request is answered with an error of the export API."""

    def __init__(self, code, message, status=400):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


class ExportApi:
    """The three operations on one Store and its record of exports."""

    def __init__(self, store, exports, exporter, clock=time.time):
        """`exports` is an Exports, `exporter` an Exporter; `clock` tells seconds since 1970."""
        self._store, self._exports, self._exporter, self._clock = store, exports, exporter, clock
        self._operations = {
            "StartDomainExport": self._start,
            "GetExport": self._get,
            "ListExports": self._list,
        }

    def answer(self, path, region, body):
        """What the operation of this path (from `/v2/` on) answers, as a dict. Raises ExportRefused."""
        operation = self._operations.get(path.removeprefix(PATH))
        if operation is None:
            raise ExportRefused("UnknownOperationException", f"There is no operation {path}.", 404)
        self._exports.forget(self._clock() - KEPT)
        return operation(region, _read(body))

    def _start(self, region, request):
        domain = _domain(request, required=True)
        target = _target(request)
        token = _client_token(request)
        now = milliseconds(self._clock())
        earlier = self._exports.with_token(region, token, now - TOKEN_HOLDS)
        if earlier:
            if (earlier.domain, earlier.target) != (domain, target):
                text = "Idempotent request failed due to parameter mismatch."
                raise ExportRefused("ConflictException", text, 409)
            return _started(earlier)
        self._known(region, domain)
        since = now - DAY
        full = self._exports.count(region, since, domain) >= MOST_OF_DOMAIN
        if full or self._exports.count(region, since) >= MOST_OF_ACCOUNT:
            raise ExportRefused("NumberExportsLimitExceeded", "The export limit was exceeded.", 409)
        export = self._exports.add(region, domain, token, target, now)
        self._exporter.wake()
        return _started(export)

    def _get(self, region, request):
        arn = _required(request, "exportArn", "ExportArn")
        _check_length(arn, "ExportArn", 20, 2048)
        parts = _ARN.fullmatch(arn)
        if not parts:
            raise _invalid(arn, "ExportArn", "ExportArn must be a valid Amazon SimpleDB Domain Export ARN.")
        export = self._exports.find(parts[3])
        if not export or (export.region, export.domain) != (parts[1], parts[2]) or export.region != region:
            raise ExportRefused("NoSuchExportException", "The specified export does not exist.")
        target = export.target
        found = _summary(export) | {
            "clientToken": export.token,
            "s3Bucket": target.bucket,
            "s3KeyPrefix": target.prefix,
            "s3SseAlgorithm": target.algorithm,
            "s3SseKmsKeyId": target.kms_key,
            "s3BucketOwner": target.owner,
            "exportDataCutoffTime": export.cutoff,
        }
        if export.status == SUCCEEDED:
            found |= {"itemsCount": export.items, "exportManifest": export_files.summary_key(export)}
        if export.status == FAILED:
            found |= {"failureCode": export.failure_code, "failureMessage": export.failure_message}
        return {name: value for name, value in found.items() if value is not None}

    def _list(self, region, request):
        domain = _domain(request, required=False)
        most = request.get("maxResults")
        most = MOST_RESULTS if most is None else most
        if type(most) is not int or not 1 <= most <= MOST_RESULTS:
            raise _invalid(most, "MaxResults", "MaxResults must be between 1 and 100.")
        question = ("ListExports", region, domain)
        after = _position(question, _text(request, "nextToken"))
        if domain:
            self._known(region, domain)
        found = self._exports.page(region, domain, after, most + 1)
        answer = {"exportSummaries": [_summary(export) for export in found[:most]]}
        if len(found) > most:
            answer["nextToken"] = tokens.pack(question, [found[most - 1].number]).translate(_TO_URL)
        return answer

    def _known(self, region, domain):
        try:
            with self._store.read() as snapshot:
                snapshot.domain(region, domain)
        except Refused as refused:
            raise ExportRefused("NoSuchDomainException", refused.message) from refused


def _started(export):
    return {"clientToken": export.token, "exportArn": arn_of(export), "requestedAt": export.requested}


def _summary(export):
    return {
        "exportArn": arn_of(export),
        "exportStatus": export.status,
        "requestedAt": export.requested,
        "domainName": export.domain,
    }


# -- the parameters' form, in the guide's words --------------------------------------------------------------------


def _read(body):
    try:
        request = json.loads(body or b"{}")
    except ValueError as error:
        raise ExportRefused("SerializationException", "The body of the request is not JSON.") from error
    if not isinstance(request, dict):
        raise ExportRefused("SerializationException", "The body of the request is not a JSON object.")
    return request


def _text(request, name):
    value = request.get(name)
    if value is not None and not isinstance(value, str):
        raise ExportRefused("SerializationException", f"{name} is not a string.")
    return value


def _required(request, name, parameter):
    value = _text(request, name)
    if value is None:
        raise ExportRefused("MissingParameter", f"The request must contain the parameter {parameter}.")
    return value


def _domain(request, required):
    name = _required(request, "domainName", "DomainName") if required else _text(request, "domainName")
    if name is not None:
        _check_length(name, "DomainName", 3, 255)
        if not _DOMAIN.fullmatch(name):
            reason = "DomainName must only contain letters, numbers, underscores, periods, and hyphens."
            raise _invalid(name, "DomainName", reason)
    return name


def _client_token(request):
    token = _text(request, "clientToken")
    if token is None:
        return str(uuid.uuid4())
    _check_length(token, "ClientToken", 1, 128)
    if not _TOKEN.fullmatch(token):
        reason = "ClientToken must only contain ASCII characters in the range of 33-126, inclusive."
        raise _invalid(token, "ClientToken", reason)
    return token


def _target(request):
    bucket = _required(request, "s3Bucket", "S3BucketName")
    _check_length(bucket, "S3BucketName", 3, 63)
    if not _BUCKET.fullmatch(bucket):
        raise _invalid(bucket, "S3BucketName", "S3BucketName must be a valid Amazon S3 bucket name.")
    prefix, owner = _text(request, "s3KeyPrefix"), _text(request, "s3BucketOwner")
    algorithm, kms_key = _text(request, "s3SseAlgorithm"), _text(request, "s3SseKmsKeyId")
    if prefix is not None:
        _check_length(prefix, "S3KeyPrefix", 1, 850)
    if owner is not None and not re.fullmatch("[0-9]{12}", owner):
        raise _invalid(owner, "S3BucketOwner", "S3BucketOwner must be a valid AWS account ID.")
    if algorithm not in (None, "AES256", "KMS"):
        raise _invalid(algorithm, "S3SseAlgorithm", "S3SseAlgorithm can only be AES256 or KMS.")
    if kms_key is not None:
        _check_kms_key(kms_key, algorithm)
    return Target(bucket, prefix, owner, algorithm, kms_key)


def _check_kms_key(key, algorithm):
    _check_length(key, "S3SseKmsKeyId", 1, 2048)
    if not _KMS_KEY.fullmatch(key):
        reason = "S3SseKmsKeyId must only contain letters, numbers, underscores, colons, and hyphens."
        raise _invalid(key, "S3SseKmsKeyId", reason)
    if algorithm != "KMS":
        text = "Parameter S3SseKmsKeyId must be provided only when S3SseAlgorithm is KMS."
        raise ExportRefused("InvalidParameterCombinationException", text)


def _position(question, token):
    """The number that a page begins behind."""
    if token is None:
        return 0
    _check_length(token, "NextToken", 1, 2048)
    if not _NEXT_TOKEN.fullmatch(token):
        reason = "NextToken must only contain letters, numbers, underscores, hyphens, and equals signs."
        raise _invalid(token, "NextToken", reason)
    try:
        (number,) = tokens.unpack(question, token.translate(_FROM_URL))
    except (Refused, ValueError) as error:
        raise ExportRefused("InvalidNextTokenException", "The specified next token is not valid.") from error
    return number


def _check_length(value, parameter, least, most):
    if not least <= len(value) <= most:
        reason = f"{parameter} must be between {least} and {most} characters long."
        raise _invalid(value, parameter, reason)


def _invalid(value, parameter, reason):
    text = f"Value ({value}) for parameter {parameter} is invalid. {reason}"
    return ExportRefused("InvalidParameterValueException", text)
