"""The files of an export: as the Developer Guide shows them, whole, also when a kill cut the export off."""

import base64
import hashlib
import json
import re
import signal
import threading
from pathlib import Path

import pytest

from fabfile.localcloud.simpledb.changes import Put
from fabfile.localcloud.simpledb.exporter import Exporter
from fabfile.localcloud.simpledb.exports import Exports, Target
from fabfile.localcloud.simpledb.parameters import Attribute
from fabfile.localcloud.simpledb.sinks import Folder, Undeliverable
from fabfile.localcloud.simpledb.store import Store

from .asking import client_of, pairs
from .exporting import DONE, Sink, ended, exports_client, serving

ODD = "\x00\x01\x1f\x7f\x85 \ufffe\uffff\n\r\t\"\\/<>&' é 🐙"


def read(root, arn, prefix=""):
    """(summary, manifest, {item: {attribute: [values]}}) of an export below `root`, every checksum compared."""
    folder = f"{prefix}AWSSimpleDB/{arn.rpartition('/')[2]}/{arn.split('/')[1]}"
    summary = json.loads((root / folder / "manifest-summary.json").read_text())
    manifest = json.loads((root / folder / "manifest-file.json").read_text())
    found = {}
    for file in manifest:
        assert set(file) == {"md5Checksum", "dataFileS3Key", "dataFileItemCount"}
        body = (root / file["dataFileS3Key"]).read_bytes()
        assert base64.b64encode(hashlib.md5(body).digest()).decode() == file["md5Checksum"]
        items = json.loads(body)
        assert len(items) == file["dataFileItemCount"]
        for item in items:
            assert item["itemName"] not in found
            found[item["itemName"]] = {one["name"]: one["values"] for one in item["attributes"]}
    assert len(found) == summary["itemsCount"]
    return summary, manifest, found


def test_an_export_is_written_as_the_guide_shows_it(tmp_path):
    with serving(tmp_path) as (_, url):
        client, exports = client_of(url), exports_client(url)
        client.create_domain(DomainName="myDomain")
        client.put_attributes(
            DomainName="myDomain", ItemName="employee1", Attributes=pairs("first_name=John", "age=30")
        )
        reportees = pairs("reportees=Judith", "reportees=Jade", "first_name=Jane")
        client.put_attributes(DomainName="myDomain", ItemName="employee2", Attributes=reportees)
        arn = exports.start_domain_export(domainName="myDomain", s3Bucket="my-bucket", s3KeyPrefix="a/b/")["exportArn"]
        answer = ended(exports, arn)
    root = tmp_path / "exports/my-bucket"
    folder = Path("a/b/AWSSimpleDB", arn.rpartition("/")[2], "myDomain")
    written = sorted(str(path.relative_to(root / folder)) for path in root.rglob("*") if path.is_file())
    assert written == ["_started", "data/dataFile_1_2.json", "manifest-file.json", "manifest-summary.json"]
    assert (root / folder / "_started").read_bytes() == b""
    assert json.loads((root / folder / "data/dataFile_1_2.json").read_bytes()) == [
        {
            "itemName": "employee1",
            "attributes": [{"name": "age", "values": ["30"]}, {"name": "first_name", "values": ["John"]}],
        },
        {
            "itemName": "employee2",
            "attributes": [
                {"name": "first_name", "values": ["Jane"]},
                {"name": "reportees", "values": ["Jade", "Judith"]},
            ],
        },
    ]
    summary, manifest, _ = read(root, arn, "a/b/")
    assert manifest[0]["dataFileS3Key"] == f"{folder}/data/dataFile_1_2.json"
    assert answer["exportManifest"] == f"{folder}/manifest-summary.json"
    moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    assert moment.fullmatch(summary.pop("requestedAt")) and moment.fullmatch(summary.pop("exportDataCutoffTime"))
    assert summary == {
        "version": "2025-11-01",
        "exportArn": arn,
        "s3BucketName": "my-bucket",
        "s3ExportPrefix": str(folder),
        "domainName": "myDomain",
        "itemsCount": 2,
        "s3SseAlgorithm": None,
        "s3SseKmsKeyId": None,
        "s3BucketOwner": None,
    }


def test_an_empty_domain_has_one_empty_data_file(tmp_path):
    with serving(tmp_path) as (_, url):
        client_of(url).create_domain(DomainName="empty")
        exports = exports_client(url)
        arn = exports.start_domain_export(domainName="empty", s3Bucket="bucket")["exportArn"]
        assert ended(exports, arn)["itemsCount"] == 0
    _, manifest, found = read(tmp_path / "exports/bucket", arn)
    assert (len(manifest), found) == (1, {})


# -- below the API: a store, a record, and an exporter of the test's own ---------------------------------------------


class Bench:
    """A domain `here` of a store, its exports and whatever exporter a test wants."""

    def __init__(self, folder):
        self.folder = folder
        self.store, self.exports = Store(folder), Exports(folder)
        self.store.create_domain("r", "here")
        self.number = 0

    def put(self, *items, text="x"):
        self.store.change("r", "here", [Put(item, (Attribute("n", text),)) for item in items])

    def ask(self):
        return self.exports.add("r", "here", "token", Target("bucket"), 0.0)

    def run(self, sink, export, **options):
        """Work until the export is done; returns it."""
        exporter = Exporter(self.store, self.exports, sink, lambda: 1.0, **options)
        exporter.wake()
        waiting = threading.Event()
        while (found := self.exports.find(export.id)).status not in DONE:
            waiting.wait(0.01)
        exporter.close()
        return found

    def close(self):
        self.exports.close()
        self.store.close()


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def items_of(sink, export):
    """The names in the data files that the manifest lists, in their order."""
    manifest = json.loads(sink.objects["bucket", f"{export.folder}/manifest-file.json"])
    bodies = [json.loads(sink.objects["bucket", file["dataFileS3Key"]]) for file in manifest]
    return [item["itemName"] for body in bodies for item in body], [len(body) for body in bodies]


def test_a_character_that_xml_cannot_carry_is_plain_json(bench):
    bench.put(ODD, text=ODD)
    sink, export = Sink(), bench.ask()
    bench.run(sink, export)
    body = sink.objects["bucket", f"{export.folder}/data/dataFile_1_2.json"]
    assert json.loads(body) == [{"itemName": ODD, "attributes": [{"name": "n", "values": [ODD]}]}]
    assert b"\\u0000" in body and "🐙".encode() in body


def test_a_large_domain_has_several_data_files_and_no_item_twice(bench):
    names = [f"item {number}" for number in range(1200)]
    for start in range(0, len(names), 200):
        bench.put(*names[start : start + 200])
    sink, export = Sink(), bench.ask()
    assert bench.run(sink, export, largest=20_000).items == 1200
    found, sizes = items_of(sink, export)
    assert found == names
    assert len(sizes) >= 3
    keys = [key for _, key in sink.objects if "/data/" in key]
    assert keys[:2] == [f"{export.folder}/data/dataFile_1_2.json", f"{export.folder}/data/dataFile_3_4.json"]


class Meddling(Sink):
    """Does something of the test's own between two objects."""

    def __init__(self, at, act):
        super().__init__()
        self.at, self.act = at, act

    def put(self, target, key, body):
        super().put(target, key, body)
        if key.endswith(self.at):
            self.act()


def test_what_was_there_at_the_cutoff_is_in_it_and_what_came_later_is_not(bench):
    names = [f"item {number}" for number in range(600)]
    bench.put(*names)

    def meddle():
        bench.put("later")
        bench.store.change("r", "here", [Put(names[-1], (Attribute("n", "new", replace=True),))])

    sink, export = Meddling("dataFile_1_2.json", meddle), bench.ask()
    bench.run(sink, export, largest=1000)
    assert items_of(sink, export)[0] == names


def test_writes_go_on_while_an_export_waits_for_its_sink(bench):
    bench.put("one")
    sink = Sink()
    bench.ask()
    sink.close()
    exporter = Exporter(bench.store, bench.exports, sink)
    exporter.wake()
    assert sink.asked.wait(10)
    bench.put("two")
    sink.open.set()
    exporter.close()


class Ending(Sink):
    """Ends the exporter after so many objects, as the stop of the service does."""

    exporter = None

    def __init__(self, after):
        super().__init__()
        self.after = after

    def put(self, target, key, body):
        super().put(target, key, body)
        self.after -= 1
        if not self.after:
            threading.Thread(target=self.exporter.close).start()
            while not self.exporter._ending:
                pass


def test_an_export_that_was_stopped_goes_on_where_it_was(bench):
    names = [f"item {number}" for number in range(1000)]
    bench.put(*names)
    export, first = bench.ask(), Ending(after=3)
    first.exporter = Exporter(bench.store, bench.exports, first, largest=1000)
    first.exporter.wake()
    first.exporter._thread.join()
    assert bench.exports.find(export.id).status == "IN_PROGRESS"
    assert len(first.objects) == 3
    rest = Sink()
    assert bench.run(rest, export, largest=1000).status == "SUCCEEDED"
    assert not set(first.objects) & set(rest.objects)
    rest.objects |= first.objects
    assert items_of(rest, export)[0] == names


def test_an_export_that_a_kill_cut_off_is_finished_by_the_next_start(start, tmp_path):
    process, url = start()
    client = client_of(url)
    client.create_domain(DomainName="large")
    long = "x" * 1000
    for batch in range(0, 2000, 25):
        items = [
            {"Name": f"item {n}", "Attributes": pairs(f"a={n}", *[f"b{i}={long}" for i in range(6)])}
            for n in range(batch, batch + 25)
        ]
        client.batch_put_attributes(DomainName="large", Items=items)
    arns, root = [], tmp_path / "data/exports/bucket"
    for written in range(5):  # nothing, the first file, a data file, ...
        arn = exports_client(url).start_domain_export(domainName="large", s3Bucket="bucket")["exportArn"]
        arns.append(arn)
        while sum(path.is_file() for path in root.glob(f"AWSSimpleDB/{arn.rpartition('/')[2]}/**/*")) < written:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        process, url = start()
    exports = exports_client(url)
    for arn in arns:
        found = ended(exports, arn)
        assert (found["exportStatus"], found["itemsCount"]) == ("SUCCEEDED", 2000)
        assert set(read(root, arn)[2]) == {f"item {n}" for n in range(2000)}


# -- the folder ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["../../other/file", "../sibling", "a/../../x"])
def test_no_key_leads_out_of_its_bucket(tmp_path, key):
    with pytest.raises(Undeliverable, match="S3AccessDenied"):
        Folder(tmp_path / "exports").put(Target("bucket"), key, b"x")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    folder = Folder(tmp_path)
    folder.put(Target("bucket"), "a/b", b"first")
    folder.put(Target("bucket"), "a/b", b"second")
    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [b"second"]


def test_a_name_in_the_way_ends_the_export(tmp_path):
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports/bucket").write_text("a file where a folder should be")
    with serving(tmp_path) as (_, url):
        client_of(url).create_domain(DomainName="one")
        exports = exports_client(url)
        arn = exports.start_domain_export(domainName="one", s3Bucket="bucket")["exportArn"]
        assert ended(exports, arn)["failureCode"] == "InternalError"
