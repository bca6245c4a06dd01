"""Tables of a page, and how moments are written."""

from collections.abc import Sequence
from datetime import datetime
from xml.etree.ElementTree import Element

from streamjoin.report.markup import node


def folded(summary: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Element:
    """Return a table that is folded away until it is asked for."""
    return node("details", node("summary", summary), table(summary, head, rows))


def table(label: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Element:
    """Return a table that is scrolled by itself if there is no room for it; the first column names the row."""
    cells = (node("tr", node("th", row[0], scope="row"), *(node("td", cell) for cell in row[1:])) for row in rows)
    whole = node(
        "table",
        node("thead", node("tr", *(node("th", name, scope="col") for name in head))),
        node("tbody", *cells),
    )
    return node("div", whole, class_="scroll", role="region", aria_label=label, tabindex="0")


def time_text(moment: datetime) -> str:
    """Return a moment, which is in UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"
