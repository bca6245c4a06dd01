import itertools
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamjoin.dynamodb.read.item_files import ItemFolder, Segment
from streamjoin.dynamodb.read.item_filter import ItemFilter
from streamjoin.dynamodb.read.item_staging import StageSegments, StagingPlan, stage_segment
from streamjoin.dynamodb.read.item_writer import SegmentWriter
from streamjoin.dynamodb.read.pages import ItemPage
from streamjoin.dynamodb.read.scan import TableAddress, TableScan, default_segments
from streamjoin.dynamodb.read_pace import ReadUnits
from streamjoin.dynamodb.service import pack, unpack
from streamjoin.dynamodb.table import KeyAttribute, TableDescription
from streamjoin.errors import SourceError
from tests.faults.kinesis_clock import FakeClock
from tests.faults.scan import FakeScanTable, items_of


def scan_of(segments=1):
    return TableScan(TableAddress("receipts"), segments, lambda: ReadUnits(None))


def read(table, segments=1, pace=None):
    scan = scan_of(segments)
    pages = [scan.segment_pages(table, n, pace or ReadUnits(None)) for n in range(segments)]
    return list(itertools.chain.from_iterable(pages))


def staged(folder, segment):
    """Return the items that a segment's files have."""
    tables = [pq.read_table(path) for path in folder.paths(segment)]
    return [unpack(packed) for table in tables for packed in table["item"].to_pylist()]


@pytest.mark.parametrize("segments", [1, 3])
@pytest.mark.parametrize("empty_pages", [False, True])
def test_all_segments_together_have_every_item_once(segments, empty_pages):
    table = FakeScanTable(items_of(11), empty_pages=empty_pages)
    found = [item for page in read(table, segments) for item in page.items]
    assert sorted(found, key=lambda item: int(item["id"]["N"])) == items_of(11)


def test_reads_are_eventually_consistent_so_that_they_cost_half():
    table = FakeScanTable(items_of(1))
    read(table)
    assert all("ConsistentRead" not in request for request in table.requests)


def test_a_page_is_bounded_also_if_the_service_does_not_bound_it():
    table = FakeScanTable(items_of(25_000), page_items=1_000_000)
    assert [len(page.items) for page in read(table)] == [10_000, 10_000, 5_000]


def test_a_page_is_paid_for_before_the_next_one_is_asked_for():
    clock = FakeClock()
    table = FakeScanTable(items_of(6), capacity=10.0)
    read(table, pace=ReadUnits(5.0, clock.monotonic, clock.sleep))
    assert len(table.requests) == 4
    assert clock.monotonic() == pytest.approx(8.0)


def test_where_the_service_does_not_say_what_a_page_consumed_its_size_tells():
    large = [{"id": {"N": "1"}, "text": {"S": "x" * 9_000}}]
    (page,) = read(FakeScanTable(large, capacity=None))
    assert page.read_units == 1.5


def test_a_throttled_table_can_be_tried_again_and_a_denied_one_cannot():
    throttled = FakeScanTable(items_of(1), fails=lambda number: "ProvisionedThroughputExceededException")
    with pytest.raises(SourceError, match=r"was throttled.*max_read_units_per_second") as found:
        read(throttled)
    assert found.value.retryable
    with pytest.raises(SourceError, match=r"Allow dynamodb:Scan") as found:
        read(FakeScanTable(items_of(1), fails=lambda number: "AccessDeniedException"))
    assert not found.value.retryable


def test_a_table_tells_its_key_hash_key_first():
    table = TableAddress("receipts").describe(FakeScanTable(items_of(3)))
    assert list(table.key_types) == ["PK", "SK"]
    assert table.arn.endswith(":table/receipts")


def test_segments_follow_the_size_of_the_table_and_are_no_fewer_than_cores():
    def segments(items, size_bytes):
        return default_segments(TableDescription("t", (KeyAttribute("id", "S"),), items, size_bytes), 4)

    assert segments(0, 0) == 4
    assert segments(10_000_000, 0) == 40
    assert segments(0, 100 * 1024**3) == 400


def test_items_are_staged_in_files_of_bounded_size(tmp_path):
    folder = ItemFolder(str(tmp_path))
    pages = [ItemPage(items_of(25), 2.0), ItemPage([], 0.5)]
    writer = SegmentWriter(folder, 3, file_items=10)
    segment = stage_segment(3, pages, folder, writer=writer)
    assert [file.items for file in segment.files] == [10, 10, 5]
    assert staged(folder, segment) == items_of(25)
    assert (segment.scanned, segment.selected, segment.read_units) == (25, 25, 2.5)
    assert folder.finished([2, 3]) == {3: segment}


def test_a_file_ends_where_its_bytes_reach_the_bound(tmp_path):
    writer = SegmentWriter(ItemFolder(str(tmp_path)), 0, file_bytes=100)
    for item in items_of(10, text={"S": "x" * 60}):
        writer.add(pack(item))
    assert [file.items for file in writer.close()] == [2] * 5


def test_only_items_that_the_filter_takes_are_staged_and_the_others_are_counted(tmp_path):
    folder = ItemFolder(str(tmp_path))
    items = [*items_of(2, updatedat={"N": "1"}), *items_of(3, updatedat={"N": "200"}), *items_of(4)]
    segment = stage_segment(0, [ItemPage(items)], folder, ItemFilter("updatedat", before_us=100_000_000))
    assert staged(folder, segment) == items_of(2, updatedat={"N": "1"})
    assert (segment.scanned, segment.selected, segment.incomparable) == (9, 2, 4)


def pages_until(count, error):
    for number in range(count):
        yield ItemPage(items_of(2, page={"N": str(number)}))
    raise error


def test_a_segment_that_was_cut_short_is_read_again_and_its_files_do_not_count(tmp_path):
    folder = ItemFolder(str(tmp_path))
    with pytest.raises(SourceError):
        stage_segment(0, pages_until(3, SourceError("gone")), folder, writer=SegmentWriter(folder, 0, file_items=2))
    assert folder.finished([0]) == {}
    assert len(list(Path(tmp_path).rglob("*.parquet"))) == 3
    segment = stage_segment(0, [ItemPage(items_of(4))], folder)
    assert staged(folder, folder.finished([0])[0]) == items_of(4) == staged(folder, segment)


def test_of_two_tasks_that_read_one_segment_at_the_same_time_one_counts(tmp_path):
    folder = ItemFolder(str(tmp_path))
    slow = stage_segment(0, [ItemPage(items_of(3))], folder)
    fast = stage_segment(0, [ItemPage(items_of(5))], folder)
    assert staged(folder, slow) == items_of(3)
    assert staged(folder, folder.finished([0])[0]) == items_of(5) == staged(folder, fast)


def test_how_far_a_segment_is_is_said_every_few_seconds(tmp_path):
    clock, folder = FakeClock(), ItemFolder(str(tmp_path))
    seen = []

    def pages():
        for _ in range(4):
            clock.sleep(3.0)
            yield ItemPage(items_of(10), 1.0)
            seen.append(folder.progress([0]).get(0, Segment(0)).scanned)

    stage_segment(0, pages(), folder, clock=clock.monotonic)
    assert seen == [0, 20, 20, 40]


def test_the_segments_of_a_task_are_read_one_after_the_other_up_to_the_first_that_fails(tmp_path, monkeypatch):
    table = FakeScanTable(items_of(6), fails=lambda number: "AccessDeniedException" if number >= 3 else None)
    monkeypatch.setattr(TableAddress, "client", lambda self: table)
    plan = StagingPlan(scan_of(6), (0, 2, 4, 5), ItemFolder(str(tmp_path)))
    task = StageSegments(plan, tasks=2)
    (end,) = [batch.to_pylist()[0] for batch in task([_numbers(0)])]
    assert end["error"] is None
    assert sorted(plan.folder.finished(range(6))) == [0, 4]
    (end,) = [batch.to_pylist()[0] for batch in task([_numbers(1)])]
    assert (end["segment"], end["is_retryable"]) == (5, False)
    assert sorted(plan.folder.finished(range(6))) == [0, 2, 4]


def _numbers(*numbers):
    return pa.RecordBatch.from_pydict({"id": list(numbers)})


def test_a_removed_folder_has_no_finished_segments_and_can_be_removed_again(tmp_path):
    folder = ItemFolder(str(tmp_path / "staged"))
    stage_segment(0, [ItemPage(items_of(1))], folder)
    for _ in range(2):
        folder.delete()
        assert folder.finished([0]) == {}


def test_a_marker_tells_what_it_was_made_of(tmp_path):
    folder = ItemFolder(str(tmp_path))
    segment = stage_segment(7, [ItemPage(items_of(3), 1.5)], folder)
    said = json.loads((tmp_path / "segment-7" / "done.json").read_text())
    assert (said["segment"], said["scanned"], said["read_units"]) == (7, 3, 1.5)
    assert Segment.from_json(segment.to_json()) == segment
