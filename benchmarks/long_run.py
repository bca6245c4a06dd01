"""Long runs: what a batch takes after 1,000 commits, and whether memory stays flat; a backlog in bounded memory.

Every table is checked row by row afterwards; a wrong one makes the run fail. See README.md beside this file.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import long_run_backlog
import long_run_growth
import pyarrow as pa
from arguments import positive, some_of
from expectation import country_items, expected_rows, table_problems
from long_run_backlog import Backlog
from long_run_growth import Growth, Plan
from long_run_report import backlog_json, backlog_problems, claims, growth_json, growth_problems, lines
from long_run_updates import SHARDS, VERSION_COLUMN, Updates
from micro_batches import TABLE_TYPES
from own_process import in_own_process
from report import commit, machine, publish

from streamjoin.aws.clients import aws_client
from streamjoin.history import checkpoint
from streamjoin.history.ledger import Ledger
from streamjoin.local.samples.orders import COUNTRY_REFERENCE, COUNTRY_ROWS, orders
from streamjoin.local.samples.produce import produce
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import create_stream, create_table, put_items
from streamjoin.query import read_table

HERE = Path(__file__).resolve().parent
PARTS = ("growth", "backlog")


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add: Callable[..., Any] = parser.add_argument
    add("--parts", type=some_of(PARTS, "part"), default=list(PARTS), help=f"some of {','.join(PARTS)} (default: all)")
    add("--table-type", type=some_of(TABLE_TYPES, "table type"), default=list(TABLE_TYPES), help="one or both")
    add("--commits", type=positive, default=1_000, help="of the old table (default: 1000)")
    add("--fresh-commits", type=positive, default=20, help="of the fresh tables (default: 20)")
    add("--rounds", type=positive, default=20, help="then so many batches of each, in turn (default: 20)")
    add("--records", type=positive, default=1_000, help="records of a batch (default: 1000)")
    add("--keys", type=positive, default=10_000, help="rows that a table has and keeps (default: 10000)")
    add("--sample-every", type=positive, default=50, help="commits from one look at files and memory to the next (50)")
    add("--hudi-option", type=hudi_option, action="append", default=[], help="KEY=VALUE, instead of the default")
    add("--backlog", type=positive, default=150_000, help="records of the backlog (default: 150000)")
    add("--backlog-limit", type=positive, default=5_000, help="records of a batch of it at most (default: 5000)")
    add("-o", "--output", type=Path, default=HERE / "results" / "long_run.json", help="the JSON file")
    args = parser.parse_args(argv)
    if args.keys % args.records or args.keys > args.records * args.fresh_commits:
        parser.error(
            f"--keys: expected a multiple of --records ({args.records}), at most what {args.fresh_commits} "
            f"--fresh-commits write, found {args.keys}"
        )
    if args.commits < args.fresh_commits:
        parser.error(f"--commits: expected {args.fresh_commits} (--fresh-commits) at least, found {args.commits}")
    return args


def hudi_option(text: str) -> tuple[str, str]:
    """Return the key and the value of an option of Hudi."""
    key, equals, value = text.partition("=")
    if not equals or not key.startswith("hoodie."):
        message = f"expected hoodie.…=VALUE, found {text!r}"
        raise argparse.ArgumentTypeError(message)
    return key, value


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, check, print, and write the JSON; return the exit code."""
    args = arguments(argv)
    # Both before anything is measured: a checkout may move on meanwhile.
    before, head = machine(), commit()
    with tempfile.TemporaryDirectory(prefix="streamjoin-bench-") as directory, LocalStack() as stack, stack.active():
        result = measure(args, directory)
    result["versions"] = {"streamjoin_commit": head, **result["versions"]}
    for part in [*result.get("growth", {}).values(), *([result["backlog"]] if "backlog" in result else [])]:
        part |= {"measured_at": result["measured_at"], "streamjoin_commit": head}
    result = beside_earlier_parts({"machine": before, **result}, args.output)
    result["claims"] = claims(result)
    return publish(result, args.output, lines(result))


def beside_earlier_parts(result: dict[str, Any], output: Path) -> dict[str, Any]:
    """Return `result` with those parts of the file that weren't measured now, if they had the same parameters."""
    if not output.exists():
        return result
    earlier = json.loads(output.read_text())
    if earlier["parameters"] != result["parameters"] or earlier["problems"]:
        return result
    kept = {part: earlier[part] for part in PARTS if part in earlier}
    return {**kept, **result, "growth": {**kept.get("growth", {}), **result.get("growth", {})}}


def measure(args: argparse.Namespace, directory: str) -> dict[str, Any]:
    """Run the parts one after the other, each in a process of its own, and check in this one what they left."""
    result: dict[str, Any] = {
        "versions": {},
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": parameters(args),
        "problems": [],
    }
    dynamodb = aws_client("dynamodb")
    create_table(dynamodb, COUNTRY_REFERENCE.name, COUNTRY_REFERENCE.keys)
    put_items(dynamodb, COUNTRY_REFERENCE.name, COUNTRY_ROWS)
    if "growth" in args.parts:
        result["growth"] = {}
        for table_type in args.table_type:
            measure_growth(args, table_type, directory, result)
    if "backlog" in args.parts:
        measure_backlog(args, directory, result)
    return result


def parameters(args: argparse.Namespace) -> dict[str, Any]:
    """Return what a result can be compared with."""
    names = ("commits", "fresh_commits", "rounds", "keys", "sample_every")
    return {
        **{name: getattr(args, name) for name in names},
        "records_per_batch": args.records,
        "reference_items": len(COUNTRY_ROWS),
    }


def plan_of(args: argparse.Namespace, table_type: str, directory: str) -> Plan:
    """Return how a type of table is measured."""
    return Plan(
        # A stream's name stands in every position; nothing is put into it.
        updates=Updates(f"orders-{table_type}", args.keys, args.records),
        table_type=table_type,
        base_path=f"{directory}/{table_type}",
        commits=args.commits,
        fresh_commits=args.fresh_commits,
        rounds=args.rounds,
        sample_every=args.sample_every,
        options=dict(args.hudi_option),
    )


def measure_growth(args: argparse.Namespace, table_type: str, directory: str, result: dict[str, Any]) -> None:
    """Add to `result` what a batch takes after many commits and after few, and what memory came to."""
    plan = plan_of(args, table_type, directory)
    found, result["versions"] = in_own_process(long_run_growth.measure, plan, f"{directory}/spark-{table_type}")
    rows_checked, problems = check_tables(found)
    result["growth"][table_type] = growth_json(found, rows_checked)
    result["problems"] += [f"{table_type}, {problem}" for problem in [*growth_problems(found), *problems]]


def check_tables(found: Growth) -> tuple[dict[str, int], list[str]]:
    """Compare rows, newest position and ledger of each table with its batches; return its rows, and what is wrong."""
    rows, problems = {}, []
    updates = found.plan.updates
    for name, grown in found.tables.items():
        batches = len(grown.seconds)
        table = read_table(grown.base_path, columns=["uuid", "combinedname", VERSION_COLUMN])
        rows[name] = table.num_rows
        said = [
            *updates_problems(table, updates, batches),
            *commit_problems(grown.base_path, updates, batches),
            *ledger_problems(grown.base_path, batches, updates.records),
        ]
        problems += [f"{name}: {problem}" for problem in said]
    return rows, problems


def updates_problems(table: pa.Table, updates: Updates, batches: int) -> list[str]:
    """Return what is wrong with a table's rows: each must be what the last batch that has its order says."""
    expected = updates.expected(batches)
    versions = dict(zip(table["uuid"].to_pylist(), table[VERSION_COLUMN].to_pylist(), strict=True))
    old = [uuid for uuid, (_, version) in expected.items() if uuid in versions and versions[uuid] != version]
    problems = table_problems(table, {uuid: row for uuid, (row, _) in expected.items()})
    if old:
        uuid = min(old)
        problems.append(
            f"{len(old):,} rows of another batch, such as {uuid}: expected {expected[uuid][1]}, found {versions[uuid]}"
        )
    return problems


def commit_problems(base_path: str, updates: Updates, batches: int) -> list[str]:
    """Return what is wrong with the newest commit: a job would go on where it says."""
    newest = checkpoint.read(base_path)
    if newest is None:
        return ["expected a commit with a position, found none"]
    last = {each.shard_id: each.last for each in updates.ranges(batches - 1, [b""] * updates.records)}
    found = {shard_id: at.sequence_number for shard_id, at in newest.position.shards.items()}
    problems = [] if found == last else [f"expected the newest commit's position at {last}, found {found}"]
    counts = {name: newest.counts.get(name) for name in ("read", "kept", "superseded", "rejected")}
    if counts != {"read": updates.records, "kept": updates.records, "superseded": 0, "rejected": 0}:
        problems.append(f"expected {updates.records:,} records read and kept in the newest commit, found {counts}")
    return problems


def ledger_problems(base_path: str, batches: int, records: int) -> list[str]:
    """Return what is wrong with the ledger: it must have the first start and every batch, with its counts."""
    entries = list(Ledger(base_path).entries())
    read = sum(int(entry.counts.get("read", 0)) for entry in entries)
    if (len(entries), read) == (1 + batches, batches * records):
        return []
    return [
        f"expected {1 + batches:,} entries of the ledger with {batches * records:,} records, found {len(entries):,} "
        f"with {read:,}"
    ]


def measure_backlog(args: argparse.Namespace, directory: str, result: dict[str, Any]) -> None:
    """Add to `result` what memory came to while a backlog was drained."""
    given, base_path = Backlog("orders-backlog", args.backlog, args.backlog_limit), f"{directory}/backlog"
    kinesis = aws_client("kinesis")
    create_stream(kinesis, given.stream_name, SHARDS)
    produce(kinesis, given.stream_name, islice(orders(), given.records), record_key="uuid")
    found, result["versions"] = in_own_process(long_run_backlog.measure, given, base_path, f"{directory}/spark-backlog")
    table = read_table(base_path, columns=["uuid", "combinedname"])
    expected = expected_rows(given.records, country_items(len(COUNTRY_ROWS)))
    result["backlog"] = backlog_json(given, found, table.num_rows)
    problems = [f"backlog: {problem}" for problem in table_problems(table, expected)]
    result["problems"] += [*backlog_problems(given, found), *problems]


if __name__ == "__main__":
    sys.exit(main())
