from pathlib import Path

import pytest
from pyarrow import fs

from streamjoin.aws.storage import as_hadoop_path, bucket_and_key, open_path
from streamjoin.errors import SinkError


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("s3://bucket/lake/t", "s3://bucket/lake/t"),
        ("/lake/a b", "file:///lake/a b"),
        ("file:/lake/t", "file:///lake/t"),
        ("file:///lake/t", "file:///lake/t"),
        (".streamjoin/lake/t", f"file://{Path.cwd()}/.streamjoin/lake/t"),
    ],
)
def test_hadoop_gets_an_absolute_path_with_its_scheme(path: str, expected: str) -> None:
    assert as_hadoop_path(path) == expected


@pytest.mark.parametrize("path", ["lake", "file:/lake", "/lake"])
def test_a_local_path_is_opened_where_hadoop_writes_it(path: str) -> None:
    filesystem, found = open_path(path)
    assert isinstance(filesystem, fs.LocalFileSystem)
    assert f"file://{found}" == as_hadoop_path(path)


def test_another_scheme_is_refused_with_those_allowed() -> None:
    with pytest.raises(SinkError, match="expected s3://bucket/…, file:/… or a local path, found the scheme 'hdfs'"):
        open_path("hdfs://name/lake")


def test_a_path_on_s3_is_a_bucket_and_a_key_without_slashes_at_its_ends() -> None:
    assert bucket_and_key("s3://bucket/lake/t") == ("bucket", "lake/t")
    assert bucket_and_key("s3://bucket/lake/t/") == ("bucket", "lake/t")
