"""What a benchmark's table must hold: fast because it did nothing must fail."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from streamjoin.query import read_table

SHOWN_ROWS = 3

Row = tuple[str, str | None]
"""The country of an order, and the combined name that its row must have."""


def check_table(base_path: str, expected: Mapping[str, Row]) -> tuple[int, list[str]]:
    """Compare a table with what it must hold, row by row; return how many rows it has, and what is wrong."""
    table = read_table(base_path, columns=["uuid", "combinedname"])
    return table.num_rows, table_problems(table, expected)


def table_problems(table: pa.Table, expected: Mapping[str, Row]) -> list[str]:
    """Return what is wrong with a table."""
    found = dict(zip(table["uuid"].to_pylist(), table["combinedname"].to_pylist(), strict=True))
    problems = []
    if table.num_rows != len(found):
        problems.append(f"expected one row a uuid, found {table.num_rows:,} rows of {len(found):,}")
    missing, unknown = expected.keys() - found.keys(), found.keys() - expected.keys()
    for what, uuids in (("missing", missing), ("never sent", unknown)):
        if uuids:
            problems.append(f"expected {len(expected):,} uuids, {len(uuids):,} {what}: {_some(uuids)}")
    wrong = [
        f"{uuid} of {country!r}: expected {name!r}, found {found[uuid]!r}"
        for uuid, (country, name) in expected.items()
        if uuid in found and found[uuid] != name
    ]
    if wrong:
        problems.append(f"{len(wrong):,} rows with another combinedname: {_some(wrong)}")
    return problems


def batch_problems(counted: Sequence[int | None], expected: int) -> list[str]:
    """Return which batches did not have the number of records that was sent for them; None was not counted."""
    return [
        f"batch {number}: expected {expected:,} records, found {found:,}"
        for number, found in enumerate(counted, start=1)
        if found is not None and found != expected
    ]


def named(name: str, problems: Iterable[str]) -> list[str]:
    """Return the problems with the name of what has them."""
    return [f"{name}: {problem}" for problem in problems]


def _some(texts: Iterable[Any]) -> str:
    return "; ".join(sorted(map(str, texts))[:SHOWN_ROWS])
