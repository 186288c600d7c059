"""`sdb.export` and `sdb.import`: accounts from one stage to another, files of them, and AWS's exports in S3."""

import base64
import csv
import hashlib
import io
import json
import sys
import time
from types import SimpleNamespace

import pytest
from invoke.exceptions import Exit

from fabfile import sdb
from fabfile.engine.errors import Refusal
from tests.cloud.endpoint import REGION

HASH = "pbkdf2_sha256$1000000$aGVsbG8$" + "A" * 43 + "="


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """Files are in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def stage(rehearse):
    """A stage of four shards with forty users, each with an address; one of them is locked."""
    stage = rehearse(4).made().with_users(40, "{0}@example.org")
    stage.store().lock("user-7")
    store = stage.store()
    for account in store:
        store.rehash(account, HASH)
    return stage


def said(task, stage, *words, **options):
    """The sentence with which it is refused."""
    with pytest.raises(Refusal) as refused:
        task.body(stage.run(), *words, **options)
    assert "\n" not in refused.value.message and refused.value.code == 1
    return refused.value.message


def listed(stage):
    return sorted(stage.store(), key=lambda account: account.name)


@pytest.mark.parametrize("file", ["users.jsonl", "users.csv"])
def test_what_is_exported_and_imported_elsewhere_is_the_same_to_the_last_field(stage, rehearse, file, capsys):
    other = rehearse(8).made()
    sdb.export.body(stage.run(), file)
    assert "40 accounts are in" in capsys.readouterr().out
    sdb.import_.body(other.run(), file)
    assert capsys.readouterr().out.startswith("40 accounts imported, 0 were there already, 0 rejected")
    assert listed(other) == listed(stage)
    assert other.store().by_email("7@example.org").name == "user-7"
    sdb.import_.body(other.run(), file, json=True)
    assert json.loads(capsys.readouterr().out)["present"] == 40


def test_an_export_is_ours_alone_to_read_and_takes_no_files_place(stage, tmp_path, capsys):
    sdb.export.body(stage.run(), "users.jsonl")
    file = tmp_path / "users.jsonl"
    assert file.stat().st_mode & 0o777 == 0o600 and not (tmp_path / "users.jsonl.part").exists()
    first = file.read_text()
    stage.store().create("late", HASH)
    assert said(sdb.export, stage, "users.jsonl").startswith("users.jsonl is there already: name another file")
    assert file.read_text() == first
    sdb.export.body(stage.run(), "users.jsonl", force=True)
    assert file.read_text().count("\n") == 41 and file.stat().st_mode & 0o777 == 0o600


def test_an_export_goes_to_standard_output_for_a_pipe(stage, capsys):
    sdb.export.body(stage.run(), "-", format="csv")
    out = capsys.readouterr().out
    assert {row["name"] for row in csv.DictReader(io.StringIO(out))} == {f"user-{n}" for n in range(40)}
    with pytest.raises(Refusal, match="no format 'xml'"):
        sdb.export.body(stage.run(), "-", format="xml")


def test_rows_that_are_wrong_are_in_the_report_and_the_exit_code(stage, tmp_path, capsys):
    (tmp_path / "new.csv").write_text(
        f"name,password,email\nada,{HASH},\nuser-1,,\nbob,plain secret,\neve,,1@example.org\n"
    )
    told = said(sdb.import_, stage, "new.csv")
    assert told.startswith("3 of the rows of new.csv were rejected: new.csv.rejected.jsonl says which and why")
    assert capsys.readouterr().out.startswith("1 accounts imported, 0 were there already, 3 rejected")
    report = (tmp_path / "new.csv.rejected.jsonl").read_text()
    assert [json.loads(line)["line"] for line in report.splitlines()] == [3, 4, 5]
    assert "secret" not in report and (tmp_path / "new.csv.rejected.jsonl").stat().st_mode & 0o777 == 0o600


def test_rows_may_come_through_a_pipe(stage, monkeypatch, capsys):
    content = io.BytesIO(b'{"name": "ada"}\n{"name": "bob"}\n')
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(content)))
    sdb.import_.body(stage.run(), "-")
    assert capsys.readouterr().out.startswith("2 accounts imported")
    assert stage.store().get("bob")


def test_what_cannot_be_imported_is_said_in_a_sentence(stage, tmp_path):
    (tmp_path / "cut.json").write_text('[{"model": "auth.user", "pk": 1, "fields": {"username": "ada"}}, {"mod')
    assert "no JSON from entry 2 on" in said(sdb.import_, stage, "cut.json")
    assert "cannot be read: No such file" in said(sdb.import_, stage, "missing.jsonl")
    assert "no format 'xml'" in said(sdb.import_, stage, "cut.json", format="xml")
    assert "no folder" in said(sdb.import_, stage, "cut.json", report="no/where")
    assert "--domain is for" in said(sdb.import_, stage, "cut.json", domain="x")


def test_a_domain_that_is_missing_is_named_and_the_next_run_goes_on(stage, tmp_path, capsys):
    home = stage.store().get("user-1").home
    stage.world.client("sdb").delete_domain(DomainName=home)
    (tmp_path / "new.jsonl").write_text("".join(json.dumps({"name": f"new-{n}"}) + "\n" for n in range(80)))
    told = said(sdb.import_, stage, "new.jsonl")
    assert f"rows are still to be imported, for {home}: the domain {home} does not exist" in told
    stage.world.client("sdb").create_domain(DomainName=home)
    sdb.import_.body(stage.run(), "new.jsonl")
    assert all(stage.store().get(f"new-{n}") for n in range(80))


def test_an_interrupt_leaves_a_sentence_and_an_import_that_goes_on(stage, tmp_path, capsys, monkeypatch):
    from webapp.users.bulk.sources import Source

    (tmp_path / "new.jsonl").write_text("".join(json.dumps({"name": f"new-{n}"}) + "\n" for n in range(80)))
    whole = Source.records

    def interrupted(self, after=0):
        for number, record in whole(self, after):
            if number == 60:
                raise KeyboardInterrupt
            yield number, record

    monkeypatch.setattr(Source, "records", interrupted)
    with pytest.raises(Exit) as left:
        sdb.import_.body(stage.run(), "new.jsonl")
    assert left.value.code == 130 and "goes on from here" in capsys.readouterr().err
    monkeypatch.setattr(Source, "records", whole)
    sdb.import_.body(stage.run(), "new.jsonl")
    assert all(stage.store().get(f"new-{n}") for n in range(80))


# What AWS exported to S3


@pytest.fixture
def bucket(stage):
    """A bucket of the cloud with an export of each of the stage's domains below the folder `backup`."""
    s3, exporting = stage.world.client("s3"), stage.world.client("simpledbv2")
    name = f"{stage.name}-exports"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    domains = [domain for domain in stage.listed() if not domain.endswith("-map")]
    arns = [
        exporting.start_domain_export(domainName=domain, s3Bucket=name, s3KeyPrefix="backup")["exportArn"]
        for domain in domains
    ]
    for arn in arns:
        while (told := exporting.get_export(exportArn=arn))["exportStatus"] in ("PENDING", "IN_PROGRESS"):
            time.sleep(0.05)
        assert told["exportStatus"] == "SUCCEEDED", told
    return name


def items(stage, domain):
    asked = f"select * from `{domain}`"
    pages = stage.world.client("sdb").get_paginator("select").paginate(SelectExpression=asked, ConsistentRead=True)
    return {
        item["Name"]: sorted((pair["Name"], pair["Value"]) for pair in item["Attributes"])
        for page in pages
        for item in page.get("Items", [])
    }


def test_the_exports_of_all_shards_are_read_back_into_another_stage(stage, bucket, rehearse, capsys):
    other = rehearse(4).made()
    sdb.import_.body(other.run(), f"s3://{bucket}/backup", domain=other.prefix)
    assert listed(other) == listed(stage) and other.store().by_email("3@example.org").name == "user-3"
    capsys.readouterr()
    sdb.import_.body(other.run(), f"s3://{bucket}/backup", domain=other.prefix, json=True)
    rows = json.loads(capsys.readouterr().out)
    assert [row["written"] for row in rows] == [0] * 4 and sum(row["items"] for row in rows) == 80


def test_an_export_is_read_back_over_what_a_kill_left_of_it_and_over_nothing_else(stage, bucket, rehearse):
    client, home = stage.world.client("sdb"), stage.store().get("user-1").home
    before = items(stage, home)
    client.delete_attributes(DomainName=home, ItemName="user-1")
    sdb.import_.body(stage.run(), f"s3://{bucket}/backup")
    assert items(stage, home) == before
    client.put_attributes(DomainName=home, ItemName="stranger", Attributes=[{"Name": "a", "Value": "b"}])
    client.delete_attributes(DomainName=home, ItemName="user-1")
    assert "holds items that are not in the export, and nothing was written" in said(
        sdb.import_, stage, f"s3://{bucket}/backup"
    )
    assert "user-1" not in items(stage, home)
    client.delete_attributes(DomainName=home, ItemName="stranger")
    client.put_attributes(DomainName=home, ItemName="user-1", Attributes=[{"Name": "a", "Value": "b"}])
    assert "holds another item 'user-1' than the export" in said(sdb.import_, stage, f"s3://{bucket}/backup")


def test_items_of_every_kind_come_back_as_they_were(stage, rehearse):
    client, s3 = stage.world.client("sdb"), stage.world.client("s3")
    domain = f"{stage.prefix}-odd"
    odd = {f"odd '{n}` \x00\ufffe": [("a", "1"), ("a", "2"), ("é\n", "\x01 & <b>"), ("empty", "")] for n in range(30)}
    odd["wide"] = [("many", f"{n:03}" + "y" * 1000) for n in range(250)]
    client.create_domain(DomainName=domain)
    s3.create_bucket(Bucket=domain, CreateBucketConfiguration={"LocationConstraint": REGION})
    body = json.dumps(
        [
            {"itemName": name, "attributes": [{"name": key, "values": [value]} for key, value in pairs]}
            for name, pairs in odd.items()
        ]
    ).encode()
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    folder = f"AWSSimpleDB/id/{domain}"
    listed = [{"md5Checksum": md5, "dataFileS3Key": f"{folder}/data/dataFile_1.json", "dataFileItemCount": len(odd)}]
    summary = {"domainName": domain, "itemsCount": len(odd)}
    for name, content in (
        ("data/dataFile_1.json", body),
        ("manifest-file.json", json.dumps(listed).encode()),
        ("manifest-summary.json", json.dumps(summary).encode()),
    ):
        s3.put_object(Bucket=domain, Key=f"{folder}/{name}", Body=content)
    for _ in range(2):
        sdb.import_.body(stage.run(), f"s3://{domain}")
    wide = client.get_attributes(DomainName=domain, ItemName="wide", ConsistentRead=True)["Attributes"]
    assert len(wide) == 250
    count = client.select(SelectExpression=f"select count(*) from `{domain}`", ConsistentRead=True)
    assert count["Items"][0]["Attributes"][0]["Value"] == "31"
    s3.put_object(Bucket=domain, Key=f"{folder}/data/dataFile_1.json", Body=body + b" ")
    assert "its checksum differs from the manifest's: export it again" in said(sdb.import_, stage, f"s3://{domain}")
    s3.delete_object(Bucket=domain, Key=f"{folder}/data/dataFile_1.json")
    assert "is missing: export it again" in said(sdb.import_, stage, f"s3://{domain}")


def test_where_an_export_goes_must_be_clear(stage, bucket, rehearse):
    other = rehearse(4).made()
    assert f"is no domain of {other.name}: say with --domain" in said(sdb.import_, other, f"s3://{bucket}/backup")
    assert "there is no finished export below" in said(sdb.import_, stage, f"s3://{bucket}/elsewhere")
    assert "cannot be read" in said(sdb.import_, stage, "s3://no-such-bucket-of-ours/x")
    assert "does not exist: make it with" in said(
        sdb.import_, other, f"s3://{bucket}/backup", domain=f"{other.prefix}x"
    )
