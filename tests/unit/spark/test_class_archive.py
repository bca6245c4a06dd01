import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from py4j.protocol import Py4JError

from streamjoin.spark import class_archive
from streamjoin.spark.class_archive import archive_path, java_options, keep


@pytest.fixture
def java(tmp_path: Path) -> Path:
    home = tmp_path / "java"
    (home / "lib" / "server").mkdir(parents=True)
    (home / "lib" / "server" / "classes.jsa").write_text("")
    (home / "release").write_text('JAVA_VERSION="17.0.15"\n')
    return home


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    jar = tmp_path / "hudi.jar"
    jar.write_text("")
    return jar


def test_an_archive_is_of_one_java_and_of_its_jars(java: Path, jar: Path, tmp_path: Path) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    found = archive_path(java, [jar], cache)
    assert found is not None
    assert found.parent == tmp_path / "cache" / "streamjoin"
    assert archive_path(java, [jar], cache) == found
    assert archive_path(java, [jar, java / "release"], cache) != found
    os.utime(jar, (1, 1))
    assert archive_path(java, [jar], cache) != found


def test_there_is_none_where_java_could_not_use_it_or_has_options_of_the_user(java: Path, jar: Path) -> None:
    assert archive_path(java, [], {}) is None
    assert archive_path(java, [jar], {"SPARK_SUBMIT_OPTS": "-XX:+UseSerialGC"}) is None
    (java / "release").write_text('JAVA_VERSION="11.0.2"\n')
    assert archive_path(java, [jar], {}) is None
    (java / "lib" / "server" / "classes.jsa").unlink()
    assert archive_path(java, [jar], {}) is None


def test_a_java_without_one_notes_its_classes_and_one_with_it_takes_them(tmp_path: Path) -> None:
    archive = tmp_path / "a.jsa"
    assert java_options(None) == []
    assert java_options(archive)[:2] == ["-XX:+RecordDynamicDumpInfo", f"-Dstreamjoin.class_archive={archive}"]
    archive.write_text("")
    assert java_options(archive)[0] == f"-XX:SharedArchiveFile={archive}"


def running(monkeypatch: pytest.MonkeyPatch, archive: Path | None) -> None:
    system = SimpleNamespace(getProperty=lambda name: str(archive) if archive else None)
    gateway = SimpleNamespace(jvm=SimpleNamespace(System=system))
    monkeypatch.setattr(class_archive.SparkContext, "_gateway", gateway)


def test_it_is_written_once_whole_and_the_oldest_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dumps: list[str] = []

    def dump(gateway: Any, path: str) -> None:
        dumps.append(path)
        Path(path).write_text("classes")

    monkeypatch.setattr(class_archive, "_dump", dump)
    for number in range(5):
        running(monkeypatch, tmp_path / f"{number}.jsa")
        keep()
        keep()
    assert len(dumps) == 5
    assert sorted(each.name for each in tmp_path.iterdir()) == ["2.jsa", "3.jsa", "4.jsa"]


def test_what_goes_wrong_with_it_ends_no_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def dump(gateway: Any, path: str) -> None:
        Path(path).write_text("half")
        raise Py4JError("this Java has no such command")

    monkeypatch.setattr(class_archive, "_dump", dump)
    running(monkeypatch, tmp_path / "a.jsa")
    keep()
    assert list(tmp_path.iterdir()) == []
    # Under spark-submit, and where Java was started without it.
    running(monkeypatch, None)
    keep()
    monkeypatch.setattr(class_archive.SparkContext, "_gateway", None)
    keep()
