"""Arrow tables and checkpoints as text: for people, and as JSON and CSV for programs."""

import base64
import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # They are most of what starting takes, and no help needs them.
    import pyarrow as pa
    from rich.console import Console, Group, JustifyMethod
    from rich.table import Table
    from rich.tree import Tree

# What a terminal can show at a glance; JSON and CSV have all rows.
MOST_ROWS_SHOWN = 200
NARROWEST_COLUMN = 10


class OutputFormat(StrEnum):
    """What `--format` takes."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def counted(count: int, noun: str) -> str:
    """Return so many of something in words; the noun is one that takes an s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def plain(value: Any) -> Any:  # noqa: PLR0911  (one line a type)
    """Return `value` in the types of JSON.

    A decimal without fraction is a number, another one its exact digits as text; times are ISO 8601, with `Z` if
    they have a zone; bytes are base64; what is no number at all (NaN, infinities) is null.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            # The exponent is a letter for NaN and infinities.
            return int(value) if value.as_tuple().exponent == 0 else str(value)
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
    return str(value)


def _rows(table: "pa.Table") -> Iterator[tuple[Any, ...]]:
    from pyarrow.types import is_map  # noqa: PLC0415

    for batch in table.to_batches(max_chunksize=10_000):
        columns = [column.to_pylist() for column in batch.columns]
        for index, field in enumerate(table.schema):
            if is_map(field.type):  # Arrow gives a map as a list of pairs
                columns[index] = [None if pairs is None else dict(pairs) for pairs in columns[index]]
        yield from zip(*columns, strict=True)


def json_rows(table: "pa.Table") -> Iterator[dict[str, Any]]:
    """Yield the rows as objects of JSON."""
    return (dict(zip(table.column_names, map(plain, row), strict=True)) for row in _rows(table))


def as_json(table: "pa.Table") -> str:
    """Return the rows as a JSON list of objects, one object a line."""
    lines = (json.dumps(row, ensure_ascii=False) for row in json_rows(table))
    body = ",\n".join(f"  {line}" for line in lines)
    return f"[\n{body}\n]" if body else "[]"


def as_csv(table: "pa.Table") -> str:
    """Return the rows as CSV with a header, by RFC 4180; null is the empty field, nested values are JSON."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(table.column_names)
    for row in _rows(table):
        writer.writerow([_cell(value, null="") for value in row])
    return out.getvalue()


def _cell(value: Any, null: str) -> str:
    simple = plain(value)
    if simple is None:
        return null
    if isinstance(simple, str):
        return simple
    return json.dumps(simple, ensure_ascii=False)


def as_table(table: "pa.Table", title: str | None = None, *, width: int = 200) -> "Group":
    """Return the rows as a table for the terminal, cut after 200, with the number of rows below.

    Args:
        table: What to show.
        title: Put above.
        width: Of the terminal, in characters. If it is too narrow for all columns side by side, each row becomes a
            block of lines, one a column.
    """
    from rich.console import Group  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    count = counted(table.num_rows, "row")
    if table.num_rows > MOST_ROWS_SHOWN:
        count += f", the first {MOST_ROWS_SHOWN} shown; --format json or csv gives all"
    shown = Table()
    # Escaped, or rich would take [red] in the data for a colour.
    cells = [[escape(_cell(value, null="NULL")) for value in row] for row in _rows(table.slice(0, MOST_ROWS_SHOWN))]
    if table.num_columns * NARROWEST_COLUMN > width:
        _fill_downwards(shown, [escape(name) for name in table.column_names], cells)
    else:
        for field in table.schema:
            justify: JustifyMethod = "right" if _is_number(field.type) else "left"
            shown.add_column(escape(field.name), justify=justify, overflow="fold")
        for row in cells:
            shown.add_row(*row)
    # Not rich's own title and caption: those are folded to the width of the table.
    heading = [Text(title, style="bold")] if title else []
    return Group(*heading, shown, Text(count, style="dim"))


def _fill_downwards(shown: "Table", names: list[str], rows: list[list[str]]) -> None:
    shown.add_column("column")
    shown.add_column("value", overflow="fold")
    for row in rows:
        for name, cell in zip(names, row, strict=True):
            shown.add_row(name, cell)
        shown.add_section()


def _is_number(kind: "pa.DataType") -> bool:
    from pyarrow import types  # noqa: PLC0415

    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)


def write(table: "pa.Table", form: OutputFormat, console: "Console") -> None:
    """Print `table` to `console` in the form asked for."""
    match form:
        case OutputFormat.TABLE:
            console.print(as_table(table, width=console.width))
        case OutputFormat.JSON:
            console.file.write(as_json(table) + "\n")
        case OutputFormat.CSV:
            console.file.write(as_csv(table))


def as_tree(values: Mapping[str, Any], title: str = "") -> "Tree":
    """Return nested JSON values as a tree for the terminal, a line a value."""
    from rich.markup import escape  # noqa: PLC0415
    from rich.tree import Tree  # noqa: PLC0415

    tree = Tree(escape(title), hide_root=not title, guide_style="dim")
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            tree.add(as_tree(value, key))
        elif isinstance(value, list) and value and all(isinstance(inner, Mapping) for inner in value):
            branch = tree.add(escape(key))
            for number, inner in enumerate(value, 1):
                branch.add(as_tree(inner, str(number)))
        else:
            tree.add(f"{escape(key)}: [bold]{escape(_cell(value, null='none'))}[/]")
    return tree
