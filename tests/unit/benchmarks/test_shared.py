"""What all benchmarks share: the check of a table, alternating variants, ratios, memory, the run itself."""

import json
from itertools import count, islice
from types import SimpleNamespace
from unittest.mock import MagicMock

import boto3
import pyarrow as pa
import pytest

from benchmarks import process_memory, run, todays_way
from benchmarks.arguments import Arguments
from benchmarks.expectation import table_problems
from benchmarks.our_way import job_config
from benchmarks.page import at_least, at_most
from benchmarks.request_meter import Reads, RequestMeter, reads_of
from benchmarks.stopwatch import Stopwatch
from benchmarks.variants import Batch, Steady, Variant, in_turn, measure_steady, percentile, ratio
from benchmarks.workload import country_item
from streamjoin.entry import parse_config
from streamjoin.local.samples.orders import orders


def table(rows):
    return pa.table({"uuid": [u for u, _ in rows], "combinedname": pa.array([c for _, c in rows], pa.string())})


def variant(*seconds, rounds=None, warmup=0):
    rounds = range(len(seconds)) if rounds is None else rounds
    return Variant("ours", rounds, warmup, [Batch(each, {"read": each / 4}, 20) for each in seconds])


# What a table must hold


def test_the_expected_table_has_no_problems():
    expected = {"a": ("India", "IN-India"), "b": ("Brazil", None)}
    assert table_problems(table([("b", None), ("a", "IN-India")]), expected) == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "expected 2 uuids, 2 missing: a; b"),
        ([("a", "IN-India")], "expected 2 uuids, 1 missing: b"),
        ([("a", "IN-India"), ("b", None), ("c", None)], "expected 2 uuids, 1 never sent: c"),
        ([("a", "IN-India"), ("b", None), ("b", None)], "expected one row a uuid, found 3 rows of 2"),
        ([("a", None), ("b", None)], "1 rows with another combinedname: a of 'India': expected 'IN-India', found None"),
        ([("a", "IN-India"), ("b", "X")], "1 rows with another combinedname: b of 'Brazil': expected None, found 'X'"),
    ],
)
def test_a_wrong_table_is_a_problem_by_name(rows, said):
    expected = {"a": ("India", "IN-India"), "b": ("Brazil", None)}
    assert table_problems(table(rows), expected) == [said]


# Variants


def test_steady_variants_are_given_the_same_batches_and_a_wrong_one_is_a_problem():
    sent = {"right": [], "wrong": []}

    def steady(name, records, problems=()):
        way = SimpleNamespace(idle=lambda: None, close=lambda: None)
        way.run_batch = lambda watch: watch.lap("read") or records
        return Steady(way, sent[name].append, lambda: (50, list(problems)))

    result = {"problems": []}
    found = {"right": steady("right", 10), "wrong": steady("wrong", 9, ["empty"])}
    measure_steady(SimpleNamespace(warmup=1, batches=2, records=10), found, result)
    assert sent == {"right": [0, 1, 2], "wrong": [0, 1, 2]}
    assert result["problems"] == [
        *(f"wrong: batch {number}: expected 10 records, found 9" for number in (1, 2, 3)), "wrong: empty",
    ]  # fmt: skip
    assert [len(result["variants"]["right"][key]) for key in ("seconds", "warmup_seconds")] == [2, 1]


def test_the_first_variant_takes_each_place_and_the_others_keep_their_order():
    assert ["".join(in_turn("abcd", number)) for number in range(5)] == ["abcd", "bacd", "bcad", "bcda", "abcd"]


def test_batches_that_do_not_count_are_listed_and_counted_nowhere():
    found = variant(9.0, 1.0, 2.0, 3.0, warmup=1).to_json(80)
    assert (found["seconds"], found["warmup_seconds"], found["rows_checked"]) == ([1.0, 2.0, 3.0], [9.0], 80)
    assert (found["median_seconds"], found["mean_seconds"], found["max_seconds"]) == (2.0, 2.0, 3.0)
    assert found["steps_median_seconds"] == {"read": 0.5}


def test_a_ratio_is_of_medians_and_means_and_of_each_round_that_both_took_part_in():
    base = variant(9, 1.0, 2.0, 4.0, warmup=1)
    found = ratio(variant(99, 2.0, 3.0, 4.0, warmup=1), base)
    assert (found["of_medians"], found["seconds_more"]) == (1.5, 1.0)
    assert found["by_round"] == {"p25": 1.25, "median": 1.5, "p75": 1.75}
    slow = ratio(variant(1.0, 1.0, 1.0, 5.0), variant(*[1.0] * 4))
    assert (slow["of_medians"], slow["of_means"], slow["by_round"]["median"]) == (1.0, 2.0, 1.0)
    # Rounds 2 and 3 of both: 8 to 2, 9 to 4.
    late = ratio(variant(8.0, 9.0, rounds=(2, 3)), base)
    assert late["by_round"]["median"] == pytest.approx((8 / 2 + 9 / 4) / 2)


def test_a_ratio_to_two_variants_is_to_their_mean_in_each_round():
    found = ratio(variant(2.0, 3.0, 5.0), variant(1.0, 2.0, 4.0), variant(3.0, 2.0, 6.0))
    assert found["by_round"] == {"p25": 1.0, "median": 1.0, "p75": 1.25}
    assert found["of_medians"] == round(3.0 / 2.5, 3)


def test_a_percentile_is_one_of_the_values():
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.9, 0.99, 1.0)] == [50.0, 90.0, 99.0, 100.0]
    assert percentile([7.0], 0.99) == 7.0


def test_the_stopwatch_adds_up_to_the_whole():
    watch = Stopwatch(clock=count(10.0, 0.5).__next__)
    for step in ("read", "commit", "read"):
        watch.lap(step)
    assert watch.laps == {"read": 1.0, "commit": 0.5}
    assert watch.seconds == 1.5


def test_both_ways_are_given_the_same_columns_to_drop():
    config = parse_config(job_config("orders", "/nowhere", "MERGE_ON_READ"))
    assert {*config.output.drop, "countryname"} == set(todays_way.DROPPED)
    assert config.sink.hudi.table_type == "MERGE_ON_READ"
    assert config.payload.schema_.names == list(next(orders()))


def test_a_shards_later_sequence_number_stands_whatever_their_lengths():
    last_read = todays_way.LastRead()
    assert last_read.addInPlace({"a": "99"}, {"a": "100", "b": "1"}) == {"a": "100", "b": "1"}


# What was read of DynamoDB


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
    asked = {"TableName": "t", "ReturnConsumedCapacity": "TOTAL"}
    assert [body for name, body in sent if name == "Scan"] == [asked] * 2
    # Kinesis has a GetRecords too, which is none of a reference's.
    assert meter.take() == Reads(10, 6.0, 2)
    assert meter.take() == Reads()


# Memory and processor time


def test_memory_and_processor_time_are_the_drivers_its_jvms_and_its_workers(tmp_path):
    ticks = process_memory.TICKS_PER_SECOND
    processes = [
        (7, 1, "python3", 500, 900, 1),
        (8, 7, "java", 300, 400, 2),
        (9, 8, "python", 20, 30, 4),
        (10, 9, "python", 5, 6, 8),
        (11, 1, "python", 1_000, 1_000, 100),
    ]
    for pid, parent, name, rss, peak, seconds in processes:
        (tmp_path / str(pid)).mkdir()
        status = f"Name:\t{name}\nPPid:\t{parent}\nVmHWM:\t    {peak} kB\nVmRSS:\t    {rss} kB\n"
        (tmp_path / str(pid) / "status").write_text(status)
        spent = f"{pid} (a ) b) S {parent} 1 1 0 -1 0 0 0 0 0 {seconds * ticks - 1} 1 0 0"
        (tmp_path / str(pid) / "stat").write_text(spent)
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
    assert process_memory.cpu_seconds(7, tmp_path) == 15


def test_a_system_that_does_not_tell_of_memory_is_named(tmp_path):
    with pytest.raises(RuntimeError, match="has no process 7: memory can be measured on Linux only"):
        process_memory.memory_of(7, tmp_path)


# The run


def measured(problems, monkeypatch, tmp_path, **more):
    monkeypatch.setattr(run, "LocalStack", MagicMock())
    output = tmp_path / "new" / "result.json"
    parser = Arguments("A benchmark.", "none.json")
    parser.number("--rounds", 3, "of them", "rounds_of_each")
    args = parser.parsed(["-o", str(output)], shards=4)
    code = run.run(
        args, lambda args, directory, result: result["problems"].extend(problems), lambda _: ["text"], **more
    )
    return code, json.loads(output.read_text())


@pytest.mark.parametrize(("problems", "code"), [([], 0), (["today: empty"], 1)])
def test_a_problem_is_the_exit_code_and_stands_in_the_json(problems, code, monkeypatch, tmp_path, capsys):
    claims = [at_most("seconds", 1.3, 1.5), at_least("a second", 2_000, 2_001)]
    found, written = measured(problems, monkeypatch, tmp_path, claims=lambda _: claims)
    assert found == code
    assert written.keys() == {*("machine", "versions", "measured_at", "parameters", "problems", "claims")}
    assert written["parameters"] == {"rounds_of_each": 3, "shards": 4}
    assert (written["problems"], [claim["holds"] for claim in written["claims"]]) == (problems, [False, True])
    printed = capsys.readouterr().out
    # A claim that a busy machine missed is no problem.
    assert "MISSED seconds: 1.5, claimed at most 1.3" in printed
    assert ("WRONG: today: empty" in printed) == bool(problems)
    assert ("as expected" in printed) != bool(problems)


def test_parts_that_were_not_measured_now_stay_in_the_file(tmp_path):
    file, same = tmp_path / "file.json", {"parameters": {"rounds": 4}, "problems": []}
    file.write_text(json.dumps(same | {"growth": {"A": 1, "B": 1}, "backlog": {"C": 1}}))
    found = run.beside_earlier_parts(same | {"growth": {"B": 2}}, file, ("growth", "backlog", "other"))
    assert found == same | {"growth": {"A": 1, "B": 2}, "backlog": {"C": 1}}


@pytest.mark.parametrize("earlier", [{"parameters": {"rounds": 5}}, {"problems": ["old: empty"]}])
def test_parts_of_other_parameters_or_with_problems_do_not_stay(earlier, tmp_path):
    file, same = tmp_path / "file.json", {"parameters": {"rounds": 4}, "problems": []}
    file.write_text(json.dumps(same | {"growth": {"A": 1}} | earlier))
    result = same | {"growth": {"B": 2}}
    assert run.beside_earlier_parts(result, file, ("growth",)) == result


def test_made_up_countries_follow_the_real_ones():
    assert [country_item(number)["code"] for number in islice(count(), 6)] == ["IN", "US", "AU", "DE", "X0", "X1"]
