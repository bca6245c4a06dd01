import json
from collections import Counter
from dataclasses import replace
from itertools import islice
from unittest.mock import MagicMock

import pytest
from botocore.exceptions import ClientError

from benchmarks import workload
from benchmarks.changing_reference import __main__ as changing_reference
from benchmarks.changing_reference import cost, memory, rewriting
from benchmarks.changing_reference.cost import BOTH_OF_FEW, Plan
from benchmarks.changing_reference.rewriting import RewritingWorkload
from benchmarks.request_meter import Reads
from benchmarks.variants import Batch
from benchmarks.workload import Workload
from streamjoin.local.samples.orders import orders

FEW = Workload("orders", 4, 20)


def batch(seconds, items=0, read_units=0.0, changes=0, records=20, reported=0.0):
    more = {"reads": Reads(items, read_units, changes), "reported": reported, "gc_seconds": 0.01}
    return Batch(seconds, {"read": seconds / 4}, records, more)


def ours(seconds=(1.0, 1.0), given=FEW, loaded=4, **batches):
    found = [batch(each, **batches) for each in seconds]
    load = 0.5, Reads(loaded, 1.0)
    return Plan("ours", range(len(seconds)), 1, found, workload=given, base_path="nowhere", load=load)


def today(items=4):
    found = [batch(each, items, 1.0, reported=None) for each in (8.0, 9.0)]
    return Plan("today", range(2, 4), 0, found, workload=FEW, base_path="nowhere", is_today=True)


def change(**found):
    right = {"kind": "before a batch", "is_true": True, "batches": 1, "rows_rewritten": 100, "rows_expected": 100}
    return right | {"items_read": 0} | found


def stages(read=(0, 50, 0, 0, 50), peak=900_000_000):
    names = ("Spark started", "reference loaded", "8 batches", "many changes", "stream lost")
    return [
        {"after": name, "driver_peak_rss_bytes": peak, "items_read": items}
        for name, items in zip(names, read, strict=True)
    ]


# Variants


def test_every_variant_has_its_own_stream_and_table_and_is_compared_with_the_first():
    args = changing_reference.arguments(
        ["--reference-items", "50", "--batches", "3", "--warmup", "2", "--today-batches", "1"]
    )
    found = {plan.name: plan for plan in cost.plans(args, "/lake")}
    assert list(found) == [
        "streamjoin, 4 items", "streamjoin, 4 items, again", "streamjoin, 50 items", "streamjoin, 50 items, all used",
        "streamjoin, 50 items, a change a batch", "today, 4 items", "today, 50 items",
    ]  # fmt: skip
    assert len({plan.base_path for plan in found.values()}) == len(found)
    assert len({plan.workload.stream_name for plan in found.values()}) == len(found)
    assert [list(plan.rounds) for plan in found.values()] == [*[[0, 1, 2, 3, 4]] * 5, [0, 1, 4], [4]]
    assert [plan.warmup for plan in found.values()] == [2, 2, 2, 2, 2, 2, 0]
    assert [plan.is_today for plan in found.values()] == [False] * 5 + [True] * 2
    changing = found["streamjoin, 50 items, a change a batch"].workload
    assert changing.table_name not in {plan.workload.table_name for plan in found.values() if "change" not in plan.name}
    assert [len(changing.changed(number)) for number in range(6)] == [1, 1, 1, 1, 1, 0]


def test_today_without_a_warm_up_has_its_measured_batches_alone():
    args = changing_reference.arguments(["--batches", "2", "--warmup", "0", "--today-batches", "2"])
    *_, few, many = cost.plans(args, "/lake")
    assert (list(few.rounds), few.warmup) == ([0, 1], 0)
    assert (list(many.rounds), many.warmup) == ([0, 1], 0)


def test_the_large_reference_is_joined_as_configured_by_default_but_for_its_segments():
    found = cost.configured(replace(FEW, table_name="many"), "/lake/t")
    (reference,) = found["references"]
    assert reference["dynamodb"] == {"table_name": "many", "scan_segments": workload.SCAN_SEGMENTS}
    assert "refresh" not in reference
    assert found["sink"]["hudi"]["table_type"] == "MERGE_ON_READ"


# Workloads and what their tables must hold


def test_few_items_are_used_as_the_orders_have_them():
    assert [list(FEW.events(number)) for number in (0, 1)] == [
        list(islice(orders(), 20)), list(islice(orders(start=20), 20)),
    ]  # fmt: skip
    expected = FEW.expected(2)
    assert len(expected) == 40
    assert set(expected.values()) >= {("India", "IN-India"), ("Brazil", None)}


def test_all_items_are_used_when_told_and_each_event_has_a_row():
    given = Workload("orders", 100, 1_000, all_items=True)
    assert len({event["country"] for event in given.events(0)}) == 100
    assert all(name is not None for _, name in given.expected(1).values())
    assert list(given.events(3)) == list(given.events(3))


def test_a_change_counts_from_its_batch_on():
    given = replace(FEW, changes=(0, 1, 0))
    rows = given.expected(3)
    names = [{rows[e["uuid"]][1] for e in given.events(number) if e["country"] == "India"} for number in range(3)]
    assert names == [{"IN-India"}, {"IN-India, changed: batch 1"}, {"IN-India, changed: batch 1"}]
    assert given.unseen_changes(4) == []


@pytest.mark.parametrize("all_items", [True, False])
def test_an_item_that_changes_is_one_that_its_batch_uses(all_items):
    given = Workload("orders", 5_000, 30, all_items=all_items, changes=(1,) * 8)
    assert given.unseen_changes(8) == []


def test_a_change_that_no_row_shows_is_an_error_of_the_benchmark():
    given = replace(FEW, records=1, changes=(1,) * 50)
    unused = [number for number in range(50) if next(given.events(number))["country"] != "India"]
    assert unused
    said = [f"batch {number + 1}: none of its events uses an item that changed before it" for number in unused]
    assert given.unseen_changes(50) == said


def test_many_changes_are_of_different_items():
    given = memory.workload(20_000, 30, batches=2)
    assert [len({item["code"] for item in given.changed(number)}) for number in range(4)] == [1, 1, 10_001, 0]
    assert len(memory.workload(7, 30, batches=1).changed(1)) == 7


def test_the_weight_of_a_table_is_that_of_names_and_texts():
    assert workload.table_bytes(1) == len("codeINcountrynameIndiacombinednameIN-India")


def test_a_filled_tables_stream_knows_nothing_of_the_filling(monkeypatch):
    client = MagicMock()
    monkeypatch.setattr(workload, "aws_client", lambda _: client)
    client.meta.region_name = "us-east-1"
    names = ("code", "countryname")
    table = {
        "TableStatus": "ACTIVE",
        "KeySchema": [{"AttributeName": n, "KeyType": k} for n, k in zip(names, ("HASH", "RANGE"), strict=True)],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in names],
    }
    missing = ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "DescribeTable")
    client.describe_table.side_effect = [missing, *[{"Table": table}] * 9]
    client.batch_write_item.return_value = {}
    workload.fill(30, "countries")
    calls = [name for name, _, _ in client.mock_calls if name != "describe_table"]
    assert calls == ["create_table", "update_table", "batch_write_item", "batch_write_item", "update_table"]
    streams = [call.kwargs["StreamSpecification"] for call in client.update_table.call_args_list]
    assert streams == [{"StreamEnabled": False}, {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}]


def test_the_rewritten_tables_rows_are_spread_evenly_over_the_items():
    given = RewritingWorkload("orders", "countries", 60, 10, records=6)
    assert given.items == 6
    assert set(Counter(given.event(index)["country"] for index in range(60)).values()) == {10}
    assert Counter(event["country"] for event in given.batch(0, 2)) == {"Australia": 3, "India": 3}


def test_the_rewritten_table_must_have_the_newest_value_in_every_row():
    given = RewritingWorkload("orders", "countries", 60, 10, records=6)
    place, item = given.change(1)
    assert (place, item["combinedname"]) == (2, "AU-Australia, changed: change 1")
    rows = given.expected(2, [1, 2])
    assert len(rows) == 60 + 2 * 6
    found = Counter(rows.values())
    assert found["USA", "US-USA, changed: change 0"] == 10 + 3
    assert found["Australia", "AU-Australia, changed: change 1"] == 10 + 3
    assert found["India", "IN-India"] == 10 + 6


def test_bulk_records_are_the_events_as_a_stream_gives_them():
    found = workload.records_of("orders", workload.payloads_of(FEW.events(0)), 10**55)
    assert [json.loads(data) for data in found["data"].to_pylist()] == list(FEW.events(0))
    assert found["sequence_number"].to_pylist() == [str(10**55 + index) for index in range(20)]


# What was read


def test_a_right_run_has_no_problems():
    assert cost.problems(ours()) == []
    assert cost.problems(today()) == []
    assert cost.problems(ours(given=replace(FEW, changes=(1, 1)), changes=1)) == []


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (ours(items=4), "batch 1: expected 0 items read, found 4"),
        (ours(read_units=0.5), "batch 1: expected 0 read units, found 0.5"),
        (ours(reported=2.0), "batch 1: expected 0 read units reported, found 2.0"),
        (ours(changes=1), "batch 1: expected 0 changes read, found 1"),
        (ours(given=replace(FEW, changes=(1, 1))), "batch 1: expected 1 changes read, found 0"),
        (ours(records=19), "batch 1: expected 20 records, found 19"),
        (ours(loaded=3), "load: expected 4 items read, found 3"),
        (today(items=3), "batch 1: expected 4 items read, found 3"),
    ],
)
def test_a_wrong_read_is_a_problem(measured, said):
    assert said in cost.problems(measured)


def test_the_load_is_listed_beside_the_batches():
    found = ours((9.0, 2.0)).to_json(80)
    assert found["load"] == {"seconds": 0.5, "items_read": 4, "read_units": 1.0}
    assert (today().to_json(40)["load"], today().to_json(40)["items_read_by_batch"]) == (None, [4, 4])


def test_memory_has_problems_when_it_is_too_much_or_the_table_was_read_at_another_time():
    assert memory.problems(stages(), 50) == []
    assert memory.problems(stages(peak=1_500_000_000), 50) == [
        "expected less than 1,500,000,000 bytes in the driver, found a peak of 1,500,000,000"
    ]
    assert memory.problems(stages(read=(0, 50, 0, 50, 0)), 50) == [
        "after 'many changes': expected 0 items read, found 50",
        "after 'stream lost': expected 50 items read, found 0",
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, []),
        ({"is_true": False, "batches": 2}, ["not in all rows after 2 batches"]),
        ({"batches": 3}, ["expected 2 batches at most, found 3"]),
        ({"rows_rewritten": 99}, ["expected 100 rows rewritten, found 99"]),
        ({"items_read": 100}, ["expected 0 items read, found 100"]),
    ],
)
def test_a_change_that_was_not_followed_rightly_is_a_problem(found, said):
    problems = rewriting.problems([change(), change(**found)])
    assert problems == [f"change 2, before a batch: {each}" for each in said]


# The result


def result_of(cost=1.04, peak=900_000_000, batches=1):
    ratios = {"to base": {"by_round": {"median": 9.0}}}
    return {
        "ratios": {
            "again": ratios,
            "ours": ratios | {BOTH_OF_FEW: {"by_round": {"median": cost}}},
            "ours, all used": ratios | {BOTH_OF_FEW: {"by_round": {"median": 9.0}}},
        },
        "memory": {"stages": stages(peak=peak)},
        "rewriting": {"COPY_ON_WRITE": {"warmup_change": change(batches=4), "changes": [change(batches=batches)]}},
    }


@pytest.mark.parametrize(
    ("found", "missed"),
    [
        ({}, []),
        ({"cost": 1.051}, ["a batch of 'ours', in terms of both of 4 items, median of the rounds"]),
        ({"peak": 1_500_000_001}, ["bytes in the driver, at the peak"]),
        ({"batches": 3}, ["batches until a change is in all rows, COPY_ON_WRITE"]),
    ],
)
def test_the_bounds_stand_beside_what_was_found(found, missed):
    claims = changing_reference.claims(result_of(**found))
    assert [claim["at_most"] for claim in claims] == [1.05, 1_500_000_000, 2]
    assert [claim["claim"] for claim in claims if not claim["holds"]] == missed


def test_a_part_that_was_left_out_claims_nothing_and_says_nothing():
    assert changing_reference.claims({}) == []
    assert changing_reference.lines({}) == []


def test_only_the_parts_that_are_asked_for_run(monkeypatch):
    filled = []
    monkeypatch.setattr(changing_reference, "fill", lambda items, name: filled.append((name, items)))
    for part in ("cost", "memory", "rewriting"):
        monkeypatch.setattr(changing_reference, f"measure_{part}", MagicMock())
    args = changing_reference.arguments(["--parts", "memory", "--reference-items", "9"])
    changing_reference.measure(args, "/lake", {"parameters": {}})
    assert filled == [("countries_many", 9)]
    assert not changing_reference.measure_cost.called
    assert changing_reference.measure_memory.called
    assert not changing_reference.measure_rewriting.called
