"""Records with several events, from the emulator's stream to rows and dead letters, and back from these."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.pipeline import run
from streamjoin.enrich.redrive import run_redrive
from streamjoin.entry import load_config
from streamjoin.history import checkpoint
from streamjoin.letters.listing import LetterFilter
from streamjoin.query import query
from streamjoin.verify import verify
from tests.faults.kpl import aggregate


def job(folder: Path, stream: str, **payload: Any) -> EnrichConfig:
    hudi = {"base_path": str(folder / "t"), "table_name": "t", "record_key": ["id"]}
    return load_config(
        {
            "job": "enrich",
            "name": "many",
            "source": {"kinesis": {"stream_name": stream}},
            "payload": {"schema": "id string, n int", **payload},
            "sink": {"hudi": {**hudi, "options": {"hoodie.bucket.index.num.buckets": "1"}}},
            "dead_letters": {"base_path": str(folder / "dead")},
        }
    )


def rows(folder: Path) -> dict[str, Any]:
    found = query(str(folder / "t"), "select id, _sequence_number as place from t").to_pylist()
    return {row["id"]: int(row["place"].partition("/")[2] or 0) for row in found}


def letters(folder: Path) -> list[tuple[int, str, bytes]]:
    sql = "select sub_sequence_number sub, reason, data from t order by sequence_number, sub"
    return [(row["sub"], row["reason"], row["data"]) for row in query(str(folder / "dead"), sql).to_pylist()]


def commits(folder: Path) -> list[str]:
    return sorted(found.name for found in (folder / "t" / ".hoodie").glob("*.commit"))


def logs(kind: str, *messages: str) -> bytes:
    document = {"messageType": kind, "logGroup": "g", "logEvents": [{"id": "e", "message": each} for each in messages]}
    return gzip.compress(json.dumps(document).encode())


def test_each_event_of_a_record_is_a_row_or_a_letter_of_its_own_and_all_are_counted(
    spark: SparkSession, tmp_path: Path, make_stream: Callable[..., str], kinesis: Any
) -> None:
    stream = make_stream(1)

    def put(*payloads: bytes) -> None:
        for data in payloads:
            kinesis.put_record(StreamName=stream, PartitionKey="k", Data=data)

    one, many = job(tmp_path, stream), job(tmp_path, stream, records="many")
    whole = [b'{"id":"a"}{"id":"b"}', b'[{"id":"c"},{"id":"d","n":7000000000}]']
    put(*whole, b'\xef\xbb\xbf{"id":"mark"}')
    assert run(one, until_caught_up=True).records == 3
    assert [data for _, _, data in letters(tmp_path)] == whole

    put(b'[{"id":"e"},{"id":"f","n":7000000000},{"id":"g"}]', b'{"id":"h"}\n{bad\n{"id":"i"}\n')
    put(aggregate([("k", b'{"id":"j"}{"id":"k"}'), ("k", b"[7]"), ("k", b'{"id":"l"}'), ("k", b"[]")]))
    assert run(many, until_caught_up=True).records == 3 + 3 + 4
    found = {"mark": 0, "e": 0, "g": 2, "h": 0, "i": 2, "j": 0, "k": 1, "l": 3}
    assert rows(tmp_path) == found
    own = [
        (1, "WRONG_TYPE", b'{"id":"f","n":7000000000}'),
        (1, "MALFORMED_JSON", b"{bad"),
        (2, "NOT_AN_OBJECT", b"[7]"),
    ]
    assert letters(tmp_path)[2:] == own

    # Of what was whole: good events are rows, and the letter stays as long as one of its events is bad.
    arrays = LetterFilter.of(["NOT_AN_OBJECT"])
    assert run_redrive(many, arrays).stayed == {"NOT_AN_OBJECT": 2}
    assert rows(tmp_path) == {**found, "c": 0}
    before = commits(tmp_path)
    assert run_redrive(many, arrays).stayed == {"NOT_AN_OBJECT": 2}
    assert commits(tmp_path) == before
    mended = job(tmp_path, stream, records="many", schema="id string, n bigint")
    assert run_redrive(mended).redriven == {"MALFORMED_JSON": 1, "NOT_AN_OBJECT": 1, "WRONG_TYPE": 1}
    assert rows(tmp_path) == {**found, "c": 0, "a": 0, "b": 1, "d": 1, "f": 1}
    assert letters(tmp_path) == own[1:]
    assert verify(str(tmp_path / "t"), str(tmp_path / "dead")).violations == ()


def test_log_events_are_events_and_control_messages_are_none(
    spark: SparkSession, tmp_path: Path, make_stream: Callable[..., str], kinesis: Any
) -> None:
    stream = make_stream(1)
    config = job(tmp_path, stream, records="many", path="logEvents[*].message")
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=logs("CONTROL_MESSAGE", "CWL CONTROL MESSAGE"))
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=logs("DATA_MESSAGE", '{"id":"1"}', "text", '{"id":2}'))
    # None of them the control message.
    assert run(config, until_caught_up=True).records == 3
    told = checkpoint.read(str(tmp_path / "t"))
    assert told is not None
    assert (told.counts["read"], told.counts["empty"]) == (3, 1)
    assert rows(tmp_path) == {"1": 0, "2": 2}
    assert letters(tmp_path) == [(1, "MALFORMED_JSON", b'{"logEvents":[{"message":"text"}]}')]
    # The letter holds its event where the configuration looks for it, without the neighbours.
    assert run_redrive(config).stayed == {"MALFORMED_JSON": 1}
    assert verify(str(tmp_path / "t"), str(tmp_path / "dead")).violations == ()
