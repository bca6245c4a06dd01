"""The files that the tables of a job are made of now, by their sizes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final
from xml.etree.ElementTree import Element

from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError
from streamjoin.hudi.table_files import TableFiles
from streamjoin.rendering import counted
from streamjoin.report.markup import node
from streamjoin.report.plots import bars
from streamjoin.report.scales import COUNT, bytes_text
from streamjoin.report.tables import folded

TITLE: Final = "Sizes of the tables' files"
# In bytes.
_LIMITS: Final = (0, 10**4, 10**5, 10**6, 10**7, 10**8, 10**9)
_MOST_TABLES: Final = 200


@dataclass(frozen=True)
class TableSizes:
    """What a table has.

    Args:
        name: The table's.
        base_bytes: Of each base file.
        log_bytes: Of each log.
        trouble: Why it couldn't be looked at, if it couldn't.
    """

    name: str
    base_bytes: Sequence[int] = ()
    log_bytes: Sequence[int] = ()
    trouble: str | None = None


def sizes_of(tables: Iterable[tuple[str, str]]) -> list[TableSizes]:
    """List the files of tables; one that can't be listed says so, and the rest of the page is made all the same.

    Args:
        tables: Name and base path of each.
    """
    found = []
    for name, base_path in tables:
        try:
            files = TableFiles.of(*open_path(base_path))
        except (OSError, SinkError) as error:
            found.append(TableSizes(name, trouble=f"'{base_path}' can't be listed: {error}"))
            continue
        found.append(TableSizes(name, [each.size for each in files.base], [each.size for each in files.logs]))
    return found


def sizes_figure(tables: Sequence[TableSizes]) -> Element:
    """Return the figure of the tables' files."""
    base = [size for each in tables for size in each.base_bytes]
    logs = [size for each in tables for size in each.log_bytes]
    troubles = [node("p", each.trouble, class_="bad") for each in tables if each.trouble]
    if not base and not logs:
        said = [] if troubles else [node("p", "No commit has written a file yet.", class_="nothing")]
        caption = node("figcaption", node("h3", TITLE), node("p", "Those that a query reads now."))
        return node("figure", caption, *said, *troubles, data_points=0)
    parts = {"base files": base, "logs": logs} if logs else {"base files": base}
    top = max(number for number, low in enumerate(_LIMITS) if low <= max(*base, *logs, 0))
    rows = {
        _class_text(low, high): {
            name: float(sum(low <= size < high for size in sizes)) for name, sizes in parts.items()
        }
        for low, high in pairwise([*_LIMITS[: top + 1], _LIMITS[top + 1] if top + 1 < len(_LIMITS) else float("inf")])
    }
    about = f"Those that a query reads now: {counted(len(base), 'base file')} of {bytes_text(sum(base))} in all"
    about += f", {counted(len(logs), 'log')} of {bytes_text(sum(logs))}." if logs else "."
    figure = bars(TITLE, about, COUNT, rows)
    figure.append(
        folded(
            f"By table: {len(tables):,}",
            ["table", "base files", "bytes", "median", "largest", "logs", "bytes of logs"],
            [_row(each) for each in sorted(tables, key=lambda each: -sum(each.base_bytes))[:_MOST_TABLES]],
        )
    )
    figure.extend(troubles)
    return figure


def _row(table: TableSizes) -> list[str]:
    base, logs = table.base_bytes, table.log_bytes
    middle, largest = (bytes_text(of(base)) if base else "-" for of in (median, max))
    sums = [bytes_text(sum(sizes)) for sizes in (base, logs)]
    return [table.name, f"{len(base):,}", sums[0], middle, largest, f"{len(logs):,}", sums[1]]


def _class_text(low: float, high: float) -> str:
    if low == 0:
        return f"below {bytes_text(high)}"
    return f"{bytes_text(low)} and more" if high == float("inf") else f"{bytes_text(low)} to {bytes_text(high)}"
