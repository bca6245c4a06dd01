"""The command lines of all benchmarks."""

import pytest

from benchmarks.arguments import RESULTS
from benchmarks.backfill.__main__ import arguments as backfill
from benchmarks.changing_reference.__main__ import arguments as changing_reference
from benchmarks.long_run.__main__ import arguments as long_run
from benchmarks.micro_batches.__main__ import arguments as micro_batches
from benchmarks.replicate.__main__ import arguments as replicate


def test_the_defaults_are_the_issues_numbers():
    args = micro_batches([])
    assert (args.batches, args.warmup, args.records, args.reference_items) == (12, 4, 4_000, 4)
    assert args.table_type == ["COPY_ON_WRITE", "MERGE_ON_READ"]
    assert args.output == RESULTS / "micro_batches.json"
    args = changing_reference([])
    assert (args.reference_items, args.rewrite_rows, args.key_rows) == (500_000, 1_000_000, 10_000)
    assert args.parts == ["cost", "memory", "rewriting"]
    args = long_run([])
    assert (args.commits, args.fresh_commits, args.rounds) == (1_000, 20, 20)
    assert args.backlog >= 10 * args.backlog_limit
    assert (replicate([]).rows, replicate([]).rate, backfill([]).items) == (100_000, 200, 1_000_000)


def test_large_batches_have_their_own_defaults_and_file_and_what_is_given_wins():
    args = micro_batches(["--large"])
    assert (args.batches, args.warmup, args.records, args.output.name) == (3, 2, 100_000, "large_batches.json")
    args = micro_batches(["--large", "--batches", "1", "--warmup", "0", "--records", "7", "-o", "x.json"])
    assert (args.batches, args.warmup, args.records, args.output.name) == (1, 0, 7, "x.json")


@pytest.mark.parametrize(
    ("arguments", "argv", "said"),
    [
        (micro_batches, ["--table-type", "MERGE"], "'MERGE' is no table type; allowed: COPY_ON_WRITE, MERGE_ON_READ"),
        (micro_batches, ["--batches", "0"], "expected a number from 1 on, found '0'"),
        (micro_batches, ["--warmup", "-1"], "expected a number from 0 on, found '-1'"),
        (changing_reference, ["--parts", "cost,speed"], "'speed' is no part; allowed: cost, memory, rewriting"),
        (changing_reference, ["--today-batches", "3", "--batches", "2"], "expected 2 (--batches) at most, found 3"),
        (changing_reference, ["--rewrite-rows", "999"], "expected a multiple of --key-rows (10000)"),
        (changing_reference, ["--rewrite-rows", "50", "--key-rows", "10"], "at least 6 times as many for 4 --changes"),
        (long_run, ["--keys", "1500"], "--keys: expected a multiple of --records (1000), at most what 20"),
        (long_run, ["--keys", "21000"], "--keys: expected a multiple of --records (1000), at most what 20"),
        (long_run, ["--commits", "19"], "--commits: expected 20 (--fresh-commits) at least, found 19"),
        (long_run, ["--hudi-option", "keep=3"], "expected hoodie.…=VALUE, found 'keep=3'"),
        (long_run, ["--hudi-option", "hoodie.keep"], "expected hoodie.…=VALUE, found 'hoodie.keep'"),
        (replicate, ["--rows", "10", "--bulk", "11"], "--bulk: expected 10 (--rows) at most"),
        (replicate, ["--rows", "10", "--bulk", "9", "--replay", "11"], "--replay: expected 10 (--rows) at most"),
        (replicate, ["--rows", "99999", "--warmup", "90000"], "--warmup and --changes: expected 99,999 (--rows)"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_is_allowed(arguments, argv, said, capsys):
    with pytest.raises(SystemExit) as end:
        arguments(argv)
    assert end.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())
