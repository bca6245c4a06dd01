import json
import sys
from itertools import count, islice
from pathlib import Path
from unittest.mock import MagicMock

import pyarrow as pa
import pytest

from streamjoin.local.samples.orders import orders

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
# The benchmarks are scripts: they find each other by the folder that they are started in.
sys.path.insert(0, str(BENCHMARKS))

import expectation  # noqa: E402
import micro_batches  # noqa: E402
import our_way  # noqa: E402
import report  # noqa: E402
import todays_way  # noqa: E402
from stopwatch import Stopwatch  # noqa: E402

from streamjoin.entry import parse_config  # noqa: E402

RESULT_KEYS = {"versions", "machine", "measured_at", "parameters", "variants", "ratio_of_medians", "problems"}


class InstantWay:
    """A job that takes `seconds` for each step."""

    base_path = "nowhere"

    def run_batch(self, watch):
        watch.lap("read")
        watch.lap("commit")
        return 10

    def idle(self):
        pass

    def close(self):
        pass


def variant(name, step_seconds, batches):
    made = micro_batches.Variant(name, "orders", InstantWay(), rows_checked=50)
    for _ in range(batches):
        watch = Stopwatch(clock=count(0.0, step_seconds).__next__)
        made.counted.append(made.way.run_batch(watch))
        made.watches.append(watch)
    return made


def table(rows):
    return pa.table({"uuid": [u for u, _ in rows], "combinedname": pa.array([c for _, c in rows], pa.string())})


def test_the_default_is_the_issues_micro_batch():
    args = micro_batches.arguments([])
    assert (args.batches, args.warmup, args.records, args.reference_items) == (12, 4, 4_000, 4)
    assert args.table_type == ["COPY_ON_WRITE", "MERGE_ON_READ"]
    assert args.output == BENCHMARKS / "results" / "micro_batches.json"


def test_large_batches_have_their_own_defaults_and_file():
    args = micro_batches.arguments(["--large"])
    assert (args.batches, args.warmup, args.records) == (3, 2, 100_000)
    assert args.output.name == "large_batches.json"


def test_what_is_given_wins_over_the_defaults_of_large():
    args = micro_batches.arguments(["--large", "--batches", "1", "--warmup", "0", "--records", "7", "-o", "x.json"])
    assert (args.batches, args.warmup, args.records, args.output) == (1, 0, 7, Path("x.json"))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--table-type", "MERGE"], "'MERGE' is no table type; allowed: COPY_ON_WRITE, MERGE_ON_READ"),
        (["--batches", "0"], "expected a number from 1 on, found '0'"),
        (["--records", "-1"], "expected a number from 1 on, found '-1'"),
        (["--warmup", "-1"], "expected a number from 0 on, found '-1'"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_is_allowed(argv, said, capsys):
    with pytest.raises(SystemExit) as end:
        micro_batches.arguments(argv)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_made_up_countries_follow_the_real_ones():
    items = expectation.country_items(6)
    assert [item["code"] for item in items] == ["IN", "US", "AU", "DE", "X0", "X1"]
    assert [item["code"] for item in expectation.country_items(2)] == ["IN", "US"]


def test_the_expectation_is_the_plain_join_of_orders_and_countries():
    expected = expectation.expected_rows(200, expectation.country_items(4))
    assert len(expected) == 200
    assert set(expected.values()) >= {("India", "IN-India"), ("USA", "US-USA"), ("Brazil", None)}
    assert list(expected) == [order["uuid"] for order in islice(orders(), 200)]


def test_the_expected_table_has_no_problems():
    expected = {"a": ("India", "IN-India"), "b": ("Brazil", None)}
    assert expectation.table_problems(table([("b", None), ("a", "IN-India")]), expected) == []


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
    assert expectation.table_problems(table(rows), expected) == [said]


def test_a_batch_without_its_records_is_a_problem_and_an_uncounted_one_is_none():
    assert expectation.batch_problems([10, None, 9], 10) == ["batch 3: expected 10 records, found 9"]


def test_the_stopwatch_adds_up_to_the_whole():
    watch = Stopwatch(clock=iter([10.0, 10.5, 12.0, 12.25]).__next__)
    for step in ("read", "commit", "read"):
        watch.lap(step)
    assert watch.laps == {"read": 0.75, "commit": 1.5}
    assert watch.seconds == 2.25


def test_a_summary_has_median_nearest_rank_p90_and_least():
    assert report.summary([1.0, 2.0, 3.0, 4.0]) == {"median_seconds": 2.5, "p90_seconds": 4.0, "min_seconds": 1.0}
    assert report.summary([float(n) for n in range(1, 11)])["p90_seconds"] == 9.0


def test_the_result_leaves_the_warm_up_out_and_divides_today_by_ours():
    today, ours = variant(micro_batches.TODAY, 2.0, 5), variant("streamjoin, COPY_ON_WRITE", 0.5, 5)
    result = micro_batches.to_json(micro_batches.arguments(["--batches", "3", "--warmup", "2"]), [today, ours], [])
    found = result["variants"]["streamjoin, COPY_ON_WRITE"]
    assert found["seconds"] == [1.0, 1.0, 1.0]
    assert found["warmup_seconds"] == [1.0, 1.0]
    assert found["steps_median_seconds"] == {"read": 0.5, "commit": 0.5}
    assert result["ratio_of_medians"] == {"streamjoin, COPY_ON_WRITE": {"to today": 4.0}}


def test_a_problem_is_printed_and_no_success_beside_it():
    result = micro_batches.to_json(
        micro_batches.arguments(["--batches", "1", "--warmup", "0"]), [variant("today", 1, 1)], ["today: empty"]
    )
    printed = micro_batches.lines(result)
    assert "WRONG: today: empty" in printed
    assert "all rows as expected" not in printed


@pytest.mark.parametrize(("problems", "code"), [([], 0), (["today: empty"], 1)])
def test_a_problem_is_the_exit_code_and_stands_in_the_json(problems, code, monkeypatch, tmp_path):
    args = ["--batches", "1", "--warmup", "0", "-o", str(tmp_path / "new" / "result.json")]
    measured = micro_batches.to_json(micro_batches.arguments(args), [variant(micro_batches.TODAY, 1, 1)], problems)
    monkeypatch.setattr(micro_batches, "LocalStack", MagicMock())
    monkeypatch.setattr(micro_batches, "local_session", MagicMock())
    monkeypatch.setattr(micro_batches, "versions", lambda spark: {})
    monkeypatch.setattr(micro_batches, "measure", lambda spark, args, directory: measured)
    assert micro_batches.main(args) == code
    written = json.loads((tmp_path / "new" / "result.json").read_text())
    assert written.keys() == RESULT_KEYS
    assert written["problems"] == problems


def test_both_ways_are_given_the_same_columns_to_drop():
    config = parse_config(our_way.job_config("orders", "/nowhere", "MERGE_ON_READ"))
    assert {*config.output.drop, "countryname"} == set(todays_way.DROPPED)
    assert config.sink.hudi.table_type == "MERGE_ON_READ"
    assert config.payload.schema_.names == list(next(orders()))


def test_a_shards_later_sequence_number_stands_whatever_their_lengths():
    last_read = todays_way.LastRead()
    assert last_read.addInPlace({"a": "99"}, {"a": "100", "b": "1"}) == {"a": "100", "b": "1"}


@pytest.mark.parametrize(
    "path", sorted((BENCHMARKS / "results").glob("[lm]*_batches.json")), ids=lambda path: path.name
)
def test_a_published_result_was_checked_and_says_what_it_was_measured_on(path):
    result = json.loads(path.read_text())
    assert result.keys() == RESULT_KEYS
    assert result["problems"] == []
    parameters = result["parameters"]
    rounds = parameters["warmup_batches"] + parameters["batches"]
    for found in result["variants"].values():
        assert len(found["seconds"]) == parameters["batches"]
        assert found["rows_checked"] == rounds * parameters["records_per_batch"]
