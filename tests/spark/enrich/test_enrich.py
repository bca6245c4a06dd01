"""The batch function on real Spark and Hudi against the oracle, read back by hudi-rs."""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from streamjoin.enrich.job import EnrichJob
from streamjoin.enrich.pipeline import process_batch
from streamjoin.errors import SinkError
from streamjoin.history import checkpoint
from streamjoin.query import query
from streamjoin.reference.followed.reference import Reference
from streamjoin.streaming.batch import Batch
from streamjoin.streaming.metrics import BatchReport
from tests.faults.reference import FakeDynamoDb
from tests.faults.reference import settings as reference_settings
from tests.oracle import DELETES, Record, expected_table
from tests.spark import harness
from tests.spark.harness import batch_of, check, rows_of

COUNTRIES = {"India": "IN-India", "USA": "US-USA"}
_example = itertools.count()


def country_reference(spark: SparkSession, how: str) -> Reference:
    items = [{"code": {"S": v[:2]}, "countryname": {"S": k}, "combinedname": {"S": v}} for k, v in COUNTRIES.items()]
    chosen = reference_settings(
        name="country", on={"country": "countryname"}, columns={"combinedname": "combinedname"}, how=how
    )
    return Reference(chosen, client=FakeDynamoDb(items), spark=spark)


def make_job(spark: SparkSession, folder: Path, *, how: str = "left", **parts: Any) -> EnrichJob:
    return harness.make_job(folder, country_reference(spark, how), **parts)


BAD = st.sampled_from(
    [b"", b"{", b"\xff\xfe", b"[]", b'{"id": "x", "at": "1/1/10", "amount": "7"}', b'{"at": "1/1/10"}']
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[str, list[Record], list[list[Record]]]:
    """A prefix of record keys, the records of some shards, and a split of them into batches, some repeated."""
    prefix = f"e{next(_example)}-"
    shards = [f"{prefix}shard-{n}" for n in range(draw(st.integers(1, 3)))]
    records: list[Record] = []
    per_shard: dict[str, list[Record]] = {shard: [] for shard in shards}
    for index in range(draw(st.integers(1, 14))):
        key = draw(st.integers(0, 4))
        event = {
            "id": f"{prefix}{key}",
            "country": draw(st.sampled_from(["India", "USA", "Atlantis", None])),
            "at": draw(st.sampled_from(["2/15/11", "12/2/12", "1/4/10", "2/30/11", "13/1/12", None])),
            "amount": draw(st.sampled_from([None, -5, 0, 1, DELETES, DELETES])),
        }
        payload = draw(BAD) if draw(st.integers(0, 5)) == 0 else json.dumps(event).encode()
        # A record key stays in its shard; sequence numbers go from two digits to three.
        record = Record(shards[key % len(shards)], 95 + index, payload)
        records.append(record)
        per_shard[record.shard_id].append(record)
    batches: list[list[Record]] = []
    left = {shard: list(mine) for shard, mine in per_shard.items()}
    while any(left.values()):
        batch: list[Record] = []
        for mine in left.values():
            take = draw(st.integers(0, len(mine)))
            batch += mine[:take]
            del mine[:take]
        if batch:
            batches.append(batch)
            if draw(st.integers(0, 3)) == 0:
                batches.append(batch)
    return prefix, records, batches


@pytest.fixture(scope="module", params=["COPY_ON_WRITE", "MERGE_ON_READ"])
def shared_job(request: pytest.FixtureRequest, spark: SparkSession, tmp_path_factory: Any) -> Iterator[EnrichJob]:
    """One table for all examples, each with record keys of its own: a table's first commit takes seconds."""
    folder = tmp_path_factory.mktemp("shared")
    yield make_job(spark, folder, table_type=request.param, deletion=harness.deletion_of(folder))


# Each batch is a real commit: a failing example is worth more than the smallest one.
@settings(max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(streams())
def test_any_split_any_repeat_and_any_interleaving_give_the_oracles_table(
    spark: SparkSession, shared_job: EnrichJob, stream: tuple[str, list[Record], list[list[Record]]]
) -> None:
    prefix, records, batches = stream
    for number, batch in enumerate(batches):
        report = process_batch(shared_job, batch_of(spark, number, batch))
        counts = report.counts
        assert counts.read == len(batch) == counts.kept + counts.superseded + counts.rejected
        assert counts.rejected == sum(counts.rejected_by_reason.values())
    check(shared_job, prefix, records, expected_table(records, COUNTRIES, deletes=True))


def event(key: str, at: str = "1/4/10", country: str = "India", amount: int = 1) -> bytes:
    return json.dumps({"id": key, "country": country, "at": at, "amount": amount}).encode()


def run_batches(spark: SparkSession, job: EnrichJob, *batches: Sequence[Record]) -> list[BatchReport]:
    return [process_batch(job, batch_of(spark, number, batch)) for number, batch in enumerate(batches)]


def test_an_inner_join_makes_unmatched_events_dead_letters_before_the_newest_is_chosen(
    spark: SparkSession, tmp_path: Path
) -> None:
    job = make_job(spark, tmp_path, how="inner")
    records = [
        Record("shard-0", 1, event("a", "1/4/10")),
        Record("shard-0", 2, event("a", "2/2/12", country="Atlantis")),
    ]
    run_batches(spark, job, records)
    expected = expected_table(records, COUNTRIES, inner=True)
    assert expected.rows["a"]["at"] == "1/4/10"
    check(job, "a", records, expected)


def test_a_batch_of_rejected_records_only_still_commits_its_position(spark: SparkSession, tmp_path: Path) -> None:
    job = make_job(spark, tmp_path)
    run_batches(spark, job, [Record("shard-0", 1, event("a"))], [Record("shard-0", 2, b"{")])
    found = checkpoint.read(job.table.base_path)
    assert found is not None
    assert found.position.shards["shard-0"].sequence_number == "2"
    assert found.counts["rejected"] == 1


def test_the_commit_names_position_ranges_reference_version_and_counts(spark: SparkSession, tmp_path: Path) -> None:
    job = make_job(spark, tmp_path)
    records = [Record("shard-0", n, event(f"k{n % 2}")) for n in range(1, 6)]
    run_batches(spark, job, records)
    found = checkpoint.read(job.table.base_path)
    assert found is not None
    assert [(r.shard_id, r.first, r.last, r.records) for r in found.ranges] == [("shard-0", "1", "5", 5)]
    assert found.references["country"]["version"] == 1
    assert {k: found.counts[k] for k in ("read", "kept", "superseded", "rejected")} == {
        "read": 5, "kept": 2, "superseded": 3, "rejected": 0,
    }  # fmt: skip


def test_a_frame_that_is_not_from_a_stream_is_processed_by_its_batch_id(spark: SparkSession, tmp_path: Path) -> None:
    job = make_job(spark, tmp_path)
    payloads = [event("a"), b"{", b"[", b"{"]
    static = spark.createDataFrame([(bytearray(each),) for each in payloads], "data binary")
    for _ in range(2):
        report = process_batch(job, Batch("17", static))
        assert (report.counts.kept, report.counts.rejected) == (1, 3)
    assert set(rows_of(job, "a")) == {"a"}
    # Two that are alike are two.
    process_batch(job, Batch("18", static.where("data = '{'")))
    counts = query(job.dead_letters.base_path, "select data, count(*) n from t group by data order by data")
    assert [(bytes(row["data"]), row["n"]) for row in counts.to_pylist()] == [(b"[", 1), (b"{", 4)]


class LostLock:
    def check(self) -> None:
        message = "it is another's"
        raise SinkError(message)


def test_a_job_that_lost_a_lock_writes_no_dead_letter(spark: SparkSession, tmp_path: Path) -> None:
    job = replace(make_job(spark, tmp_path), letters_lock=cast(Any, LostLock()))
    with pytest.raises(SinkError, match="it is another's"):
        process_batch(job, batch_of(spark, 0, [Record("shard-0", 1, b"{")]))
    assert not Path(job.dead_letters.base_path).exists()


def test_fewer_records_than_the_ranges_say_stop_the_batch_before_the_commit(
    spark: SparkSession, tmp_path: Path
) -> None:
    job = make_job(spark, tmp_path)
    whole = batch_of(spark, 0, [Record("shard-0", 1, event("a")), Record("shard-0", 2, event("b"))])
    short = Batch(whole.batch_id, whole.records.limit(1), whole.position, whole.ranges)
    with pytest.raises(Exception, match="2 records were read from the stream, 1 arrived"):
        process_batch(job, short)
    assert not Path(job.table.base_path).exists()


def test_a_column_whose_attribute_is_written_in_another_case_is_named_once(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = harness.make_job(
        tmp_path, schema="id string, orderid string, amount int, note string, at struct<zip: string>", ordering=None
    )
    payloads = [
        b'{"id":"a","orderId":"1","Amount":1,"amount":null,"at":{"Zip":"1"}}',
        b'{"id":"b","ORDERID":"2","Amount":3,"amount":4}',
    ]
    for number in range(2):
        records = [Record("shard-0", 2 * number + at + 1, payload) for at, payload in enumerate(payloads)]
        process_batch(job, batch_of(spark, number, records))
    warned = [record.getMessage() for record in caplog.records if "upper and lower case" in record.getMessage()]
    # Not of `amount`, which one of them has, nor of `note`, which none has in any case.
    told = [tuple(re.findall("'(.*?)'", text)) for text in warned]
    assert told in ([("at.zip", "at.Zip"), ("orderid", name)] for name in ("orderId", "ORDERID"))
