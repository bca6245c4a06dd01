import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamjoin.dynamodb.read import export as table_export
from streamjoin.dynamodb.read.export import TableExport
from streamjoin.dynamodb.read.export_manifest import ExportManifest
from streamjoin.errors import SourceError
from streamjoin.moments import iso_us
from tests.faults.scan import items_of
from tests.table_exports import EXPORT_ID, EXPORT_TIME, write_export

ITEM = {
    "id": {"N": "12345678901234567890123456789012345678"},
    "name": {"S": "Gdańsk\u2028"},
    "blob": {"B": b"\x00\xff"},
    "blobs": {"BS": [b"a", b"b"]},
    "nested": {"M": {"list": {"L": [{"B": b"c"}, {"NULL": True}, {"BOOL": False}]}}},
    "numbers": {"NS": ["1", "2.50"]},
}


def read(path):
    manifest = ExportManifest.read(str(path))
    export = TableExport.of(manifest)
    segments = export.pages(range(len(manifest.files)))
    return [item for _, pages in segments for page in pages for item in page.items]


def test_an_export_has_every_item_with_every_type(tmp_path):
    export = write_export(tmp_path, [[ITEM], [], items_of(2_500)])
    assert read(export) == [ITEM, *items_of(2_500)]


def test_the_manifest_tells_table_moment_and_region(tmp_path):
    manifest = ExportManifest.read(str(write_export(tmp_path, [items_of(3), items_of(2)])))
    assert (manifest.table_name, manifest.region, manifest.items) == ("receipts", "us-east-1", 5)
    assert manifest.exported_us == iso_us(EXPORT_TIME)


def test_the_folder_around_one_export_stands_for_it(tmp_path):
    write_export(tmp_path, [items_of(3)])
    assert ExportManifest.read(f"file:{tmp_path}").path == f"file:{tmp_path}/{EXPORT_ID}"


def test_of_two_exports_one_has_to_be_named(tmp_path):
    write_export(tmp_path, [items_of(1)])
    (tmp_path / EXPORT_ID).rename(tmp_path / "another")
    write_export(tmp_path, [items_of(1)])
    with pytest.raises(SourceError, match=rf"found 2 exports: {EXPORT_ID}, another"):
        ExportManifest.read(str(tmp_path))


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        ({"outputFormat": "ION"}, r"found outputFormat ION; only DYNAMODB_JSON is read"),
        ({"exportType": "INCREMENTAL_EXPORT"}, r"found exportType INCREMENTAL_EXPORT; only FULL_EXPORT is read"),
        ({"itemCount": 4}, r"expected 4 items, as manifest-summary.json says; manifest-files.json has 3"),
        ({"tableArn": None}, r"its manifests have no 'tableArn'"),
        ({"exportTime": "noon"}, r"exportTime: expected a time in ISO 8601, found 'noon'"),
    ],
)
def test_an_export_that_cannot_be_read_is_refused_by_what_it_says(tmp_path, summary, said):
    with pytest.raises(SourceError, match=said):
        ExportManifest.read(str(write_export(tmp_path, [items_of(3)], summary=summary)))


def test_an_export_from_before_there_were_incremental_ones_is_a_full_one(tmp_path):
    assert read(write_export(tmp_path, [items_of(3)], summary={"exportType": None})) == items_of(3)


def test_a_folder_without_a_manifest_is_no_export(tmp_path):
    with pytest.raises(SourceError, match=r"found no manifest-summary.json"):
        ExportManifest.read(str(tmp_path / "nowhere"))
    export = write_export(tmp_path, [items_of(3)])
    (export / "manifest-files.json").unlink()
    with pytest.raises(SourceError, match=r"found no manifest-files.json: the export isn't complete"):
        ExportManifest.read(str(export))


def data_file(export):
    return next((export / "data").iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: gzip.compress(gzip.decompress(content) + b" "), r"expected the MD5 .*, found .*=="),
        (lambda content: content[:-20], r"expected gzip, found: its end is missing"),
        (lambda content: b"plain text", r"expected gzip"),
    ],
)
def test_a_file_that_is_not_what_the_manifest_says_stops_its_segment(tmp_path, change, said):
    export = write_export(tmp_path, [items_of(3)])
    file = data_file(export)
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(SourceError, match=said) as found:
        read(export)
    assert not found.value.retryable


def test_a_missing_file_is_named(tmp_path):
    export = write_export(tmp_path, [items_of(3)])
    file = data_file(export)
    file.unlink()
    with pytest.raises(SourceError, match=rf"file 'data/{file.name}': it isn't there"):
        read(export)


def without_checksums(export):
    path = export / "manifest-files.json"
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("\n".join(json.dumps({**each, "md5Checksum": None}) for each in entries))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b'{"Item": {"id": {"N": "1"}}}\n' * 2, r"expected 3 items, found 2"),
        (b'{"Item": {"id": {"N": "secret"}}}\n' * 3, r"line 1: attribute 'id': N: expected"),
        (b'{"Item"', r"line 1: expected a JSON object with the name Item"),
        (b'{"Keys": {}}', r"line 1: expected a JSON object with the name Item"),
    ],
)
def test_a_line_that_is_no_item_is_named_but_not_quoted(tmp_path, lines, said):
    export = write_export(tmp_path, [items_of(3)])
    data_file(export).write_bytes(gzip.compress(lines))
    without_checksums(export)
    with pytest.raises(SourceError, match=said) as found:
        read(export)
    assert "secret" not in str(found.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 60), min_size=1, max_size=3), st.integers(1, 200))
def test_any_reading_ahead_gives_the_same_items(tmp_path_factory, monkeypatch, sizes, chunk_bytes):
    monkeypatch.setattr(table_export, "_CHUNK_BYTES", chunk_bytes)
    folder = tmp_path_factory.mktemp("export")
    export = write_export(folder, [[]])
    # Members joined in one file are one file of gzip.
    parts = [items_of(size, text={"S": "x" * size}) for size in sizes]
    lines = ["".join(json.dumps({"Item": item}) + "\n" for item in part) for part in parts]
    data_file(export).write_bytes(b"".join(gzip.compress(text.encode()) for text in lines))
    entry = {"itemCount": sum(sizes), "dataFileS3Key": f"k/{data_file(export).name}"}
    (export / "manifest-files.json").write_text(json.dumps(entry))
    summary = json.loads((export / "manifest-summary.json").read_text())
    (export / "manifest-summary.json").write_text(json.dumps({**summary, "itemCount": sum(sizes)}))
    assert read(export) == [item for part in parts for item in part]
