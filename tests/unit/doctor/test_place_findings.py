"""The probe: written, read, deleted, and nothing else."""

import io
from pathlib import Path

import pytest

from streamjoin.doctor import places
from streamjoin.doctor.finding import Status
from tests.unit.doctor.looking import AWAY, clients, context, enrichment, refusal, shown

DENIED = refusal("AccessDenied", status=403)


class Bucket:
    """Objects, and which calls are refused."""

    def __init__(self, refused=()):
        self.objects, self.seen, self.refused = {}, [], dict(refused)

    def answers(self):
        return {
            "put_object": self.put,
            "get_object": self.get,
            "list_objects_v2": self.list,
            "delete_object": self.drop,
        }

    def _check(self, name):
        if name in self.refused:
            raise self.refused[name]

    def put(self, Bucket, Key, Body):
        self._check("put")
        self.objects[Key] = Body
        self.seen.append(Key)

    def get(self, Bucket, Key):
        self._check("get")
        return {"Body": io.BytesIO(self.objects[Key])}

    def list(self, Bucket, Prefix, MaxKeys):
        self._check("list")
        return {}

    def drop(self, Bucket, Key):
        self._check("delete")
        del self.objects[Key]


def look(document, bucket=None):
    client, _ = clients(s3=bucket.answers()) if bucket else clients()
    return list(places.places(context(document, client)))


def test_a_probe_below_each_base_path_on_s3_is_deleted_again():
    bucket = Bucket()
    found = look(enrichment(), bucket)
    assert {each.status for each in found} == {Status.GOOD}, shown(found)
    assert [key.rpartition("-")[0] for key in bucket.seen] == [
        "lake/t/.streamjoin_probe",
        "lake/dead/.streamjoin_probe",
    ]
    assert bucket.objects == {}


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        ({"put": DENIED}, "s3:PutObject was denied"),
        ({"get": DENIED}, "s3:GetObject was denied"),
        ({"list": DENIED}, "s3:ListBucket was denied"),
        ({"put": refusal("NoSuchBucket", status=404)}, "there is no such bucket"),
        ({"put": AWAY}, "Could not connect"),
    ],
)
def test_what_is_refused_is_told_with_the_action_and_nothing_stays(refused, told):
    bucket = Bucket(refused)
    found = look(enrichment(), bucket)
    assert [each.status for each in found] == [Status.BAD, Status.BAD], shown(found)
    assert all(told in each.found for each in found)
    assert all(each.remedy for each in found)
    assert bucket.objects == {}


def test_a_probe_that_can_not_be_deleted_is_named():
    bucket = Bucket({"delete": DENIED})
    found = look(enrichment(), bucket)
    assert [each.status for each in found] == [Status.BAD, Status.BAD]
    assert all(f"s3://bucket/{key}" in each.remedy for key, each in zip(bucket.seen, found, strict=True))


def everything(folder: Path):
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))


def test_on_a_disk_nothing_stays_not_even_a_folder(tmp_path):
    (tmp_path / "lake").mkdir()
    found = look(enrichment(tmp_path / "lake" / "not" / "there"))
    assert {each.status for each in found} == {Status.GOOD}, shown(found)
    assert everything(tmp_path) == ["lake"]


def test_a_table_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / "t" / ".hoodie").mkdir(parents=True)
    (tmp_path / "t" / "file").write_text("rows")
    before = everything(tmp_path)
    look(enrichment(tmp_path))
    assert everything(tmp_path) == before


def test_a_place_that_can_not_be_written_is_bad(tmp_path):
    (tmp_path / "lake").write_text("a file")
    found = look(enrichment(tmp_path / "lake"))
    assert [each.status for each in found] == [Status.BAD, Status.BAD]
    assert "it can't be written: Not a directory" in found[0].found


def test_of_a_template_the_folder_of_its_tables_is_tried_and_the_journal_too(tmp_path):
    hudi = {"base_path": f"{tmp_path}/lake/x_{{table}}_y", "table_name": "{table}"}
    document = {
        "job": "capture",
        "name": "all",
        "source": {"kinesis": {"stream_name": "changes"}},
        "tables": [{"table_name": "*", "sink": {"hudi": hudi}}],
        "dead_letters": {"base_path": f"{tmp_path}/dead"},
    }
    paths = [each.found.partition(": ")[0] for each in look(document)]
    assert paths == [f"{tmp_path}/lake", f"{tmp_path}/dead_journal", f"{tmp_path}/dead"]
    assert everything(tmp_path) == []
