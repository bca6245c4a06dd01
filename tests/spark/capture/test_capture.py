"""Captured batches on real Spark and Hudi: any history ends in the items, and what happens when something fails."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from streamjoin.capture.config.capture import CaptureConfig
from streamjoin.capture.job import CaptureJob, assemble
from streamjoin.capture.pipeline import STEPS, process_batch, starting_point
from streamjoin.entry import load_job
from streamjoin.errors import SinkError
from streamjoin.hudi import write as hudi
from streamjoin.lock import TableLock
from streamjoin.query import query
from streamjoin.shards.position import TRIM_HORIZON, Position
from streamjoin.streaming.batch import Batch
from streamjoin.verify import verify_journal
from tests.changes.oracle import Source, Told, changelog
from tests.changes.samples import kinesis_record, pipe_record
from tests.oracle import Record
from tests.small_tables import ONE_BUCKET
from tests.spark.harness import CrashError, batch_of, crash_at

_example = itertools.count()


def job_of(base: Path, *tables: dict[str, Any], **more: Any) -> CaptureJob:
    config = load_job(
        {
            "job": "capture",
            "name": "test",
            "source": {"kinesis": {"stream_name": "s"}},
            "tables": list(tables),
            "dead_letters": {"base_path": str(base / "dead")},
            **more,
        }
    )
    assert isinstance(config, CaptureConfig)
    return assemble(config)


def entry(base: Path, name: str, layout: str = "current", **changes: Any) -> dict[str, Any]:
    sink = {
        "hudi": {
            "base_path": str(base / name),
            "table_name": f"t_{name}",
            "options": ONE_BUCKET,
            **changes.pop("hudi", {}),
        }
    }
    schema = {"schema": "id string, quantity bigint"}
    return {"table_name": name, "layout": layout, "sink": sink, **schema, **changes}


class Stream:
    """One shard, its position, and its records as batches."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark, self._number = spark, 0

    def batch(self, payloads: Sequence[bytes]) -> Batch:
        first = self._number
        self._number += len(payloads)
        records = [Record("s-0", first + at + 1, payload) for at, payload in enumerate(payloads)]
        return batch_of(self._spark, first, records)


def records_of(change: Told, names: Sequence[str], envelope: str) -> list[bytes]:
    keys, images = {"id": change.key}, (change.new, change.old)
    if envelope == "pipe":
        second = 1_700_000_000 + change.place // 3
        place = {"created_s": second, "sequence_number": change.place + 1}
        return [pipe_record(name, change.operation, keys, *images, **place) for name in names]
    created = 1_700_000_000_000_000 + change.place
    return [kinesis_record(name, change.operation, keys, *images, created=created) for name in names]


@settings(max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), data=st.data())
def test_any_history_and_delivery_with_crashes_ends_in_the_items_and_every_change_once(
    spark: SparkSession, tmp_path: Path, seed: int, data: st.DataObject
) -> None:
    base, chance, source = tmp_path / str(next(_example)), random.Random(seed), Source()
    for number in range(10):
        key = chance.choice("abc")
        if chance.random() < 0.4:
            source.remove(key)
        else:
            source.put(key, {"id": key, "quantity": number})
    table_type = data.draw(st.sampled_from(["COPY_ON_WRITE", "MERGE_ON_READ"]))
    tables = [entry(base, "now", hudi={"table_type": table_type}), entry(base, "log", "changelog")]
    envelope = data.draw(st.sampled_from(["pipe", "kinesis"]))
    waiting = [record for change in source.told for record in records_of(change, ("now", "log"), envelope)]
    waiting += chance.sample(waiting, len(waiting) // 3)
    chance.shuffle(waiting)
    crashes = data.draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=3))
    stream = Stream(spark)
    while waiting:
        batch = waiting[: 6 + chance.randrange(10)]
        job = job_of(base, *tables)
        try:
            process_batch(job, stream.batch(batch), on_step=crash_at(crashes.pop() if crashes else None))
        except CrashError:
            continue
        waiting = waiting[len(batch) :]
    rows = query(str(base / "now"), "select id, quantity from t").to_pylist()
    assert sorted(rows, key=str) == sorted(source.items.values(), key=str)
    sql = "select operation, _item_key from t order by _order"
    found = [(row["operation"], row["_item_key"]) for row in query(str(base / "log"), sql).to_pylist()]
    assert found == [(change.operation, change.key) for change in changelog(source.told)]


def insert(table: str, key: str, second: int = 0, **attributes: Any) -> bytes:
    item = {"id": key, **attributes}
    return pipe_record(table, "INSERT", {"id": key}, item, created_s=second, sequence_number=second)


def test_an_error_of_one_table_is_raised_when_all_have_ended_and_the_batch_can_be_repeated(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = [entry(tmp_path, name) for name in ("bad", "good")]
    job = job_of(tmp_path, *tables)
    batch = Stream(spark).batch([insert(name, "a", quantity=1) for name in ("bad", "good")])
    real = hudi.upsert

    def failing(rows: Any, table: Any, **options: Any) -> None:
        if table.table_name == "t_bad":
            message = "no room"
            raise SinkError(message, retryable=True)
        real(rows, table, **options)

    monkeypatch.setattr(hudi, "upsert", failing)
    with pytest.raises(SinkError, match="no room"):
        process_batch(job, batch)
    assert job.journal.newest() is None
    assert query(str(tmp_path / "good"), "select id from t").num_rows == 1
    monkeypatch.setattr(hudi, "upsert", real)
    report = process_batch(job_of(tmp_path, *tables), batch)
    assert {name: table.kept for name, table in report.counts.tables.items()} == {"bad": 1, "good": 1}
    assert [query(str(tmp_path / name), "select id from t").num_rows for name in ("good", "bad")] == [1, 1]


def test_each_commit_names_its_batch_but_no_position_of_its_own(spark: SparkSession, tmp_path: Path) -> None:
    job = job_of(tmp_path, entry(tmp_path, "now"))
    batch = Stream(spark).batch([insert("now", "a"), b"[]"])
    batch = replace(batch, ranges=tuple(replace(each, empty=3) for each in batch.ranges))
    assert process_batch(job, batch).counts.empty == 3
    timeline = hudi.Timeline.read(*hudi.open_path(str(tmp_path / "now")))
    said = timeline.metadata(max(timeline.commits)) or {}
    assert said["batch_id"] == batch.batch_id
    assert batch.position is not None
    assert said["capture_position"] == batch.position.to_json()
    assert "position" not in said
    entry_of_batch = job.journal.newest()
    assert entry_of_batch is not None
    assert entry_of_batch.position == batch.position
    assert entry_of_batch.counts["tables"] == {"now": {"kept": 1, "superseded": 0, "removed": 0}}
    # Beside those that were read: what holds no change.
    assert {key: entry_of_batch.counts[key] for key in ("read", "kept", "rejected", "empty")} == {
        "read": 2, "kept": 1, "rejected": 1, "empty": 3,
    }  # fmt: skip
    found = verify_journal(str(tmp_path / "dead_journal"), str(tmp_path / "dead"))
    assert found.holds, "\n".join(found.lines())


def test_a_change_that_comes_after_its_removal_is_superseded(spark: SparkSession, tmp_path: Path) -> None:
    stream = Stream(spark)
    tables = [entry(tmp_path, "now", hudi={"partition_by": [{"name": "country"}]})]

    def told(operation: str, key: str, second: int, country: str = "India") -> bytes:
        image = {"id": key, "country": country, "quantity": second}
        images = (None, image) if operation == "REMOVE" else (image, None)
        return pipe_record("now", operation, {"id": key}, *images, created_s=second, sequence_number=second)

    batches = [
        [told("INSERT", key, 1) for key in ("late", "twice", "again")],
        [told("REMOVE", key, 3) for key in ("late", "twice", "again")],
        [told("MODIFY", "late", 2, "USA"), told("REMOVE", "twice", 3), told("INSERT", "again", 4)],
    ]
    reports = [process_batch(job_of(tmp_path, *tables), stream.batch(batch)) for batch in batches]
    assert [(r.counts.kept, r.counts.superseded, r.counts.removed) for r in reports] == [
        *((3, 0, 0), (3, 0, 3), (2, 1, 1))
    ]
    assert query(str(tmp_path / "now"), "select id, quantity from t").to_pylist() == [{"id": "again", "quantity": 4}]


def test_a_column_that_can_not_widen_stays_and_what_does_not_fit_is_a_dead_letter(
    spark: SparkSession, tmp_path: Path
) -> None:
    stream = Stream(spark)
    tables = [entry(tmp_path, "now", schema="id string", undeclared="evolve")]
    whole = 10**37 + 1
    for batch in ({"0": whole}, {"1": Decimal("0.5"), "2": 7}):
        records = [insert("now", key, int(key), n=value) for key, value in batch.items()]
        process_batch(job_of(tmp_path, *tables), stream.batch(records))
    rows = query(str(tmp_path / "now"), "select id, n from t order by id").to_pylist()
    assert [(row["id"], int(row["n"])) for row in rows] == [("0", whole), ("2", 7)]
    letters = query(str(tmp_path / "dead"), "select sequence_number, reason from t").to_pylist()
    assert letters == [{"sequence_number": "2", "reason": "WRONG_TYPE"}]


def test_a_column_grows_beside_what_the_tables_other_writer_has_changed_meanwhile(
    spark: SparkSession, tmp_path: Path
) -> None:
    one, other = (job_of(tmp_path, entry(tmp_path, "now", schema="id string", undeclared="evolve")) for _ in range(2))
    streams = Stream(spark), Stream(spark)
    process_batch(one, streams[0].batch([insert("now", "a", 1, n=1, k=1)]))
    changed = insert("now", "b", 2, n=Decimal("1.5"), m="x", Name="B", theirs=10**20)
    process_batch(other, streams[1].batch([changed]))
    both = {"n": 2, "k": 10**20, "m": 5, "NAME": "d", "Name": "C"}
    report = process_batch(one, streams[0].batch([insert("now", "c", 3, **both, ours=True)]))
    assert (report.counts.kept, report.counts.rejected) == (1, 0)
    columns = "id, n, k, m, Name, theirs, ours"
    rows = query(str(tmp_path / "now"), f"select {columns} from t order by id").to_pylist()  # noqa: S608
    found = [tuple(int(v) if isinstance(v, Decimal) and v == int(v) else v for v in row.values()) for row in rows]
    # Rows have null in columns that their writer doesn't know.
    assert found == [
        ("a", 1, 1, None, None, None, None),
        ("b", Decimal("1.5"), None, "x", "B", 10**20, None),
        ("c", 2, 10**20, "5", "C", None, True),
    ]


def test_a_record_that_is_a_row_when_it_is_read_again_is_no_dead_letter_too(
    spark: SparkSession, tmp_path: Path
) -> None:
    begun, stream = Position("s", {"s-0": TRIM_HORIZON}), Stream(spark)
    source: Any = SimpleNamespace(
        first=lambda noted: begun, check_position=lambda position: None, key_of_data_loss=None
    )

    def start(schema: str) -> CaptureJob:
        job = job_of(tmp_path, entry(tmp_path, "now", schema=schema))
        assert starting_point(job, source, spark)() == begun
        return job

    batch = stream.batch([insert("now", "a", quantity="many"), b"{"])
    with pytest.raises(CrashError):
        process_batch(start("id string, quantity bigint"), batch, on_step=crash_at("dead_letters_written"))
    assert query(str(tmp_path / "dead"), "select reason from t").num_rows == 2
    process_batch(start("id string, quantity string"), batch)
    assert query(str(tmp_path / "dead"), "select reason from t").to_pylist() == [{"reason": "MALFORMED_JSON"}]
    assert query(str(tmp_path / "now"), "select quantity from t").to_pylist() == [{"quantity": "many"}]


def test_a_commit_waits_for_the_other_writers_turn_and_says_who_it_is(spark: SparkSession, tmp_path: Path) -> None:
    job = job_of(tmp_path, entry(tmp_path, "now"))
    table = job.tables.find("now", spark)
    assert table is not None
    table._turn_seconds = 0.0
    with TableLock(str(tmp_path / "now"), job="receipts-backfill"):
        with pytest.raises(SinkError, match="receipts-backfill"):
            process_batch(job, Stream(spark).batch([insert("now", "a")]))
    assert job.journal.newest() is None
