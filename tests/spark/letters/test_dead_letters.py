"""The dead-letter table, written and deleted from by Spark, read back by hudi-rs."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.errors import SinkError
from streamjoin.letters.listing import LetterFilter, count_by_reason, list_letters
from streamjoin.letters.table import DeadLetters, letter_id
from streamjoin.query import query
from streamjoin.schema.columns import RECORD_FIELDS
from streamjoin.spark.schema import RECORD_STRUCT

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
REJECTED = T.StructType([*RECORD_STRUCT.fields, *(T.StructField(n, T.StringType()) for n in ("reason", "detail"))])
# Number and place in it, hours after noon, data, reason. The last has no place in a stream.
LETTERS = [
    ("99", 0, 0, b"{", "MALFORMED_JSON"),
    ("100", 0, 0, b"\xff\xfe", "NOT_UTF8"),
    ("100", 1, 0, b"\xe2\x82\xac{", "MALFORMED_JSON"),
    ("101", 0, 13, b"[]", "NOT_AN_OBJECT"),
    (None, None, None, b"", "EMPTY_PAYLOAD"),
]


@pytest.fixture(scope="module")
def written(spark: SparkSession, tmp_path_factory: Any) -> DeadLetters:
    found = DeadLetters(str(tmp_path_factory.mktemp("dead") / "d"), "d", ("job", "/lake/t"))
    write(spark, found)
    return found


def write(spark: SparkSession, dead_letters: DeadLetters) -> None:
    rows = [
        (
            None if number is None else "s",
            None if number is None else "shard-0",
            number,
            sub,
            "k",
            None if hours is None else NOON + timedelta(hours=hours, microseconds=1),
            bytearray(data),
            reason,
            f"because of {reason}",
        )
        for number, sub, hours, data, reason in LETTERS
    ]
    dead_letters.write(spark.createDataFrame(rows, REJECTED), batch_id="b")


def test_letters_say_whose_they_are(written: DeadLetters) -> None:
    assert written.conflicts() == []
    (line,) = replace(written, owner=("other", "/lake/o")).conflicts()
    assert "the job 'job' with its positions at /lake/t" in line


def test_the_newest_letters_are_listed_first_and_with_their_data_as_text(written: DeadLetters) -> None:
    found = list_letters(written.base_path, limit=4, show_data=True).to_pylist()
    assert [(row["sequence_number"], row["reason"], row["data_bytes"], row["data"]) for row in found] == [
        ("101", "NOT_AN_OBJECT", 2, "[]"),
        ("100/1", "MALFORMED_JSON", 4, "€{"),
        ("100", "NOT_UTF8", 2, "base64://4="),
        ("99", "MALFORMED_JSON", 1, "{"),
    ]
    assert found[0]["arrived"] == NOON + timedelta(hours=13, microseconds=1)
    assert found[0]["detail"] == "because of NOT_AN_OBJECT"
    assert found[0]["shard_id"] == "shard-0"


def test_letters_are_listed_and_counted_by_reason_and_time_of_arrival(written: DeadLetters) -> None:
    assert count_by_reason(written.base_path) == {
        "MALFORMED_JSON": 2, "EMPTY_PAYLOAD": 1, "NOT_AN_OBJECT": 1, "NOT_UTF8": 1,
    }  # fmt: skip
    day = LetterFilter.of(["MALFORMED_JSON", "NOT_AN_OBJECT"], until=NOON + timedelta(hours=1))
    assert count_by_reason(written.base_path, day) == {"MALFORMED_JSON": 2}
    shown = list_letters(written.base_path, day)
    assert shown["sequence_number"].to_pylist() == ["100/1", "99"]
    assert "data" not in shown.schema.names


def test_letters_come_back_as_the_records_that_they_were(spark: SparkSession, written: DeadLetters) -> None:
    rows = written.read(spark).where("sequence_number is not null").select(*RECORD_FIELDS).collect()
    assert {
        (r.sequence_number, r.sub_sequence_number, bytes(r.data), r.approximate_arrival_timestamp) for r in rows
    } == {
        (number, sub, data, (NOON + timedelta(hours=hours, microseconds=1)).astimezone().replace(tzinfo=None))
        for number, sub, hours, data, _ in LETTERS
        if number is not None and hours is not None
    }


def test_a_letter_is_known_by_its_place_alike_in_the_table_and_in_a_batch(
    spark: SparkSession, written: DeadLetters
) -> None:
    letters = written.read(spark).where("sequence_number is not null")
    in_a_batch = letters.select("dead_letter_id", F.struct(*RECORD_FIELDS).alias("_record"))
    assert in_a_batch.where(letter_id("_record") == F.col("dead_letter_id")).count() == len(LETTERS) - 1


def test_where_no_letter_was_ever_written_there_are_none_to_read_or_to_delete(
    spark: SparkSession, tmp_path: Path
) -> None:
    none = DeadLetters(str(tmp_path / "none"), "none")
    assert none.read(spark).collect() == []
    assert set(RECORD_FIELDS) < set(none.read(spark).columns)
    none.delete(spark, ["s/shard-0/1/0"], batch_id="x")
    assert not Path(none.base_path).exists()


def test_letters_that_are_deleted_are_gone_and_the_others_stay_as_they_are(
    spark: SparkSession, written: DeadLetters, tmp_path: Path
) -> None:
    dead_letters = copy_of(written, tmp_path)
    everything = {row["dead_letter_id"]: row for row in all_of(dead_letters)}
    gone = ["s/shard-0/99/0", "s/shard-0/100/1", "s/shard-0/101/0"]
    # The third was the last of its day.
    for _ in range(2):
        dead_letters.delete(spark, gone, batch_id="redrive-x")
        assert {row["dead_letter_id"]: row for row in all_of(dead_letters)} == {
            letter: row for letter, row in everything.items() if letter not in gone
        }
    assert len(list(Path(dead_letters.base_path, ".hoodie").glob("*.commit"))) == 2
    write(spark, dead_letters)
    assert {row["dead_letter_id"]: row for row in all_of(dead_letters)} == everything


def copy_of(dead_letters: DeadLetters, folder: Path) -> DeadLetters:
    shutil.copytree(dead_letters.base_path, folder / "d")
    return replace(dead_letters, base_path=str(folder / "d"))


def all_of(dead_letters: DeadLetters) -> list[dict[str, Any]]:
    sql = "select * exclude (_hoodie_commit_time, _hoodie_commit_seqno, _hoodie_file_name) from t"
    return query(dead_letters.base_path, sql).to_pylist()


def test_a_deletion_that_can_not_happen_is_one_error_that_names_the_table(
    spark: SparkSession, written: DeadLetters, tmp_path: Path
) -> None:
    dead_letters = copy_of(written, tmp_path)
    for file in Path(dead_letters.base_path).rglob("*.parquet"):
        file.write_bytes(b"not parquet")
    with pytest.raises(SinkError, match=r"dead letters at .*: 1 could not be deleted: ") as raised:
        dead_letters.delete(spark, ["s/shard-0/99/0"], batch_id="x")
    assert raised.value.retryable
