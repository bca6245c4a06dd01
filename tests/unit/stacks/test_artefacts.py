"""A release is named by what is in it, and is written once; a bucket is emptied with all versions."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from streamjoin.errors import StackError
from streamjoin.stacks.artefacts import Release, copy_below
from streamjoin.stacks.emptying import count_versions, empty


class Bucket:
    """An S3 with one bucket; each object has as many versions as it was written."""

    def __init__(self, *, page: int = 2) -> None:
        self.objects: dict[str, list[bytes]] = {}
        self.locked: set[str] = set()
        self.missing = False
        self.page = page

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:
        self.objects.setdefault(Key, []).append(Body)

    def copy_object(self, Bucket: str, Key: str, CopySource: dict[str, str]) -> None:
        self.put_object(Bucket, Key, self.objects[CopySource["Key"]][-1])

    def get_paginator(self, operation: str) -> Any:
        return type("Pages", (), {"paginate": lambda _, **given: self._pages(operation, **given)})()

    def _pages(self, operation: str, Bucket: str, Prefix: str = "") -> Any:
        if self.missing:
            raise ClientError({"Error": {"Code": "NoSuchBucket", "Message": "no"}}, operation)
        if operation == "list_objects_v2":
            yield {"Contents": [{"Key": key} for key in self.objects if key.startswith(Prefix)]}
            return
        found = [
            {"Key": key, "VersionId": str(index)}
            for key, versions in self.objects.items()
            for index in range(len(versions))
        ]
        for begin in range(0, len(found), self.page):
            # A mark of a deleted object counts like a version.
            *versions, mark = found[begin : begin + self.page]
            yield {"Versions": versions, "DeleteMarkers": [mark]}

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        errors = []
        for each in Delete["Objects"]:
            if each["Key"] in self.locked:
                errors.append({"Key": each["Key"], "Code": "AccessDenied"})
            else:
                self.objects.pop(each["Key"], None)
        return {"Errors": errors} if errors else {}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in (("infra/streamjoin.yaml", "a"), ("infra/README.md", "b"), ("jobs/enrich_stream.py", "c")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    wheel(tmp_path, (2026, 1, 1, 0, 0, 0), "d")
    return tmp_path


def wheel(root: Path, moment: tuple[int, int, int, int, int, int], text: str) -> None:
    (root / "dist").mkdir(exist_ok=True)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo("streamjoin/__init__.py", moment), text)
    (root / "dist" / "streamjoin-0.1.0-py3-none-any.whl").write_bytes(content.getvalue())


def test_a_release_has_templates_scripts_and_wheels_and_follows_what_is_in_them(repository: Path) -> None:
    first = Release(repository, "0.1.0")
    assert [key for key, _ in first.files()] == [
        "infra/streamjoin.yaml",
        "jobs/enrich_stream.py",
        "wheels/streamjoin-0.1.0-py3-none-any.whl",
    ]
    name = first.name
    assert name.startswith("0.1.0-")
    # The same wheel built again is the same release, another one isn't.
    wheel(repository, (2027, 1, 1, 0, 0, 0), "d")
    assert Release(repository, "0.1.0").name == name
    wheel(repository, (2027, 1, 1, 0, 0, 0), "e")
    assert Release(repository, "0.1.0").name != name


def test_a_bundle_is_part_of_a_release_only_if_it_is_asked_for(repository: Path) -> None:
    with pytest.raises(StackError, match="which PythonModules names: make dist makes it"):
        list(Release(repository, "0.1.0", "b.gluewheels.zip").files())
    (repository / "dist" / "b.gluewheels.zip").write_bytes(
        (repository / "dist" / "streamjoin-0.1.0-py3-none-any.whl").read_bytes()
    )
    assert "wheels/b.gluewheels.zip" not in dict(Release(repository, "0.1.0").files())
    assert "wheels/b.gluewheels.zip" in dict(Release(repository, "0.1.0", "b.gluewheels.zip").files())


def test_what_is_there_of_a_release_is_not_written_again(repository: Path) -> None:
    s3, said = Bucket(), list[str]()
    release = Release(repository, "0.1.0")
    s3.put_object("b", "p/jobs/enrich_stream.py", b"c")
    assert release.upload(s3, "b", "p", said.append) == 2
    assert release.upload(s3, "b", "p", said.append) == 0
    assert {key: len(versions) for key, versions in s3.objects.items()} == dict.fromkeys(s3.objects, 1)
    assert len(said) == 2


def test_configurations_are_copied_as_far_as_there_are_none() -> None:
    s3 = Bucket()
    for key, content in (("old/conf/a.yaml", b"1"), ("old/conf/b.yaml", b"2"), ("new/conf/b.yaml", b"3")):
        s3.put_object("b", key, content)
    copy_below(s3, "b", "old/conf", "new/conf")
    assert s3.objects["new/conf/a.yaml"] == [b"1"]
    assert s3.objects["new/conf/b.yaml"] == [b"3"]


def test_a_bucket_is_emptied_with_all_versions_page_by_page() -> None:
    s3, told = Bucket(), list[float]()
    for key in "abcabc":
        s3.put_object("b", key, b"")
    assert count_versions(s3, "b") == 6
    assert empty(s3, "b", lambda done, total, unit: told.append(done)) == 6
    assert s3.objects == {}
    assert told == [2, 4, 6]
    s3.missing = True
    assert empty(s3, "b") == count_versions(s3, "b") == 0


def test_an_object_that_can_not_be_deleted_is_named() -> None:
    s3 = Bucket()
    for key in "abc":
        s3.put_object("b", key, b"")
    s3.locked = {"c"}
    with pytest.raises(StackError, match=r"bucket 'b': 1 objects stay, first 'c' .AccessDenied., 2 are gone"):
        empty(s3, "b")
