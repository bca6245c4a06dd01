"""The command lines of all benchmarks."""

import pytest

from benchmarks.arguments import RESULTS
from benchmarks.backfill.__main__ import arguments as backfill
from benchmarks.changing_reference.__main__ import arguments as changing_reference
from benchmarks.replicate.__main__ import arguments as replicate


def test_the_defaults_are_the_issues_numbers():
    args = changing_reference([])
    assert (args.reference_items, args.rewrite_rows, args.key_rows) == (500_000, 1_000_000, 10_000)
    assert args.parts == ["cost", "memory", "rewriting"]
    assert args.table_type == ["COPY_ON_WRITE", "MERGE_ON_READ"]
    assert args.output == RESULTS / "changing_reference.json"
    assert (replicate([]).rows, replicate([]).rate, backfill([]).items) == (100_000, 200, 1_000_000)


@pytest.mark.parametrize(
    ("arguments", "argv", "said"),
    [
        (
            changing_reference,
            ["--table-type", "MERGE"],
            "'MERGE' is no table type; allowed: COPY_ON_WRITE, MERGE_ON_READ",
        ),
        (changing_reference, ["--batches", "0"], "expected a number from 1 on, found '0'"),
        (changing_reference, ["--warmup", "-1"], "expected a number from 0 on, found '-1'"),
        (changing_reference, ["--parts", "cost,speed"], "'speed' is no part; allowed: cost, memory, rewriting"),
        (changing_reference, ["--today-batches", "3", "--batches", "2"], "expected 2 (--batches) at most, found 3"),
        (changing_reference, ["--rewrite-rows", "999"], "expected a multiple of --key-rows (10000)"),
        (changing_reference, ["--rewrite-rows", "50", "--key-rows", "10"], "at least 6 times as many for 4 --changes"),
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
