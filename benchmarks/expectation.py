"""What a benchmark's table must hold: fast because it did nothing must fail."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from streamjoin.local.samples.orders import COUNTRY_ROWS, orders
from streamjoin.local.tables import Item

SHOWN_ROWS = 3


def country_item(number: int) -> Item:
    """Return one item of the country table: the real ones come first, then made-up ones without end."""
    if number < len(COUNTRY_ROWS):
        return COUNTRY_ROWS[number]
    made_up = number - len(COUNTRY_ROWS)
    code, name = f"X{made_up}", f"Country {made_up}"
    return {"code": code, "countryname": name, "combinedname": f"{code}-{name}"}


def country_items(count: int) -> list[Item]:
    """Return the items of the country table: the real ones, then made-up ones up to `count`."""
    return [country_item(number) for number in range(count)]


def expected_rows(count: int, items: Iterable[Item]) -> dict[str, tuple[str, str | None]]:
    """Return, by uuid, the country of each of the first `count` orders and the combined name that its row must have."""
    combined = {item["countryname"]: item["combinedname"] for item in items}
    return {order["uuid"]: (order["country"], combined.get(order["country"])) for order in islice(orders(), count)}


def table_problems(table: pa.Table, expected: Mapping[str, tuple[str, str | None]]) -> list[str]:
    """Compare a table with what it must hold, row by row; return what is wrong with it."""
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


def _some(texts: Iterable[Any]) -> str:
    return "; ".join(sorted(map(str, texts))[:SHOWN_ROWS])
