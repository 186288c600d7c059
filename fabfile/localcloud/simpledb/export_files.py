"""The files of an export, as AWS writes them.

Documented (Developer Guide, "Understanding Exported Data in Amazon S3" and "Track Export Status"), below
`[PREFIX/]AWSSimpleDB/EXPORT-ID/DOMAIN/`, in this order:

    _started                an empty object, which shows that the bucket can be written to
    data/dataFile_1_2.json  one or more; each a JSON array of
                            {"itemName": NAME, "attributes": [{"name": NAME, "values": [VALUE, ...]}, ...]}
    manifest-file.json      a JSON array of {"md5Checksum": base64, "dataFileS3Key": KEY, "dataFileItemCount": N}
    manifest-summary.json   {"version": "2025-11-01", "exportArn", "requestedAt", "s3BucketName", "s3ExportPrefix",
                            "domainName", "itemsCount", "exportDataCutoffTime", "s3SseAlgorithm", "s3SseKmsKeyId",
                            "s3BucketOwner"}; what was not asked for is null

Our reading, where the guide is silent: all of it is UTF-8, and a character that XML could not carry is an ordinary
JSON string's (\\u0000; never base64). Items come in the order of their first insertion, attributes and values sorted,
one item a line. The numbers in a data file's name count up (AWS: "random partition identifiers"), so that a file cut
off by a kill is written again under the same name. An empty domain has one data file with an empty array.
dataFileS3Key and exportManifest are whole keys, with the prefix. As the guide says, an export is no snapshot: items
inserted after the cutoff are not in it, later changes to others may be.
"""

import base64
import hashlib
import json
from datetime import UTC, datetime
from itertools import groupby

from .exports import DataFile

VERSION = "2025-11-01"
LARGEST_FILE = 8 * 1024 * 1024  # bytes of a data file, give or take the items of one look
AT_A_TIME = 250  # items read in one look: a write waits for nobody, and a file begins on no old state


def started(export):
    """(key, body) of the first object."""
    return f"{export.folder}/_started", b""


def data_file(store, export, files, largest=LARGEST_FILE):
    """(DataFile, body) of the next data file after `files`, the last being without items; None if all are there."""
    after = files[-1].last if files else 0
    lines, size, last = [], 0, after
    while size < largest:
        found = _items(store, export, last)
        if not found:
            break
        for id, line in found:
            lines.append(line)
            size += len(line)
            last = id
    if not lines and files:
        return None
    number = len(files) + 1
    body = b"[" + b",".join(b"\n" + line for line in lines) + b"\n]\n" if lines else b"[]\n"
    key = f"{export.folder}/data/dataFile_{2 * number - 1}_{2 * number}.json"
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    return DataFile(number, key, md5, len(lines), last), body


def manifest_files(export, files):
    """(key, body) of the list of data files."""
    listed = [{"md5Checksum": file.md5, "dataFileS3Key": file.key, "dataFileItemCount": file.items} for file in files]
    return f"{export.folder}/manifest-file.json", json.dumps(listed, indent=2).encode()


def summary_key(export):
    """The key of the summary, which an export ends with."""
    return f"{export.folder}/manifest-summary.json"


def manifest_summary(export, arn, items):
    """(key, body) of the summary."""
    target = export.target
    summary = {
        "version": VERSION,
        "exportArn": arn,
        "requestedAt": _time(export.requested),
        "s3BucketName": target.bucket,
        "s3ExportPrefix": export.folder,
        "domainName": export.domain,
        "itemsCount": items,
        "exportDataCutoffTime": _time(export.cutoff),
        "s3SseAlgorithm": target.algorithm,
        "s3SseKmsKeyId": target.kms_key,
        "s3BucketOwner": target.owner,
    }
    return summary_key(export), json.dumps(summary, indent=2).encode()


def _items(store, export, after):
    """[(id, JSON as bytes)] of the next few items."""
    with store.read_domain(export.region, export.domain, consistent=True) as (snapshot, domain):
        names = dict(snapshot.items_after(domain, after, export.newest, AT_A_TIME))
        pairs = snapshot.pairs_of(list(names)) if names else {}
    return [(id, _line(name, pairs[id])) for id, name in names.items()]


def _line(name, pairs):
    attributes = [
        {"name": attribute, "values": [value for _, value in group]}
        for attribute, group in groupby(pairs, key=lambda pair: pair[0])
    ]
    return json.dumps({"itemName": name, "attributes": attributes}, ensure_ascii=False).encode()


def _time(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
