import json
import sys
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path
from unittest.mock import MagicMock

import boto3
import pytest

from streamjoin.local.samples.orders import COUNTRY_ROWS, orders

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
# The benchmarks are scripts: they find each other by the folder that they are started in.
if str(BENCHMARKS) not in sys.path:
    sys.path.insert(0, str(BENCHMARKS))

import changing_reference  # noqa: E402
import own_process  # noqa: E402
import process_memory  # noqa: E402
import reference_cost  # noqa: E402
import reference_memory  # noqa: E402
import reference_report  # noqa: E402
import reference_rewriting  # noqa: E402
import request_meter  # noqa: E402
import workload  # noqa: E402
from reference_cost import BatchMeasured, Measured, Plan  # noqa: E402
from reference_memory import Stage  # noqa: E402
from reference_rewriting import ChangeMeasured, RewritingWorkload, Rewritten  # noqa: E402
from request_meter import Reads, RequestMeter, reads_of  # noqa: E402
from workload import Workload  # noqa: E402

PARAMETERS = {"versions", "machine", "measured_at", "parameters", "claims", "problems"}
FEW = Workload("orders", "countries", 4, 20)


def batch(seconds=1.0, *, items=0, read_units=0.0, changes=0, records=20, reported=0.0):
    steps = {"read": seconds / 4, "commit": seconds * 3 / 4}
    return BatchMeasured(seconds, steps, records, Reads(items, read_units, changes), reported, 0.01)


def ours(name="ours", seconds=(9.0, 1.0, 2.0, 3.0), given=FEW, **batches):
    plan = Plan(name, given, "nowhere", range(len(seconds)), 1)
    return Measured(plan, [batch(each, **batches) for each in seconds], 0.5, Reads(given.items, 1.0), 1.0)


def today(name="today", seconds=(8.0, 9.0), given=FEW, items=4):
    plan = Plan(name, given, "nowhere", range(2, 2 + len(seconds)), 0, is_today=True)
    return Measured(plan, [batch(each, items=items, read_units=1.0, reported=None) for each in seconds])


def change(**found):
    return ChangeMeasured(
        **{
            "kind": "before a batch", "is_true": True, "batches": 1, "rows_rewritten": 100, "rows_expected": 100,
            "seconds_to_commit": 1.23456, "seconds_to_query": 1.5, "query_seconds": 0.26544, "items_read": 0,
        }
        | found
    )  # fmt: skip


def stages(read=(0, 50, 0, 0, 50), peak=900_000_000):
    memory = dict.fromkeys(("driver_rss_bytes", "jvm_rss_bytes", "jvm_peak_rss_bytes", "workers_rss_bytes"), 10**8)
    names = ("Spark started", "reference loaded", "8 batches", "many changes", "stream lost")
    return [
        Stage(name, {**memory, "driver_peak_rss_bytes": peak, "workers": 2}, items)
        for name, items in zip(names, read, strict=True)
    ]


# Arguments and variants


def test_the_default_has_the_issues_numbers():
    args = changing_reference.arguments([])
    assert (args.reference_items, args.records) == (500_000, 4_000)
    assert (args.rewrite_rows, args.key_rows) == (1_000_000, 10_000)
    assert args.parts == ["cost", "memory", "rewriting"]
    assert args.table_type == ["COPY_ON_WRITE", "MERGE_ON_READ"]
    assert args.output == BENCHMARKS / "results" / "changing_reference.json"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--parts", "cost,speed"], "'speed' is no part; allowed: cost, memory, rewriting"),
        (["--reference-items", "0"], "expected a number from 1 on, found '0'"),
        (["--today-batches", "3", "--batches", "2"], "--today-batches: expected 2 (--batches) at most, found 3"),
        (["--rewrite-rows", "999"], "--rewrite-rows: expected a multiple of --key-rows (10000)"),
        (["--rewrite-rows", "50", "--key-rows", "10"], "at least 6 times as many for 4 --changes, found 50"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_is_allowed(argv, said, capsys):
    with pytest.raises(SystemExit) as end:
        changing_reference.arguments(argv)
    assert end.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_every_variant_has_its_own_stream_and_table_and_is_compared_with_the_first():
    args = changing_reference.arguments(
        ["--reference-items", "50", "--batches", "3", "--warmup", "2", "--today-batches", "1"]
    )
    found = {plan.name: plan for plan in changing_reference.plans(args, "/lake")}
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
    *_, few, many = changing_reference.plans(args, "/lake")
    assert (list(few.rounds), few.warmup) == ([0, 1], 0)
    assert (list(many.rounds), many.warmup) == ([0, 1], 0)


def test_the_first_variant_takes_each_place_and_the_others_keep_their_order():
    rounds = ["".join(reference_cost.in_turn("abcd", number)) for number in range(5)]
    assert rounds == ["abcd", "bacd", "bcad", "bcda", "abcd"]


def test_the_large_reference_is_joined_as_configured_by_default_but_for_its_segments():
    found = reference_cost.configured(replace(FEW, table_name="many"), "/lake/t")
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
    given = Workload("orders", "countries", 100, 1_000, all_items=True)
    assert len({event["country"] for event in given.events(0)}) == 100
    assert all(name is not None for _, name in given.expected(1).values())
    assert list(given.events(3)) == list(given.events(3))


def test_a_change_counts_from_its_batch_on():
    given = replace(FEW, changes=(0, 1, 0))
    rows = given.expected(3)
    names = [{rows[e["uuid"]][1] for e in given.events(number) if e["country"] == "India"} for number in range(3)]
    assert names == [{"IN-India"}, {"IN-India, changed: batch 1"}, {"IN-India, changed: batch 1"}]
    assert [given.rows_of_changes(number) > 0 for number in range(4)] == [False, True, False, False]


@pytest.mark.parametrize("all_items", [True, False])
def test_an_item_that_changes_is_one_that_its_batch_uses(all_items):
    given = Workload("orders", "countries", 5_000, 30, all_items=all_items, changes=(1,) * 8)
    assert reference_report.unseen_changes(given, 8) == []


def test_a_change_that_no_row_shows_is_an_error_of_the_benchmark():
    given = replace(FEW, records=1, changes=(1,) * 50)
    unused = [number for number in range(50) if next(given.events(number))["country"] != "India"]
    assert unused
    said = [f"batch {number + 1}: none of its events uses an item that changed before it" for number in unused]
    assert reference_report.unseen_changes(given, 50) == said


def test_many_changes_are_of_different_items():
    given = reference_memory.workload("orders", "countries", 20_000, 30, batches=2)
    assert [len({item["code"] for item in given.changed(number)}) for number in range(4)] == [1, 1, 10_001, 0]
    assert len(reference_memory.workload("orders", "countries", 7, 30, batches=1).changed(1)) == 7


def test_the_weight_of_a_table_is_that_of_names_and_texts():
    assert workload.table_bytes(1) == len("codeINcountrynameIndiacombinednameIN-India")


def test_a_filled_tables_stream_knows_nothing_of_the_filling():
    client = MagicMock()
    client.describe_table.return_value = {"Table": {"TableStatus": "ACTIVE"}}
    client.batch_write_item.return_value = {}
    workload.fill(client, "countries", 30)
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
    import pyarrow as pa  # noqa: PLC0415

    given = RewritingWorkload("orders", "countries", 60, 10, records=6)
    (found,) = reference_rewriting.encode(given, [pa.RecordBatch.from_pydict({"id": [0, 7]})])
    assert [json.loads(data) for data in found["data"].to_pylist()] == [given.event(0), given.event(7)]


# What was read


@pytest.mark.parametrize(
    ("operation", "answer", "read"),
    [
        ("Scan", {"ScannedCount": 9, "Count": 3, "ConsumedCapacity": {"CapacityUnits": 2.5}}, Reads(9, 2.5)),
        ("Query", {"ScannedCount": 2}, Reads(2)),
        ("GetItem", {"Item": {}, "ConsumedCapacity": {"CapacityUnits": 1}}, Reads(1, 1.0)),
        ("GetItem", {}, Reads()),
        (
            "BatchGetItem",
            {"Responses": {"a": [1, 2], "b": [3]}, "ConsumedCapacity": [{"CapacityUnits": 1}, {"CapacityUnits": 2}]},
            Reads(3, 3.0),
        ),
        ("GetRecords", {"Records": [1, 2]}, Reads(changes=2)),
        ("DescribeTable", {"Table": {"ItemCount": 7}}, Reads()),
        ("PutItem", {"ConsumedCapacity": {"CapacityUnits": 1}}, Reads()),
    ],
)
def test_an_answer_says_what_was_read(operation, answer, read):
    assert reads_of(operation, answer) == read


def test_the_meter_counts_every_client_and_asks_what_a_read_consumed(monkeypatch):
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    where = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
    meter = RequestMeter()
    meter.watch()
    table = boto3.resource("dynamodb", **where).Table("t")
    clients = {name: boto3.client(name, **where) for name in ("dynamodb", "dynamodbstreams", "kinesis")}
    sent = []

    def answer(model, params, **_):
        sent.append((model.name, json.loads(params["body"])))
        scanned = {"ScannedCount": 5, "ConsumedCapacity": {"CapacityUnits": 3.0}}
        return MagicMock(status_code=200), scanned if model.name == "Scan" else {"Records": [{}, {}]}

    for client in (*clients.values(), table.meta.client):
        client.meta.events.register("before-call", answer)
    clients["dynamodb"].scan(TableName="t")
    table.scan()
    clients["dynamodbstreams"].get_records(ShardIterator="i")
    clients["kinesis"].get_records(ShardIterator="i")
    assert [body for name, body in sent if name == "Scan"] == [
        {"TableName": "t", "ReturnConsumedCapacity": "TOTAL"}
    ] * 2
    # Kinesis has a GetRecords too, which is none of a reference's.
    assert meter.take() == Reads(10, 6.0, 2, Counter(Scan=2, GetRecords=1))
    assert meter.take() == Reads()


def test_a_right_run_has_no_problems():
    assert reference_report.cost_problems(ours()) == []
    assert reference_report.cost_problems(today()) == []
    changing = ours(seconds=(1.0, 1.0), given=replace(FEW, changes=(1, 1)), changes=1)
    assert reference_report.cost_problems(changing) == []


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (ours(seconds=(1, 1), items=4), "ours: batch 1: expected 0 items read, found 4"),
        (ours(seconds=(1, 1), read_units=0.5), "ours: batch 1: expected 0 read units, found 0.5"),
        (ours(seconds=(1, 1), reported=2.0), "ours: batch 1: expected 0 read units reported, found 2.0"),
        (ours(seconds=(1, 1), changes=1), "ours: batch 1: expected 0 changes read, found 1"),
        (
            ours(seconds=(1, 1), given=replace(FEW, changes=(1, 1))),
            "ours: batch 1: expected 1 changes read, found 0",
        ),
        (ours(seconds=(1, 1), records=19), "ours: batch 1: expected 20 records, found 19"),
        (replace(ours(), load_reads=Reads(3)), "ours: load: expected 4 items read, found 3"),
        (today(items=3), "today: batch 1: expected 4 items read, found 3"),
    ],
)
def test_a_wrong_read_is_a_problem(measured, said):
    assert said in reference_report.cost_problems(measured)


# Ratios and the result


def test_warm_up_batches_are_listed_and_counted_nowhere():
    found = reference_report.cost_json([ours(), today()], {"ours": 80, "today": 40})
    assert (found["ours"]["seconds"], found["ours"]["warmup_seconds"]) == ([1.0, 2.0, 3.0], [9.0])
    assert found["ours"]["median_seconds"] == 2.0
    assert found["ours"]["steps_median_seconds"] == {"read": 0.5, "commit": 1.5}
    assert found["ours"]["load"] == {"seconds": 0.5, "items_read": 4, "read_units": 1.0}
    assert found["today"]["load"] is None
    assert found["today"]["items_read_by_batch"] == [4, 4]


def test_a_ratio_is_of_medians_and_of_each_round_that_both_took_part_in():
    base, other = ours(seconds=(9, 1.0, 2.0, 4.0)), ours(seconds=(99, 2.0, 3.0, 4.0))
    assert reference_report.ratio(other, base) == {
        "of_medians": 1.5, "seconds_more": 1.0, "by_round": {"p25": 1.25, "median": 1.5, "p75": 1.75},
    }  # fmt: skip
    # Rounds 2 and 3 of both: 8 to 2, 9 to 4.
    assert reference_report.ratio(today(), base)["by_round"]["median"] == pytest.approx((8 / 2 + 9 / 4) / 2)
    assert reference_report.ratio(today(seconds=(8.0,)), base)["by_round"] is None


def test_a_ratio_to_two_variants_is_to_their_mean_in_each_round():
    bases = [ours(seconds=(9, 1.0, 2.0, 4.0)), ours(seconds=(9, 3.0, 2.0, 6.0))]
    found = reference_report.ratio_to_both(ours(seconds=(99, 2.0, 3.0, 5.0)), bases)
    assert found["by_round"] == {"p25": 1.0, "median": 1.0, "p75": 1.25}
    assert found["of_medians"] == round(3.0 / 2.5, 3)


def result_of(cost=1.04, peak=900_000_000, batches=1, problems=()):
    found = Rewritten(2.0, [change(), change(batches=batches)], [1, 2])
    return {
        "variants": reference_report.cost_json([ours(), today()], {"ours": 80, "today": 40}),
        "ratios": {
            "ours": {
                "to base": {
                    "of_medians": 9.0,
                    "seconds_more": 0.1,
                    "by_round": {"p25": 1.0, "median": cost, "p75": 1.1},
                }
            }
        },
        "memory": {"stages": reference_report.memory_json(stages(peak=peak)), "rows_checked": 200},
        "rewriting": {"COPY_ON_WRITE": reference_report.rewriting_json(found, 1_000)},
        "problems": list(problems),
    }


@pytest.mark.parametrize(
    ("found", "missed"),
    [
        ({}, []),
        ({"cost": 1.051}, ["a batch of 'ours', in terms of base, median of the rounds"]),
        ({"peak": 1_500_000_001}, ["bytes in the driver, at the peak"]),
        ({"batches": 3}, ["batches until a change is in all rows, COPY_ON_WRITE"]),
    ],
)
def test_the_bounds_stand_beside_what_was_found(found, missed):
    claims = reference_report.claims(result_of(**found), ("ours", "base"))
    assert [claim["at_most"] for claim in claims] == [1.05, 1_500_000_000, 2]
    assert [claim["claim"] for claim in claims if not claim["holds"]] == missed


def test_a_part_that_was_left_out_claims_nothing():
    assert reference_report.claims({"problems": []}, None) == []
    printed = reference_report.lines({"claims": [], "problems": []})
    assert printed[-1] == "all rows and reads as expected"


def test_a_missed_claim_and_a_problem_are_printed_and_no_success_beside_it():
    result = result_of(cost=1.2, problems=["ours: empty"])
    result["claims"] = reference_report.claims(result, ("ours", "base"))
    printed = reference_report.lines(result)
    assert "MISSED a batch of 'ours', in terms of base, median of the rounds: 1.2, claimed at most 1.05" in printed
    assert "WRONG: ours: empty" in printed
    assert "all rows and reads as expected" not in printed


# Memory and rewriting


def test_memory_is_the_drivers_its_jvms_and_its_workers(tmp_path):
    processes = [
        (7, 1, "python3", 500, 900),
        (8, 7, "java", 300, 400),
        (9, 8, "python", 20, 30),
        (10, 9, "python", 5, 6),
    ]
    for pid, parent, name, rss, peak in [*processes, (11, 1, "python", 1_000, 1_000)]:
        (tmp_path / str(pid)).mkdir()
        status = f"Name:\t{name}\nPPid:\t{parent}\nVmHWM:\t    {peak} kB\nVmRSS:\t    {rss} kB\n"
        (tmp_path / str(pid) / "status").write_text(status)
    (tmp_path / "12").mkdir()
    (tmp_path / "12" / "status").write_text("Name:\tzombie\nPPid:\t7\n")
    assert process_memory.memory_of(7, tmp_path) == {
        "driver_rss_bytes": 500 * 1024,
        "driver_peak_rss_bytes": 900 * 1024,
        "jvm_rss_bytes": 300 * 1024,
        "jvm_peak_rss_bytes": 400 * 1024,
        "workers": 2,
        "workers_rss_bytes": 25 * 1024,
    }


def test_a_system_that_does_not_tell_of_memory_is_named(tmp_path):
    with pytest.raises(RuntimeError, match="has no process 7: memory can be measured on Linux only"):
        process_memory.memory_of(7, tmp_path)


def test_memory_has_problems_when_it_is_too_much_or_the_table_was_read_at_another_time():
    assert reference_report.memory_problems(stages(), 50) == []
    assert reference_report.memory_problems(stages(peak=1_500_000_000), 50) == [
        "memory: expected less than 1,500,000,000 bytes in the driver, found a peak of 1,500,000,000"
    ]
    assert reference_report.memory_problems(stages(read=(0, 50, 0, 50, 0)), 50) == [
        "memory: after 'many changes': expected 0 items read, found 50",
        "memory: after 'stream lost': expected 50 items read, found 0",
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
    problems = reference_report.rewriting_problems(Rewritten(1.0, [change(), change(**found)], [1, 2]))
    assert problems == [f"change 2, before a batch: {each}" for each in said]


def test_the_first_change_is_listed_and_not_counted():
    found = Rewritten(2.0, [change(batches=4), change()], [1, 2])
    written = reference_report.rewriting_json(found, 1_000)
    assert written["warmup_change"]["batches"] == 4
    assert [each["seconds_to_commit"] for each in written["changes"]] == [1.235]
    result = {"rewriting": {"COPY_ON_WRITE": written}}
    assert reference_report.claims(result, None)[0]["found"] == 1


# The run


@pytest.mark.parametrize(("problems", "code"), [([], 0), (["ours: empty"], 1)])
def test_a_problem_is_the_exit_code_and_stands_in_the_json(problems, code, monkeypatch, tmp_path):
    around = {"versions": {"python": "3"}, "measured_at": "now", "parameters": {}, "claims": []}
    measured = {**around, **result_of(problems=problems)}
    monkeypatch.setattr(changing_reference, "LocalStack", MagicMock())
    monkeypatch.setattr(changing_reference, "measure", lambda args, directory: measured)
    output = tmp_path / "new" / "result.json"
    assert changing_reference.main(["-o", str(output)]) == code
    written = json.loads(output.read_text())
    assert written.keys() >= PARAMETERS
    assert written["versions"].keys() == {"streamjoin_commit", "python"}
    assert written["problems"] == problems


def test_only_the_parts_that_are_asked_for_run(monkeypatch):
    filled = []
    monkeypatch.setattr(changing_reference, "_fill", lambda name, items: filled.append((name, items)))
    for part in ("cost", "memory", "rewriting"):
        monkeypatch.setattr(changing_reference, f"measure_{part}", MagicMock(return_value=None))
    changing_reference.measure(changing_reference.arguments(["--parts", "memory", "--reference-items", "9"]), "/lake")
    assert filled == [("countries_many", 9)]
    assert not changing_reference.measure_cost.called
    assert changing_reference.measure_memory.called
    assert not changing_reference.measure_rewriting.called


def test_a_part_runs_in_another_process_and_its_error_comes_back():
    assert own_process.in_own_process(workload.table_bytes, 2) == workload.table_bytes(2)
    with pytest.raises(ZeroDivisionError):
        own_process.in_own_process(divmod, 1, 0)


@pytest.mark.parametrize(
    "path", sorted((BENCHMARKS / "results").glob("changing_reference*.json")), ids=lambda path: path.name
)
def test_a_published_result_was_checked_and_says_what_it_was_measured_on(path):
    result = json.loads(path.read_text())
    assert result.keys() >= PARAMETERS
    assert result["problems"] == []
    for found in result.get("variants", {}).values():
        batches = len(found["warmup_seconds"]) + len(found["seconds"])
        assert found["rows_checked"] == batches * result["parameters"]["records_per_batch"]
    for found in result.get("rewriting", {}).values():
        assert found["rows_checked"] > result["parameters"]["rewrite_rows"]


def test_the_first_four_items_are_those_of_the_orders():
    assert [workload.country_item(number) for number in range(4)] == list(COUNTRY_ROWS)
    assert request_meter.ITEM_READS == ("Scan", "Query", "GetItem", "BatchGetItem")
