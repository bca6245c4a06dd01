"""Where the job `capture` reads and begins: a table's own stream, its first start, the moment of a backfill."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamjoin.aws.clients import aws_client
from streamjoin.capture.backfill_note import BackfillNote, Noted
from streamjoin.errors import DataLossError, SourceError
from tests.integration.capture.capturing import Capture, Captured, entry, live, told

pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture
def table(make_table: Callable[..., str]) -> Callable[[], Captured]:
    return lambda: Captured(make_table({"id": "S"}))


@pytest.mark.parametrize(
    ("layout", "table_type", "place"),
    [
        ("current", "MERGE_ON_READ", "S3"),
        ("current", "COPY_ON_WRITE", "disk"),
        ("changelog", "COPY_ON_WRITE", "disk"),
    ],
)
def test_a_tables_own_stream_makes_a_table(
    tmp_path: Path, bucket: str, table: Callable[[], Captured], layout: str, table_type: str, place: str
) -> None:
    orders, base = table(), f"s3://{bucket}/lake" if place == "S3" else str(tmp_path)
    job = Capture(
        base,
        {"dynamodb_stream": {"table_name": orders.name}},
        [entry(orders.name, base, layout=layout, hudi={"table_type": table_type})],
        {"limits": {"max_records_per_batch": 20}},
    )
    for seed in range(3):
        live(orders, seed, changes=25)
        job.run()
    if layout == "current":
        assert job.items(orders.name) == orders.scan()
    else:
        assert job.changes(orders.name) == told(orders.source)
    job.check_proof()


def test_latest_means_the_first_start_of_a_tables_own_stream(tmp_path: Path, table: Callable[[], Captured]) -> None:
    orders, base = table(), str(tmp_path)
    orders.put("before")
    job = Capture(
        base,
        {"dynamodb_stream": {"table_name": orders.name, "starting_position": "LATEST"}},
        [entry(orders.name, base)],
    )
    at = iter([lambda: orders.put("while")])
    job.run(on_step=lambda step: next(at, lambda: None)())
    orders.put("after")
    orders.put("before", quantity=2)
    job.run()
    assert {"after", "before"} <= job.items(orders.name).keys()


def test_a_first_start_begins_at_the_moment_that_a_backfill_noted(
    tmp_path: Path, make_stream: Callable[[int], str], table: Callable[[], Captured]
) -> None:
    orders, base = table(), str(tmp_path)
    stream = make_stream(1)
    orders.forward_to(stream)
    orders.put("a", quantity=1)
    job = Capture(
        base,
        {"kinesis": {"stream_name": stream, "starting_position": "LATEST"}},
        [entry(orders.name, base)],
    )
    note = BackfillNote(f"{base}/{orders.name}")
    note.write(Noted("x", noted_us=1_000_000, oldest_us=1_000_000, source="s", segments=1))
    with pytest.raises(DataLossError, match="noted 1970-01-01T00:00:01"):
        job.run()
    recent = 1_000_000 * (int(aws_client("kinesis").describe_stream_summary(StreamName=stream)[
        "StreamDescriptionSummary"]["StreamCreationTimestamp"].timestamp()) - 5)  # fmt: skip
    note.write(Noted("x", noted_us=recent, oldest_us=recent, source="s", segments=1))
    job.run()
    assert job.items(orders.name) == orders.scan()


def test_a_table_without_a_stream_says_what_to_enable(tmp_path: Path, dynamodb: Any, fresh_name: Any) -> None:
    name, base = fresh_name("table"), str(tmp_path)
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(SourceError, match="StreamViewType=NEW_AND_OLD_IMAGES"):
        Capture(base, {"dynamodb_stream": {"table_name": name}}, [entry(name, base)]).run()


def test_the_journal_goes_on_only_with_its_own_stream(tmp_path: Path, table: Callable[[], Captured]) -> None:
    orders, other, base = table(), table(), str(tmp_path)
    for each in (orders, other):
        each.put("a")
    Capture(base, {"dynamodb_stream": {"table_name": orders.name}}, [entry(orders.name, base)]).run()
    with pytest.raises(SourceError, match=rf"'{other.name}'.*{orders.name}"):
        Capture(base, {"dynamodb_stream": {"table_name": other.name}}, [entry(other.name, base)]).run()
