import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from streamjoin.entry import parse_config
from streamjoin.schema.ddl import parse_schema

UUID = {"name": "uuid", "type": "string"}
COUNTRY = {"name": "country", "type": ["null", "string"], "default": None}


@pytest.fixture
def avro_file(tmp_path: Path):
    """Write a schema of these fields, and return its path."""

    def write(name: str, *fields: Any) -> str:
        path = tmp_path / name
        path.write_text(json.dumps({"type": "record", "name": "event", "fields": list(fields)}))
        return str(path)

    return write


@pytest.fixture
def avro(avro_file, removed):
    """The changes that make the example one of avro."""
    return {
        "payload.format": "avro",
        "payload.schema": removed,
        "payload.schema_file": avro_file("event.avsc", UUID, COUNTRY),
    }


def test_the_columns_of_avro_are_those_of_its_schema(config, avro, avro_file):
    older = avro_file("older.avsc", UUID)
    found = config({**avro, "payload.writer_schema_files": [older]}).payload
    assert found.schema_ == parse_schema("uuid string, country string")
    assert found.schema_file.schema.columns == found.schema_
    assert [writer.path for writer in found.writer_schema_files] == [older]


def test_the_columns_of_avro_are_checked_as_those_of_any_format(problems, avro):
    (line,) = problems({**avro, "sink.hudi.record_key": ["uid"]})
    assert line.startswith("sink.hudi.record_key[0]: found 'uid': no such column; did you mean 'uuid'?")


def test_a_configuration_of_avro_can_be_pickled_dumped_and_loaded_again(config, avro, avro_file):
    found = config({**avro, "payload.writer_schema_files": [avro_file("older.avsc", UUID)]})
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301
    assert parse_config(found.model_dump(by_alias=True)) == found
    assert parse_config(json.loads(json.dumps(found.model_dump(mode="json", by_alias=True)))) == found


def test_csv_has_its_keys_and_json_needs_none(config):
    assert config({}).payload.max_unpacked_bytes == 10 * 1024 * 1024
    csv = {"payload.format": "csv", "payload.schema": "uuid string, country string"}
    assert config(csv).payload.delimiter is None
    found = config({**csv, "payload.delimiter": "\t", "payload.null_text": "", "payload.max_unpacked_bytes": "1MB"})
    assert (found.payload.delimiter, found.payload.null_text) == ("\t", "")
    assert found.payload.max_unpacked_bytes == 1_000_000


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"payload.delimiter": ";"}, "payload.delimiter: allowed with format csv only; found json"),
        ({"payload.null_text": ""}, "payload.null_text: allowed with format csv only; found json"),
        (
            {"payload.format": "csv"},
            "payload.schema: column 'tags' is of type array<string>; with csv allowed: a simple",
        ),
        (
            {"payload.max_unpacked_bytes": "much"},
            "payload.max_unpacked_bytes: found 'much'; allowed: a number of bytes",
        ),
        *(
            (
                {"payload.format": "csv", "payload.schema": "uuid string, country string", "payload.delimiter": found},
                f"payload.delimiter: found '{found}'; allowed: one character, and no double quote",
            )
            for found in ("", "||", '"', "\n")
        ),
    ],
)
def test_what_a_format_can_not_have_is_refused(problems, changes, problem):
    (line,) = problems(changes)
    assert line.startswith(problem)


@pytest.mark.parametrize("form", ["json", "csv"])
def test_json_and_csv_need_a_schema_and_take_no_file(problems, avro, removed, form):
    lines = problems({**avro, "payload.format": form})
    assert lines == [f"payload.schema_file: allowed with format avro only; found {form}"]
    (line,) = problems({"payload.format": form, "payload.schema": removed})
    assert line.startswith("payload.schema: missing; expected: ")


def test_avro_needs_a_file_and_a_schema_beside_it_is_the_same_one(problems, avro, removed):
    (line,) = problems({"payload.format": "avro", "payload.schema": removed})
    assert line == "payload.schema_file: missing; format avro needs it, the path of an Avro schema"
    assert problems({**avro, "payload.schema": "uuid string, country string"}) == []
    for other in ("uuid string, country int", {"glue_catalog": {"database": "d", "table": "t"}}):
        (line,) = problems({**avro, "payload.schema": other})
        assert line == "payload.schema: found other columns than those of schema_file; leave it out"


def test_a_file_that_is_missing_or_no_schema_is_told_with_its_path(problems, avro, avro_file, tmp_path):
    missing = str(tmp_path / "no.avsc")
    (line,) = problems({**avro, "payload.schema_file": missing})
    assert line.startswith("payload.schema_file: found '")
    assert line.endswith("the file can't be read: No such file or directory")
    union = avro_file("union.avsc", {"name": "uuid", "type": ["int", "string"]})
    (line,) = problems({**avro, "payload.schema_file": union})
    assert line.endswith("column 'uuid': a union of int, string; allowed: null and one other type")
    (line,) = problems({**avro, "payload.writer_schema_files": [missing]})
    assert line.startswith("payload.writer_schema_files[0]: found '")
    (line,) = problems({**avro, "payload.schema_file": 5})
    assert line.startswith("payload.schema_file: found 5; allowed: the path of an Avro schema")


def test_an_older_schema_that_can_not_be_read_as_the_newer_is_refused(problems, avro, avro_file):
    number = avro_file("number.avsc", {"name": "uuid", "type": "long"})
    same = avro_file("same.avsc", UUID, COUNTRY)
    lines = problems({**avro, "payload.writer_schema_files": [number, same]})
    assert len(lines) == 2
    assert lines[0].endswith(
        "can't be read as schema_file: column 'uuid': the writer's long (bigint) can't be read as string (string)"
    )
    assert lines[1].endswith("whose fingerprint is that of schema_file; leave it out")


def test_a_problem_elsewhere_does_not_hide_the_columns_of_avro(problems, avro, removed):
    lines = problems({**avro, "name": removed, "sink.hudi.record_key": ["uid"]})
    assert [line.split(":")[0] for line in lines] == ["name", "sink.hudi.record_key[0]"]
