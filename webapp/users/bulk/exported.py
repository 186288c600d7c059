"""An export of a SimpleDB domain in S3, as AWS writes it: manifests and data files, each verified as it is read.

Below [PREFIX/]AWSSimpleDB/EXPORT-ID/DOMAIN/ there are manifest-summary.json, manifest-file.json, which lists the data
files with checksums and counts, and data/dataFile_*.json: arrays of {"itemName", "attributes": [{"name", "values"}]}.
"""

import base64
import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from webapp.users.bulk.arrays import Broken, elements

SUMMARY = "manifest-summary.json"
_CHUNK = 1 << 20

Item = tuple[str, tuple[tuple[str, str], ...]]  # its name, and its sorted (name, value) pairs


class Damaged(Exception):
    """What is in S3 is no whole export; the message says what is wrong."""


@dataclass(frozen=True)
class Export:
    """One finished export of one domain: `folder` is what its keys begin with, `items` how many it holds."""

    bucket: str
    folder: str
    id: str
    domain: str
    items: int


def find(s3, bucket: str, prefix: str) -> list[Export]:
    """The finished exports whose keys begin with `prefix`, oldest first. Raises Damaged and S3's own errors."""
    found = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for each in page.get("Contents", []):
            folder, _, name = each["Key"].rpartition("/")
            if name != SUMMARY:
                continue
            summary = _json(s3, bucket, each["Key"])
            try:
                export = Export(
                    bucket, folder, folder.split("/")[-2], summary["domainName"], int(summary["itemsCount"])
                )
                found.append((str(summary.get("exportDataCutoffTime")), export))
            except (KeyError, TypeError, ValueError, IndexError):
                raise Damaged(f"s3://{bucket}/{each['Key']} is no summary of an export") from None
    return [export for _, export in sorted(found, key=lambda pair: pair[0])]


def items(s3, export: Export) -> Iterator[Item]:
    """Every item of the export, from each data file once that has been read whole and its checksum found right.

    Memory stays constant; a data file lies on disk, where only we can read it, as long as it is worked on. Raises
    Damaged.
    """
    files = _json(s3, export.bucket, f"{export.folder}/manifest-file.json")
    try:
        files = [(each["dataFileS3Key"], each["md5Checksum"], int(each["dataFileItemCount"])) for each in files]
    except (KeyError, TypeError, ValueError):
        raise Damaged(f"s3://{export.bucket}/{export.folder}/manifest-file.json is no list of data files") from None
    if sum(count for _, _, count in files) != export.items:
        raise Damaged(f"the manifests of the export {export.id} disagree about how many items it holds")
    for key, md5, count in files:
        yield from _of_file(s3, export.bucket, key, md5, count)


def _of_file(s3, bucket, key, md5, count):
    where = f"s3://{bucket}/{key}"
    with tempfile.TemporaryFile() as file:
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in _body(s3, bucket, key).iter_chunks(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
        if base64.b64encode(digest.digest()).decode() != md5:
            raise Damaged(f"{where} is not what was exported: its checksum differs from the manifest's")
        file.seek(0)
        seen = 0
        try:
            for seen, element in enumerate(elements(file), 1):  # noqa: B007 - counted after the loop
                pairs = {(each["name"], value) for each in element["attributes"] for value in each["values"]}
                yield element["itemName"], tuple(sorted(pairs))
        except (Broken, KeyError, TypeError):
            raise Damaged(f"{where} holds something else than items") from None
        if seen != count:
            raise Damaged(f"{where} holds {seen:,} items, and {count:,} by its manifest")


def _json(s3, bucket, key):
    try:
        return json.loads(_body(s3, bucket, key).read())
    except ValueError:
        raise Damaged(f"s3://{bucket}/{key} is no JSON") from None


def _body(s3, bucket, key):
    from botocore.exceptions import ClientError

    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            raise Damaged(f"s3://{bucket}/{key} is missing") from None
        raise
