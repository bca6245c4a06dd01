"""One stream with the changes of many tables, captured by one job in two starts: what each of its tables is then."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hudi import HudiReadOptions, HudiTableBuilder
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.capture.backfill_note import BackfillNote, Noted
from streamjoin.errors import ConfigError, DataLossError
from streamjoin.history.journal import Journal
from streamjoin.query import query
from tests.changes.oracle import Source
from tests.changes.samples import kinesis_record, pipe_record
from tests.integration.capture.capturing import Capture, Captured, entry, live, told
from tests.logged import logged

DAYS = {"20190521": 1558396800, "20190523": 1558569600, "20190524": 1558656000}
# In the first start, and in the second.
MOVES: Sequence[Sequence[tuple[str, str, dict[str, Any] | None]]] = (
    [("INSERT", key, {"id": key, "country": "India", "quantity": 1}) for key in "ab"],
    [("MODIFY", "a", {"id": "a", "country": "USA", "quantity": 2}), ("REMOVE", "b", None)],
)
VERSIONS: Sequence[Sequence[dict[str, Any]]] = (
    [{"n": 1}, {"n": 2, "text": "x"}],
    [{"n": 10**25, "flag": True}, {"text": 7}],
)


@dataclass
class Shop:
    """The job after its two starts.

    Args:
        base: Where its lake is.
        job: The job.
        orders: The table whose changes the emulator put into the stream itself.
        other: What happened to the tables whose changes are in the other envelope.
        lost: What a start said that was to begin before the stream.
        refused: What another job on one of the tables was told between the two starts.
        said: What the second start logged.
    """

    base: Path
    job: Capture
    orders: Captured
    other: Source
    lost: str
    refused: str
    said: list[str]


def other_records() -> tuple[Source, list[bytes]]:
    """Return what happens to an item, and its records of two tables, in the order in which they were made."""
    happened, records = Source(), []
    for number in range(12):
        change = happened.remove("a") if number % 5 == 4 else happened.put("a", {"id": "a", "quantity": number})
        assert change is not None
        for name in ("other-log", "other-now"):
            made = (name, change.operation, {"id": "a"}, change.new, change.old)
            records.append(kinesis_record(*made, created=1_700_000_000_000_000 + number))
    return happened, records


def piped_records(start: int) -> list[bytes]:
    """Return the records of all other tables that come before the job's first start (0) or its second one (1)."""
    records = []
    for number, (operation, key, new) in enumerate(MOVES[start], 2 * start):
        records.append(pipe_record("moved", operation, {"id": key}, new, created_s=number, sequence_number=number))
    for number, attributes in enumerate(VERSIONS[start], 2 * start):
        keys = {"id": f"{number}"}
        item = keys | attributes
        records.append(pipe_record("grown", "INSERT", keys, item, created_s=number, sequence_number=number))
    if start == 0:
        for number, seconds in enumerate(DAYS.values()):
            keys, new = {"id": f"{number}"}, {"id": f"{number}", "createdAt": seconds * 1000}
            at = {"created_s": seconds, "sequence_number": number}
            records += [pipe_record(name, "INSERT", keys, new, **at) for name in ("days-log", "days-now")]
    else:
        keys = {"id": "a"}
        records += [pipe_record("unlisted", "INSERT", keys, keys, created_s=n, sequence_number=n) for n in range(2)]
    return records


@pytest.fixture(scope="module")
def shop(
    spark: SparkSession,
    tmp_path_factory: pytest.TempPathFactory,
    make_stream: Callable[[int], str],
    make_table: Callable[..., str],
) -> Shop:
    stream, orders, base = make_stream(2), Captured(make_table({"id": "S"})), tmp_path_factory.mktemp("shop")
    orders.forward_to(stream)
    by_attribute = {"partition_by": [{"name": "dt", "from": "createdAt", "format": "yyyyMMdd"}]}
    by_country = {"partition_by": [{"name": "country"}]}
    tables = [
        entry(orders.name, str(base)),
        entry("other-log", str(base), layout="changelog"),
        entry("other-now", str(base)),
        entry("days-log", str(base), layout="changelog"),
        entry("days-now", str(base), hudi=by_attribute),
        entry("moved", str(base), drop=["id"], schema="quantity bigint", hudi=by_country),
        entry("grown", str(base), schema="id string", undeclared="evolve"),
    ]
    source = {"kinesis": {"stream_name": stream, "starting_position": "LATEST"}}
    job = Capture(str(base), source, tables, {"unlisted_tables": "ignore"})
    other = Capture(str(base), source, tables[:1], {"dead_letters": {"base_path": f"{base}/other_dead"}})
    note, kinesis, chance = BackfillNote(f"{base}/{orders.name}"), aws_client("kinesis"), random.Random(1)
    happened, records = other_records()

    def come(start: int) -> None:
        """Let changes of all tables come."""
        live(orders, seed=start, changes=16)
        # One start has it as a row, the next removes it.
        if start == 0:
            orders.put("gone")
        else:
            orders.remove("gone")
        # Duplicates and disorder, as Kinesis Data Streams for DynamoDB has them.
        half = [*records[12 * start : 12 * (start + 1)], *records[:3]]
        chance.shuffle(half)
        for data in [*half, *piped_records(start)]:
            kinesis.put_record(StreamName=stream, PartitionKey=str(chance.random()), Data=data)

    come(0)
    note.write(Noted("x", noted_us=1_000_000, oldest_us=1_000_000, source="s", segments=1))
    with pytest.raises(DataLossError) as lost:
        job.run()
    made = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamCreationTimestamp"]
    recent = 1_000_000 * (int(made.timestamp()) - 5)
    note.write(Noted("x", noted_us=recent, oldest_us=recent, source="s", segments=1))
    job.run()
    with pytest.raises(ConfigError) as refused:
        other.run()
    come(1)
    with logged() as said:
        job.run()
    return Shop(base, job, orders, happened, str(lost.value), str(refused.value), said)


def test_both_envelopes_mixed_in_one_stream_make_tables_of_both_layouts(shop: Shop) -> None:
    assert shop.job.items(shop.orders.name) == shop.orders.scan()
    assert shop.job.changes("other-log") == told(shop.other)
    assert shop.job.items("other-now") == shop.other.items
    shop.job.check_proof()


def test_a_first_start_begins_at_the_moment_that_a_backfill_noted(shop: Shop) -> None:
    assert "noted 1970-01-01T00:00:01" in shop.lost
    # Although it was to begin at the end of the stream: all of these are older than the job.
    assert {row["id"] for row in query(f"{shop.base}/days-now", "select id from t").to_pylist()} == {"0", "1", "2"}


def test_a_table_that_another_capture_owns_is_left_alone(shop: Shop) -> None:
    assert f"'{shop.base}/{shop.orders.name}': it belongs to the job 'test'" in shop.refused
    assert shop.job.items(shop.orders.name) == shop.orders.scan()


def test_changes_of_unlisted_tables_are_ignored_and_counted(shop: Shop) -> None:
    (line,) = [each for each in shop.said if " ignored=2" in each]
    assert " rejected=0 ignored=2 " in line
    assert {"kept.grown=2", "kept.moved=2"} <= set(line.split())
    # Each later listing says what is missing.
    newest = Journal(f"{shop.base}/dead_journal").newest()
    assert newest is not None
    assert newest.counts["ignored_tables"] == {"unlisted": 2}
    assert not (shop.base / "dead" / ".hoodie").exists()


@pytest.mark.parametrize("name", ["days-log", "days-now"])
def test_a_filter_on_days_reads_only_their_partitions(shop: Shop, name: str) -> None:
    lake = HudiTableBuilder.from_base_uri((shop.base / name).as_uri()).build()
    chosen = HudiReadOptions(filters=[("dt", ">=", "20190523")])
    assert {each.partition_path for each in lake.get_file_slices()} == {f"dt={day}" for day in DAYS}
    assert {each.partition_path for each in lake.get_file_slices(chosen)} == {"dt=20190523", "dt=20190524"}
    rows = [row for batch in lake.read(chosen) for row in batch.to_pylist()]
    assert {row["id"] for row in rows} == {"1", "2"}


def test_a_moved_item_is_one_row_and_a_remove_without_images_finds_it(shop: Shop) -> None:
    rows = query(f"{shop.base}/moved", "select country, quantity, _hoodie_partition_path p from t").to_pylist()
    assert rows == [{"country": "USA", "quantity": 2, "p": "country=USA"}]


def test_a_schema_evolves_over_batches_and_restarts(shop: Shop) -> None:
    rows = query(f"{shop.base}/grown", "select id, n, text, flag from t order by id").to_pylist()
    assert [{**row, "n": None if row["n"] is None else int(row["n"])} for row in rows] == [
        {"id": "0", "n": 1, "text": None, "flag": None},
        {"id": "1", "n": 2, "text": "x", "flag": None},
        {"id": "2", "n": 10**25, "text": None, "flag": True},
        {"id": "3", "n": None, "text": "7", "flag": None},
    ]
