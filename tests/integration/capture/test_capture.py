"""The job `capture` in one process: the emulator's tables and streams, into Hudi tables read back by hudi-rs."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hudi import HudiReadOptions, HudiTableBuilder

from streamjoin.aws.clients import aws_client
from streamjoin.capture.pipeline import STEPS
from streamjoin.capture.redrive import run_redrive
from streamjoin.errors import ConfigError
from streamjoin.history.journal import Journal
from streamjoin.query import query
from tests.change_samples import kinesis_record, pipe_record
from tests.integration.capture.capturing import Capture, Captured, entry, live, told
from tests.spark.harness import CrashError, crash_at

pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture
def table(make_table: Callable[..., str]) -> Callable[[], Captured]:
    return lambda: Captured(make_table({"id": "S"}))


def test_both_envelopes_mixed_in_one_stream_make_tables_of_both_layouts(
    tmp_path: Path, make_stream: Callable[[int], str], table: Callable[[], Captured]
) -> None:
    stream, orders = make_stream(2), table()
    orders.forward_to(stream)
    base = str(tmp_path)
    job = Capture(
        base,
        {"kinesis": {"stream_name": stream}},
        [entry(orders.name, base), entry("other-log", base, layout="changelog"), entry("other-now", base)],
    )
    records = []
    for name in ("other-log", "other-now"):
        happened = Captured(name).source
        for number in range(12):
            change = happened.remove("a") if number % 5 == 4 else happened.put("a", {"id": "a", "quantity": number})
            assert change is not None
            made = (name, change.operation, {"id": "a"}, change.new, change.old)
            records.append(kinesis_record(*made, created=1_700_000_000_000_000 + number))
        expected = happened
    chance = random.Random(1)
    for start in range(0, len(records), 6):
        live(orders, seed=start, changes=8)
        # Duplicates and disorder, as Kinesis Data Streams for DynamoDB has them.
        batch = [*records[start : start + 6], *records[:3]]
        chance.shuffle(batch)
        for data in batch:
            aws_client("kinesis").put_record(StreamName=stream, PartitionKey=str(chance.random()), Data=data)
        job.run()
    assert job.items(orders.name) == orders.scan()
    assert job.changes("other-log") == told(expected)
    assert job.items("other-now") == expected.items
    job.check_proof()


def test_a_table_that_another_capture_owns_is_left_alone(
    tmp_path: Path, make_stream: Callable[[int], str], table: Callable[[], Captured]
) -> None:
    stream, orders = make_stream(1), table()
    orders.forward_to(stream)
    base = str(tmp_path)
    source, tables = {"kinesis": {"stream_name": stream}}, [entry(orders.name, base)]
    job = Capture(base, source, tables)
    other = Capture(base, source, tables, {"dead_letters": {"base_path": f"{base}/other_dead"}})
    live(orders, seed=1)
    job.run()
    with pytest.raises(ConfigError, match=f"'{base}/{orders.name}': it belongs to the job 'test'"):
        other.run()
    live(orders, seed=2)
    job.run()
    assert job.items(orders.name) == orders.scan()


def test_dying_at_each_step_and_starting_again_leaves_the_tables_of_an_undisturbed_run(
    tmp_path: Path, make_stream: Callable[[int], str], table: Callable[[], Captured]
) -> None:
    stream, current, log = make_stream(2), table(), table()
    base = str(tmp_path)
    job = Capture(
        base,
        {"kinesis": {"stream_name": stream}},
        [entry(current.name, base), entry(log.name, base, layout="changelog")],
    )
    for each in (current, log):
        each.forward_to(stream)
    for number, step in enumerate(STEPS):
        for each in (current, log):
            live(each, seed=number, changes=12)
            each.put("always removed")
            each.remove("always removed")
        aws_client("kinesis").put_record(StreamName=stream, PartitionKey="x", Data=b"{")
        with pytest.raises(CrashError):
            job.run(on_step=crash_at(step))
        live(current, seed=100 + number, changes=3)
    job.run()
    assert job.items(current.name) == current.scan()
    assert job.changes(log.name) == told(log.source)
    letters = query(f"{base}/dead", "select reason from t").to_pylist()
    assert letters == [{"reason": "MALFORMED_JSON"}] * len(STEPS)
    job.check_proof()


def test_a_template_captures_every_table_under_a_name_that_athena_takes(
    tmp_path: Path, make_stream: Callable[[int], str], dynamodb: Any
) -> None:
    stream, base = make_stream(1), str(tmp_path)
    template = entry("*", base, hudi={"base_path": f"{base}/{{table}}", "table_name": "t_{table}"})
    job = Capture(base, {"kinesis": {"stream_name": stream}}, [template])
    names = [f"Shop.{kind}-{number}" for kind in ("Orders", "items") for number in range(2)]

    def change(name: str, number: int) -> dict[str, Any]:
        made = pipe_record(
            *(name, "INSERT", {"id": f"{number}"}, {"id": f"{number}", "quantity": number}),
            **{"created_s": 1_700_000_000 + number, "sequence_number": number},
        )
        return dict(json.loads(made))

    def put(document: Any) -> None:
        aws_client("kinesis").put_record(StreamName=stream, PartitionKey="k", Data=json.dumps(document).encode())

    # Whatever is around several changes, of whatever tables: each is a change of its own.
    put({"Records": [change(name, 0) for name in names]})
    job.run()
    for name in names:
        put({"detail-type": "d", "detail": json.dumps(change(name, 1))})
    job.run()
    expected = {str(n): {"id": str(n), "quantity": n} for n in range(2)}
    assert all(job.items(name) == expected for name in names)
    properties = (tmp_path / "Shop.Orders-1" / ".hoodie" / "hoodie.properties").read_text()
    assert "hoodie.table.name=t_shop_orders_1" in properties

    # A second table of that name is no reason to stop: its changes are set aside, the others' are not.
    put([change("shop.orders-1", 9), change(names[0], 9), {"eventName": "INSERT"}])
    for _ in range(2):
        job.run()
    assert job.items(names[0]).keys() == {"0", "1", "9"}
    letters = query(f"{base}/dead", "select sub_sequence_number n, reason, detail, data from t order by n").to_pylist()
    assert [(each["n"], each["reason"]) for each in letters] == [(0, "TABLE_CONFLICT"), (2, "NOT_A_CHANGE")]
    assert (
        "'Shop.Orders-1' and 'shop.orders-1' would both be the table 'default.t_shop_orders_1'" in letters[0]["detail"]
    )
    assert [json.loads(each["data"]) for each in letters] == [change("shop.orders-1", 9), {"eventName": "INSERT"}]
    assert run_redrive(job.config).stayed == {"TABLE_CONFLICT": 1, "NOT_A_CHANGE": 1}
    job.check_proof()


def test_changes_of_unlisted_tables_are_ignored_and_counted(
    tmp_path: Path, make_stream: Callable[[int], str], caplog: pytest.LogCaptureFixture
) -> None:
    stream, base = make_stream(1), str(tmp_path)
    job = Capture(base, {"kinesis": {"stream_name": stream}}, [entry("listed", base)], {"unlisted_tables": "ignore"})
    for number, name in enumerate(["listed", "other", "other"]):
        change = pipe_record(name, "INSERT", {"id": "a"}, {"id": "a"}, created_s=number, sequence_number=number)
        aws_client("kinesis").put_record(StreamName=stream, PartitionKey="x", Data=change)
    with caplog.at_level("INFO"):
        job.run()
    assert "read=3 kept=1 superseded=0 rejected=0 ignored=2 kept.listed=1" in caplog.text
    # Each later listing says what is missing.
    newest = Journal(f"{base}/dead_journal").newest()
    assert newest is not None
    assert newest.counts["ignored_tables"] == {"other": 2}
    assert not Path(base, "dead", ".hoodie").exists()
    job.check_proof()


def test_a_filter_on_days_reads_only_their_partitions(tmp_path: Path, make_stream: Callable[[int], str]) -> None:
    stream, base = make_stream(1), str(tmp_path)
    days = {"20190521": 1558396800, "20190523": 1558569600, "20190524": 1558656000}
    by_attribute = {"partition_by": [{"name": "dt", "from": "createdAt", "format": "yyyyMMdd"}]}
    tables = [entry("log", base, layout="changelog"), entry("now", base, hudi=by_attribute)]
    job = Capture(base, {"kinesis": {"stream_name": stream}}, tables)
    for number, seconds in enumerate(days.values()):
        for name in ("log", "now"):
            keys, new = {"id": f"{number}"}, {"id": f"{number}", "createdAt": seconds * 1000}
            change = pipe_record(name, "INSERT", keys, new, created_s=seconds, sequence_number=number)
            aws_client("kinesis").put_record(StreamName=stream, PartitionKey="x", Data=change)
    job.run()
    for name in ("log", "now"):
        lake = HudiTableBuilder.from_base_uri(Path(base, name).as_uri()).build()
        chosen = HudiReadOptions(filters=[("dt", ">=", "20190523")])
        assert {each.partition_path for each in lake.get_file_slices()} == {f"dt={day}" for day in days}
        assert {each.partition_path for each in lake.get_file_slices(chosen)} == {"dt=20190523", "dt=20190524"}
        rows = [row for batch in lake.read(chosen) for row in batch.to_pylist()]
        assert {row["id"] for row in rows} == {"1", "2"}


def test_a_moved_item_is_one_row_and_a_remove_without_images_finds_it(
    tmp_path: Path, make_stream: Callable[[int], str]
) -> None:
    stream, base = make_stream(1), str(tmp_path)
    tables = [
        entry("orders", base, drop=["id"], schema="quantity bigint", hudi={"partition_by": [{"name": "country"}]})
    ]
    job = Capture(base, {"kinesis": {"stream_name": stream}}, tables)
    changes: list[tuple[str, str, dict[str, Any] | None]] = [
        *(("INSERT", key, {"id": key, "country": "India", "quantity": 1}) for key in "ab"),
        ("MODIFY", "a", {"id": "a", "country": "USA", "quantity": 2}),
        ("REMOVE", "b", None),
    ]
    for number, (operation, key, new) in enumerate(changes):
        change = pipe_record("orders", operation, {"id": key}, new, created_s=number, sequence_number=number)
        aws_client("kinesis").put_record(StreamName=stream, PartitionKey="x", Data=change)
        job.run()
    rows = query(f"{base}/orders", "select country, quantity, _hoodie_partition_path p from t").to_pylist()
    assert rows == [{"country": "USA", "quantity": 2, "p": "country=USA"}]


def test_a_schema_evolves_over_batches_and_restarts(tmp_path: Path, make_stream: Callable[[int], str]) -> None:
    stream, base = make_stream(1), str(tmp_path)
    tables = [entry("orders", base, schema="id string", undeclared="evolve")]
    job = Capture(base, {"kinesis": {"stream_name": stream}}, tables)
    versions: list[dict[str, Any]] = [{"n": 1}, {"n": 2, "text": "x"}, {"n": 10**25, "flag": True}, {"text": 7}]
    for number, attributes in enumerate(versions):
        keys = {"id": f"{number}"}
        change = pipe_record("orders", "INSERT", keys, keys | attributes, created_s=number, sequence_number=number)
        aws_client("kinesis").put_record(StreamName=stream, PartitionKey="x", Data=change)
        job.run()
    rows = query(f"{base}/orders", "select id, n, text, flag from t order by id").to_pylist()
    assert [{**row, "n": None if row["n"] is None else int(row["n"])} for row in rows] == [
        {"id": "0", "n": 1, "text": None, "flag": None},
        {"id": "1", "n": 2, "text": "x", "flag": None},
        {"id": "2", "n": 10**25, "text": None, "flag": True},
        {"id": "3", "n": None, "text": "7", "flag": None},
    ]
