"""Tables that earlier runs have written, against configurations that fit them and others that don't."""

import struct
import tarfile
from pathlib import Path

import pytest

from streamjoin.aws.storage import open_path
from streamjoin.doctor import tables
from streamjoin.doctor.checks import Check, findings_of
from streamjoin.doctor.finding import Status
from streamjoin.hudi.table_files import TableFiles
from tests.unit.doctor.looking import clients, context, enrichment, shown

STORED = Path(__file__).resolve().parents[2] / "integration" / "stored"


@pytest.fixture(scope="module")
def lakes(tmp_path_factory):
    """Return the folder of a table's lake by its kind."""
    folder = tmp_path_factory.mktemp("lakes")
    for kind in ("cow", "mor", "capture"):
        with tarfile.open(STORED / f"stored-{kind}.tar.xz") as archive:
            archive.extractall(folder, filter="data")
    return folder


def settings(lakes, kind="cow", **hudi):
    document = enrichment(lakes / f"stored-{kind}" / "lake")
    document["sink"]["hudi"] |= {"ordering": {"column": "at", "format": "M/d/yy"}, **hudi}
    if kind == "mor":
        document["sink"]["hudi"]["table_type"] = "MERGE_ON_READ"
    return document


def look(check, document):
    client, _ = clients()
    return list(check(context(document, client)))


def bad(found):
    return [f"{each.what}: {each.found}" for each in found if each.status is Status.BAD]


@pytest.mark.parametrize("kind", ["cow", "mor"])
def test_a_table_that_is_as_configured_is_good(lakes, kind):
    document = settings(lakes, kind)
    found = [*look(tables.properties, document), *look(tables.readers, document), *look(tables.files, document)]
    assert bad(found) == [], shown(found)
    assert "record key, ordering, partition fields, type, name and index are as configured" in {e.found for e in found}
    (spectrum,) = [each for each in found if each.status is Status.UNKNOWN]
    assert spectrum.what == "table 't', Redshift Spectrum"


@pytest.mark.parametrize(
    ("hudi", "told"),
    [
        ({"record_key": ["amount"]}, "sink.hudi.record_key: found 'amount', but the table at"),
        ({"partition_by": ["country"]}, "sink.hudi.partition_by: found 'country', but the table at"),
        ({"table_type": "MERGE_ON_READ"}, "sink.hudi.table_type: found 'MERGE_ON_READ'"),
        ({"table_name": "other"}, "sink.hudi.table_name: found 'other'"),
    ],
)
def test_what_differs_from_the_configuration_is_bad_with_both_and_a_remedy(lakes, hudi, told):
    found = [each for each in look(tables.properties, settings(lakes, **hudi)) if each.status is Status.BAD]
    assert any(f"{each.what}: {each.found}".startswith(told) for each in found), shown(found)
    assert all(each.remedy for each in found)


def edited(lakes, tmp_path, kind="cow", **properties):
    """Return a document over a copy of a table whose properties have other values."""
    document = settings(lakes, kind)
    there = Path(document["sink"]["hudi"]["base_path"])
    copy = tmp_path / "t"
    (copy / ".hoodie").mkdir(parents=True)
    lines = [
        line
        for line in (there / ".hoodie" / "hoodie.properties").read_text().splitlines()
        if line.partition("=")[0] not in properties
    ]
    lines += [f"{name}={value}" for name, value in properties.items()]
    (copy / ".hoodie" / "hoodie.properties").write_text("\n".join(lines))
    document["sink"]["hudi"]["base_path"] = str(copy)
    return document


@pytest.mark.parametrize(
    ("check", "properties", "told"),
    [
        (tables.properties, {"hoodie.table.version": "8"}, "table version 8; streamjoin writes version 6 alone"),
        (tables.readers, {"hoodie.table.version": "8"}, "table version 8: neither Athena nor Trino 476 reads it"),
        (tables.properties, {"hoodie.table.keygenerator.type": "COMPLEX"}, "COMPLEX; expected NON_PARTITION"),
        (tables.readers, {"hoodie.table.metadata.partitions": "files"}, "it has a metadata table"),
        (tables.properties, {"hoodie.table.precombine.field": "ts"}, "another kind of job"),
    ],
)
def test_a_table_of_another_make_is_bad(lakes, tmp_path, check, properties, told):
    assert any(told in line for line in bad(look(check, edited(lakes, tmp_path, **properties))))


def test_log_blocks_are_told_as_they_are_in_the_newest_log_and_as_configured(lakes, tmp_path):
    stored = settings(lakes, "mor")
    files = TableFiles.of(*open_path(stored["sink"]["hudi"]["base_path"]))
    assert files.log_block() in ("avro", "deletes")
    document = edited(lakes, tmp_path, "mor")
    log = tmp_path / "t" / ".f_1.log.1_0-1-1"
    log.write_bytes(struct.pack(">6sQII", b"#HUDI#", 100, 1, 5) + b"rest")
    assert bad(look(tables.readers, document)) == ["table 't', log blocks: parquet, in its newest log"]
    log.unlink()
    document["sink"]["hudi"]["options"] = {"hoodie.logfile.data.block.format": "parquet"}
    assert bad(look(tables.readers, document)) == ["table 't', log blocks: parquet, as configured"]


def test_no_table_yet_is_good_and_says_what_will_be(tmp_path):
    found = [*look(tables.properties, enrichment(tmp_path)), *look(tables.files, enrichment(tmp_path))]
    assert {each.status for each in found} == {Status.GOOD}
    assert found[0].found == "no table yet: the first commit makes it, of table version 6"


def test_rows_and_files_are_held_against_promises(lakes, monkeypatch):
    found = look(tables.files, settings(lakes, expected_rows=10))
    rows = int(found[0].found.partition("about ")[2].partition(" rows")[0])
    assert rows > 20
    assert bad(found) == [
        f"table 't', expected_rows: about {rows} rows, promised 10: its buckets or file sizes are too small"
    ]
    assert bad(look(tables.files, settings(lakes, expected_rows=rows))) == []
    monkeypatch.setattr(tables, "_MOST_ROWS_A_FILE", rows // 8)
    (line,) = bad(look(tables.files, settings(lakes)))
    assert line.endswith("each batch that touches it writes it again")


def test_the_rows_of_a_table_are_those_of_its_newest_files(lakes):
    from streamjoin.query import query  # noqa: PLC0415

    for kind in ("cow", "mor"):
        base_path = str(lakes / f"stored-{kind}" / "lake" / "t")
        there = query(base_path, "select count(*) as n from t").to_pylist()[0]["n"]
        assert 0.7 * there <= TableFiles.of(*open_path(base_path)).rows() <= 1.3 * there


def test_a_check_that_needs_what_is_not_installed_can_not_be_told(lakes):
    def missing(context):
        raise ModuleNotFoundError("No module named 'pyspark'", name="pyspark")
        yield

    client, _ = clients()
    (found,) = findings_of(Check("target", "table", ("enrich",), missing), context(settings(lakes), client))
    assert (found.status, found.found) == (Status.UNKNOWN, "'pyspark' isn't installed here")


def test_a_table_of_another_capture_is_bad_and_both_are_named(tmp_path):
    owner = tmp_path / "t" / ".hoodie" / ".streamjoin" / "owner.json"
    owner.parent.mkdir(parents=True)
    owner.write_text('{"job": "first", "journal": "s3://bucket/journal"}')
    document = {
        "job": "capture",
        "name": "second",
        "source": {"kinesis": {"stream_name": "changes"}},
        "tables": [{"table_name": "orders", "sink": {"hudi": {"base_path": f"{tmp_path}/t", "table_name": "orders"}}}],
        "dead_letters": {"base_path": f"{tmp_path}/dead"},
    }
    (found,) = [each for each in look(tables.properties, document) if each.status is Status.BAD]
    assert "'first'" in found.found
    assert "'second'" in found.found
    assert found.remedy.startswith("Two capture jobs can't write one table")
