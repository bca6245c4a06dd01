"""The job `capture` in one process, dying at each step, and with a template for all tables; read back by hudi-rs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.capture.pipeline import STEPS
from streamjoin.capture.redrive import run_redrive
from streamjoin.capture.status import status
from streamjoin.cli.maintenance import tables_of
from streamjoin.overview.state import State
from streamjoin.query import query
from streamjoin.services.maintain import maintain
from streamjoin.streaming.signals import StopRequest
from tests.changes.samples import pipe_record
from tests.integration.capture.capturing import Capture, Captured, entry, live, told
from tests.small_tables import MAINTAINED
from tests.spark.harness import CrashError, crash_at

pytestmark = pytest.mark.usefixtures("spark")

# Each start goes on where the last one died. A batch with a dead letter, which is read again until it is recorded; then
# one that has none, and costs less.
ORDER = ("read", "counted", "dead_letters_written", "recorded", "tombstones_written", "table_committed", "committed")


def test_dying_at_each_step_and_starting_again_leaves_the_tables_of_an_undisturbed_run(
    spark: SparkSession, tmp_path: Path, make_stream: Callable[[int], str], make_table: Callable[..., str]
) -> None:
    stream, base = make_stream(2), str(tmp_path)
    current, log = (Captured(make_table({"id": "S"})) for _ in range(2))
    job = Capture(
        base,
        {"kinesis": {"stream_name": stream}},
        [entry(current.name, base, hudi=MAINTAINED), entry(log.name, base, layout="changelog")],
    )
    for each in (current, log):
        each.forward_to(stream)
    compacted = 0
    assert set(ORDER) == set(STEPS)
    for number, step in enumerate(ORDER):
        for each in (current, log):
            live(each, seed=number, changes=6)
            each.put("always removed")
            each.remove("always removed")
        if step == "dead_letters_written":
            aws_client("kinesis").put_record(StreamName=stream, PartitionKey="x", Data=b"{")
        with pytest.raises(CrashError):
            job.run(on_step=crash_at(step))
        live(current, seed=100 + number, changes=2)
        done = maintain(spark, tables_of(job.config), StopRequest(), job="test", every_seconds=None)
        compacted += sum(each.compacted for each in done.values())
    job.run()
    assert compacted
    assert job.items(current.name) == current.scan()
    assert job.changes(log.name) == told(log.source)
    letters = query(f"{base}/dead", "select reason from t").to_pylist()
    assert letters == [{"reason": "MALFORMED_JSON"}]
    job.check_proof()
    overview = status(job.config)()
    assert (overview.state.state, overview.letters) == (State.STOPPED, {"MALFORMED_JSON": 1})
    last = overview.batches[-1]
    assert last.freshness is not None
    assert 0 < last.freshness.p50_seconds <= last.freshness.p99_seconds <= last.freshness.max_seconds < 600
    assert last.files is not None
    assert last.files.count == len(last.tables)
    assert {"fetch", "compute", "commit"} <= last.seconds.keys()


def test_a_template_captures_every_table_under_a_name_that_athena_takes(
    tmp_path: Path, make_stream: Callable[[int], str], dynamodb: Any
) -> None:
    stream, base = make_stream(1), str(tmp_path)
    template = entry("*", base, hudi={"base_path": f"{base}/{{table}}", "table_name": "t_{table}"})
    # The other tests poll.
    job = Capture(base, {"kinesis": {"stream_name": stream, "fan_out": "capture"}}, [template])
    names = ["Shop.Orders-1", "Shop.items-1"]

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
    for name in names:
        put({"detail-type": "d", "detail": json.dumps(change(name, 1))})
    job.run()
    expected = {str(n): {"id": str(n), "quantity": n} for n in range(2)}
    assert all(job.items(name) == expected for name in names)
    properties = (tmp_path / "Shop.Orders-1" / ".hoodie" / "hoodie.properties").read_text()
    assert "hoodie.table.name=t_shop_orders_1" in properties

    # A second table of that name is no reason to stop: its changes are set aside, the others' are not.
    put([change("shop.orders-1", 9), change(names[0], 9), {"eventName": "INSERT"}])
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
