"""What a table that was given updates must have: rows, the newest commit's position and counts, the ledger."""

import pyarrow as pa

from benchmarks import expectation
from benchmarks.summary.updates import VERSION_COLUMN, Updates
from streamjoin.history import checkpoint
from streamjoin.history.ledger import Ledger
from streamjoin.query import read_table


def table_problems(base_path: str, updates: Updates, batches: int) -> list[str]:
    """Compare rows, newest position and ledger of a table with its batches; return what is wrong."""
    table = read_table(base_path, columns=["uuid", "combinedname", VERSION_COLUMN])
    return [
        *updates_problems(table, updates, batches),
        *commit_problems(base_path, updates, batches),
        *ledger_problems(base_path, batches, updates.records),
    ]


def updates_problems(table: pa.Table, updates: Updates, batches: int) -> list[str]:
    """Return what is wrong with a table's rows: each must be what the last batch that has its order says."""
    expected = updates.expected(batches)
    versions = dict(zip(table["uuid"].to_pylist(), table[VERSION_COLUMN].to_pylist(), strict=True))
    old = [uuid for uuid, (_, version) in expected.items() if uuid in versions and versions[uuid] != version]
    problems = expectation.table_problems(table, {uuid: row for uuid, (row, _) in expected.items()})
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
    found = len(entries), sum(int(entry.counts.get("read", 0)) for entry in entries)
    expected = 1 + batches, batches * records
    if found == expected:
        return []
    (entries_expected, records_expected), (entries_found, read) = expected, found
    return [
        f"expected {entries_expected:,} entries of the ledger with {records_expected:,} records, "
        f"found {entries_found:,} with {read:,}"
    ]
