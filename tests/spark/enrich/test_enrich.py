"""The batch function on real Spark and Hudi against the oracle, read back by hudi-rs."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from pyspark.sql import SparkSession

from streamjoin.enrich.job import EnrichJob
from streamjoin.enrich.pipeline import process_batch
from streamjoin.errors import SinkError
from streamjoin.history import checkpoint
from streamjoin.history.entry import Entry
from streamjoin.query import query
from streamjoin.reference.followed.reference import Reference
from streamjoin.streaming.batch import Batch
from tests.faults.reference import FakeDynamoDb
from tests.faults.reference import settings as reference_settings
from tests.oracle import DELETES, Record, expected_table
from tests.spark import harness
from tests.spark.harness import batch_of, check, rows_of

COUNTRIES = {"India": "IN-India", "USA": "US-USA"}


def country_reference(spark: SparkSession, how: str) -> Reference:
    items = [{"code": {"S": v[:2]}, "countryname": {"S": k}, "combinedname": {"S": v}} for k, v in COUNTRIES.items()]
    chosen = reference_settings(
        name="country", on={"country": "countryname"}, columns={"combinedname": "combinedname"}, how=how
    )
    return Reference(chosen, client=FakeDynamoDb(items), spark=spark)


def make_job(spark: SparkSession, folder: Path, *, how: str = "left", **parts: Any) -> EnrichJob:
    return harness.make_job(folder, country_reference(spark, how), **parts)


BAD = (b"", b"{", b"\xff\xfe", b"[]", b'{"id": "x", "at": "1/1/10", "amount": "7"}', b'{"at": "1/1/10"}')


def stream(random: Random) -> tuple[list[Record], list[list[Record]]]:
    """Return the records of some shards, and a split of them into batches, one repeated."""
    shards = [f"shard-{n}" for n in range(random.randint(2, 3))]
    records: list[Record] = []
    for index in range(60):
        key = random.randrange(12)
        event = {
            "id": f"{key}",
            "country": random.choice(["India", "USA", "Atlantis", None]),
            "at": random.choice(["2/15/11", "12/2/12", "1/4/10"] * 3 + ["2/30/11", "13/1/12", None]),
            "amount": random.choice([None, -5, 0, 1, DELETES, DELETES]),
        }
        payload = random.choice(BAD) if random.randrange(8) == 0 else json.dumps(event).encode()
        # A record key stays in its shard; sequence numbers go from two digits to three.
        records.append(Record(shards[key % len(shards)], 70 + index, payload))
    batches: list[list[Record]] = [[], [], []]
    for shard in shards:
        mine = [record for record in records if record.shard_id == shard]
        for place, record in zip(sorted(random.choices(range(3), k=len(mine))), mine, strict=True):
            batches[place].append(record)
    batches = [batch for batch in batches if batch]
    again = random.randrange(len(batches))
    return records, batches[: again + 1] + batches[again:]


# Each batch is a real commit, so that of each type there is one example, of many events.
@pytest.mark.parametrize("table_type", ["COPY_ON_WRITE", "MERGE_ON_READ"])
def test_any_split_any_repeat_and_any_interleaving_give_the_oracles_table(
    spark: SparkSession, tmp_path: Path, table_type: str
) -> None:
    job = make_job(spark, tmp_path, table_type=table_type, deletion=harness.deletion_of(tmp_path))
    records, batches = stream(Random(table_type))
    for number, batch in enumerate(batches):
        counts = process_batch(job, batch_of(spark, number, batch, in_driver=number % 2 == 0)).counts
        assert counts.read == len(batch) == counts.kept + counts.superseded + counts.rejected
        assert counts.rejected == sum(counts.rejected_by_reason.values())
    check(job, "", records, expected_table(records, COUNTRIES, deletes=True))


def event(key: str, at: str = "1/4/10", country: str = "India", amount: int = 1) -> bytes:
    return json.dumps({"id": key, "country": country, "at": at, "amount": amount}).encode()


@dataclass(frozen=True)
class TwoBatches:
    """A job with an inner join after two batches, the second of rejected records only."""

    job: EnrichJob
    records: list[Record]
    commits: list[Entry]


@pytest.fixture(scope="module")
def two_batches(spark: SparkSession, tmp_path_factory: Any) -> TwoBatches:
    job = make_job(spark, tmp_path_factory.mktemp("two"), how="inner")
    payloads = [event("a", "1/4/10"), event("a", "2/2/12", country="Atlantis"), *(event(f"k{n % 2}") for n in range(5))]
    records = [Record("shard-0", n, payload) for n, payload in enumerate([*payloads, b"{"], 1)]
    commits = list[Entry]()
    for number, batch in enumerate((records[:-1], records[-1:])):
        process_batch(job, batch_of(spark, number, batch))
        found = checkpoint.read(job.table.base_path)
        assert found is not None
        commits.append(found)
    return TwoBatches(job, records, commits)


def test_an_inner_join_makes_unmatched_events_dead_letters_before_the_newest_is_chosen(
    two_batches: TwoBatches,
) -> None:
    expected = expected_table(two_batches.records, COUNTRIES, inner=True)
    assert expected.rows["a"]["at"] == "1/4/10"
    check(two_batches.job, "", two_batches.records, expected)


def test_a_batch_of_rejected_records_only_still_commits_its_position(two_batches: TwoBatches) -> None:
    found = two_batches.commits[1]
    assert found.position.shards["shard-0"].sequence_number == "8"
    assert (found.counts["kept"], found.counts["rejected"]) == (0, 1)


def test_the_commit_names_position_ranges_reference_version_and_counts(two_batches: TwoBatches) -> None:
    found = two_batches.commits[0]
    assert found.position.shards["shard-0"].sequence_number == "7"
    assert [(r.shard_id, r.first, r.last, r.records) for r in found.ranges] == [("shard-0", "1", "7", 7)]
    assert found.references["country"]["version"] == 1
    assert {k: found.counts[k] for k in ("read", "kept", "superseded", "rejected")} == {
        "read": 7, "kept": 3, "superseded": 3, "rejected": 1,
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
